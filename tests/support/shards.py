"""Index one shard in this process."""

from __future__ import annotations

from lookdex.index.analyse import InProcess, Tools
from lookdex.index.shard import ShardOptions, finish_shard
from lookdex.records import Shard, ShardReport


def index_shard(shard: Shard, tools: Tools, round: int = 0, max_lost: int | None = None) -> ShardReport:
    """`finish_shard` with the models of this process."""
    options = ShardOptions(tools.catalog, tools.recipe, tools.run_id, round, max_lost)
    return finish_shard(shard, options, InProcess(tools))
