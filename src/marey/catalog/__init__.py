"""What is known of every clip: the schema, the store, the ledger, selection queries, tensor shards, exporters."""

from marey.catalog.buckets import UNKNOWN_MOTION, motion_buckets
from marey.catalog.export import Exported, export
from marey.catalog.forget import Forgotten, forget, remember
from marey.catalog.grid import grid_table, subset_grid
from marey.catalog.health import broken_shards, trust_new_shards
from marey.catalog.join import join_shards
from marey.catalog.layouts import LAYOUTS
from marey.catalog.paths import path_text, text_path
from marey.catalog.publish import Published, publish
from marey.catalog.select import Selection, Threshold, choose, read_selection, select
from marey.catalog.shards import Shard, flatten, new_shard, shard_name, write_shard
from marey.catalog.sheets import draw_sheets
from marey.catalog.split import groups, split
from marey.catalog.store import Library, Place
from marey.catalog.survivors import survivor_table
from marey.catalog.weights import caption_weights, drawn_caption, heaviest_caption

__all__ = [
    "LAYOUTS",
    "UNKNOWN_MOTION",
    "Exported",
    "Forgotten",
    "Library",
    "Place",
    "Published",
    "Selection",
    "Shard",
    "Threshold",
    "broken_shards",
    "caption_weights",
    "choose",
    "draw_sheets",
    "drawn_caption",
    "export",
    "flatten",
    "forget",
    "grid_table",
    "groups",
    "heaviest_caption",
    "join_shards",
    "motion_buckets",
    "new_shard",
    "path_text",
    "publish",
    "read_selection",
    "remember",
    "select",
    "shard_name",
    "split",
    "subset_grid",
    "survivor_table",
    "text_path",
    "trust_new_shards",
    "write_shard",
]
