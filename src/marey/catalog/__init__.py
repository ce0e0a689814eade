"""What is known of every clip: the schema, the store, the ledger, selection queries, tensor shards, exporters."""

from marey.catalog.forget import Forgotten, forget, remember
from marey.catalog.paths import path_text, text_path
from marey.catalog.publish import Published, publish
from marey.catalog.select import Selection, Threshold, choose, read_selection, select
from marey.catalog.shards import Shard, flatten, new_shard, shard_name, write_shard
from marey.catalog.split import groups, split
from marey.catalog.store import Library, Place

__all__ = [
    "Forgotten",
    "Library",
    "Place",
    "Published",
    "Selection",
    "Shard",
    "Threshold",
    "choose",
    "flatten",
    "forget",
    "groups",
    "new_shard",
    "path_text",
    "publish",
    "read_selection",
    "remember",
    "select",
    "shard_name",
    "split",
    "text_path",
    "write_shard",
]
