"""Running one index task: the whole shard at once, or photo by photo where a model fails."""

from __future__ import annotations

import logging
from contextlib import closing

from lookdex.catalog import runs
from lookdex.errors import LookdexError, ModelFailed
from lookdex.index.job import IndexTask, store_at, tools_of
from lookdex.records import ShardReport

log = logging.getLogger(__name__)


def run_task(task: IndexTask) -> ShardReport:
    """Index one shard of a stored plan. The process's first task loads the models; those after it find them there.

    When a model fails, or anything but an outside fault occurs, the shard is redone photo by photo at once. When this
    process dies, only another one can do that: it starts with `careful`.
    """
    from lookdex.index.analyse import InProcess  # late: the driver needs no decoders
    from lookdex.index.isolated import Isolated
    from lookdex.index.shard import Order, finish_shard

    catalog, plan = store_at(task.catalog), task.plan
    shard = runs.load_shard(catalog, plan, task.shard_id)
    order = Order(catalog, plan.recipe, plan.run_id, task.round, task.options.most_lost)
    if not task.careful:
        try:
            with runs.attempt(catalog, plan.run_id, task.shard_id, task.round):
                return finish_shard(shard, order, InProcess(tools_of(task)))
        except Exception as error:
            if isinstance(error, LookdexError) and not isinstance(error, ModelFailed):
                raise
            log.warning("shard %s: %s; now photo by photo", task.shard_id, error)
    with closing(Isolated(task, shard)) as isolated:
        return finish_shard(shard, order, isolated)
