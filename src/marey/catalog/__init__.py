"""What is known of every clip: the schema, the store, the ledger, selection queries, tensor shards, exporters."""

from marey.catalog.paths import path_text, text_path
from marey.catalog.shards import flatten, new_shard, shard_name, write_shard
from marey.catalog.store import Library, Place

__all__ = ["Library", "Place", "flatten", "new_shard", "path_text", "shard_name", "text_path", "write_shard"]
