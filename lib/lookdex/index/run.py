"""Run one index task: the whole shard in this process, or photo by photo when a model fails."""

from __future__ import annotations

import logging
from contextlib import closing

from lookdex.catalog import runs
from lookdex.errors import LookdexError, ModelFailed
from lookdex.index.task import IndexTask, load_tools, open_cached_store, read_plan
from lookdex.records import ShardReport

log = logging.getLogger(__name__)


def run_task(task: IndexTask) -> ShardReport:
    """Index one shard of a stored plan. The first task of a process loads the models; later ones reuse them.

    When a model fails, or with any error that is not of the store or the settings, the shard is repeated photo by
    photo. If this process dies, another one repeats the task with `careful` set.
    """
    from lookdex.index.analyse import InProcess  # late: the driver needs no decoders
    from lookdex.index.isolated import Isolated
    from lookdex.index.shard import ShardOptions, finish_shard

    catalog, plan = open_cached_store(task.catalog), task.plan
    shard = runs.read_shard(read_plan(task.catalog, plan.plan), plan, task.shard_id)
    options = ShardOptions(catalog, plan.recipe, plan.run_id, task.round, task.options.max_lost)
    if not task.careful:
        try:
            with runs.attempt(catalog, plan.run_id, task.shard_id, task.round):
                return finish_shard(shard, options, InProcess(load_tools(task)))
        except Exception as error:
            if isinstance(error, LookdexError) and not isinstance(error, ModelFailed):
                raise
            log.warning("shard %s: %s; retrying photo by photo", task.shard_id, error)
    with closing(Isolated(task, shard)) as isolated:
        return finish_shard(shard, options, isolated)
