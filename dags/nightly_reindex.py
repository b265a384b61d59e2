"""Nightly reindex: plan >> index >> build >> audit >> promote, each a job of jobs/ or a command of `lookdex`.

Imports only Airflow and the standard library. The jobs run in their own environment, found on the worker's PATH
(`spark-submit`, `lookdex`). The connection `spark_default` decides where (master, deploy mode, queue).
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import DAG, Asset, BaseOperator, Context, Param
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

JOBS = os.environ.get("LOOKDEX_JOBS") or str(Path(__file__).resolve().parent.parent / "jobs")
RETRIES = int(os.environ.get("LOOKDEX_RETRIES") or 2)
SCHEDULE = os.environ.get("LOOKDEX_SCHEDULE") or "0 2 * * *"
RELEASE = Asset("lookdex_release", uri="lookdex://release")
WRONG_USAGE, REFUSED = 2, 3  # exit codes of lookdex for which a retry is useless

DOC = """\
### What this does
Finds what changed in the bucket since the live release, detects and embeds the objects of new photos, builds a candidate
release, audits it and, if it passes, makes it live. **Whatever fails here, readers stay on the last good release.** Every
stage continues where it stopped: *clear* a failed task (with its downstream) as often as you like.

### You were paged: read the end of the failed task's log
| task | what it means | what to do |
| --- | --- | --- |
| plan | Exit 2: a setting is wrong; the message names it. Exit 1 with *mass change*: more photos vanished, or more live products are missing from the products file, than a night may lose. Often the bucket or file is empty or half-copied. | Check the bucket and the file. If the change is intended, trigger with `allow_mass_change`. To keep photos of products that the file does not list, set `keep_unlisted = true` in `lookdex.toml`. Exit 1 with *undone by the rollback*: this run's release was rolled back; trigger a new run. |
| index | The bucket answered with errors, or too many photos were broken: the message counts them by reason and shows one. Or a worker died. | When the cause is fixed, clear the task with its downstream: finished shards are kept, and their failed photos are retried. If the loss is intended, trigger with `allow_mass_change`. Single broken photos never stop it: they are rows with a reason in the table `images`. |
| build | The store failed, or another program wrote to the table. | Clear the task. With *foreign transaction*, find the other program first. |
| audit | Exit 3: the candidate failed a check; the log shows the offending rows. Nothing was published. | Often the cause is a new model or a broken export: fix it and trigger again. Not retried. |
| promote | Another release went live meanwhile: trigger a new run. *Skipped*: a rollback holds promotions. | `lookdex resume --catalog …` when the cause is fixed. |

### Bad answers are live
`lookdex releases --catalog C` lists the releases. `lookdex rollback --catalog C` rolls back at once and holds further
promotions; nights still build and audit. `lookdex resume --catalog C` ends the hold.

### Settings
A value left empty in the form comes from the Airflow Variable `lookdex_<name>` (or `AIRFLOW_VAR_LOOKDEX_<NAME>`), else
from lookdex's own configuration. `LOOKDEX_SCHEDULE` is the cron expression, `LOOKDEX_RETRIES` the number of retries of a
task, `LOOKDEX_JOBS` the folder of the jobs. The connection `spark_default` is the cluster.
"""


def setting(name: str) -> str:
    """Jinja for a value of the form, the Variable `lookdex_<name>`, or ''."""
    return f"(params.{name} or var.value.get('lookdex_{name}', ''))"


def options(*names: str) -> list[str]:
    """One templated argument `--name=value` per setting; '' if the setting is empty.

    Values never reach a shell, and one that starts with a dash cannot become another option.
    """
    flags = [name.replace("_", "-") for name in names]
    return [
        f"{{{{ '--{flag}=' ~ {setting(name)} if {setting(name)} else '' }}}}"
        for flag, name in zip(flags, names, strict=True)
    ]


def switches(*names: str) -> list[str]:
    return [f"{{{{ '--{name.replace('_', '-')}' if params.{name} else '' }}}}" for name in names]


RUN = ["--run-id={{ run_id }}", *options("catalog")]


class SparkJob(SparkSubmitOperator):
    """`spark-submit` of a job, without empty arguments. Errors that a retry cannot fix fail at once."""

    def execute(self, context: Context) -> None:
        self.application_args = [argument for argument in self.application_args or () if argument]
        try:
            super().execute(context)
        except AirflowException as error:
            if f"Error code is: {WRONG_USAGE}." in str(error):
                raise AirflowFailException(str(error)) from error
            raise


class LookdexCommand(BaseOperator):
    """A command of `lookdex`, run without a shell. Exit code 3 fails at once, or skips."""

    template_fields = ("arguments",)

    def __init__(
        self,
        *,
        arguments: list[str],
        skip_when_refused: bool = False,
        **kwargs: Any,  # of BaseOperator
    ) -> None:
        super().__init__(**kwargs)
        self.arguments = arguments
        self.skip_when_refused = skip_when_refused
        self.hook = SubprocessHook()

    def execute(self, context: Context) -> None:
        command = ["lookdex", *(argument for argument in self.arguments if argument)]
        result = self.hook.run_command(command, cwd=os.getcwd())  # where spark-submit runs too
        if result.exit_code == REFUSED and self.skip_when_refused:
            raise AirflowSkipException(result.output)
        if result.exit_code in (WRONG_USAGE, REFUSED):
            raise AirflowFailException(f"exit code {result.exit_code}: {result.output}")
        if result.exit_code:
            raise AirflowException(f"exit code {result.exit_code}: {result.output}")

    def on_kill(self) -> None:
        self.hook.send_sigterm()


def text(title: str, description: str) -> Param:
    return Param(None, type=["null", "string"], title=title, description=description)


with DAG(
    "nightly_reindex",
    description="Publishes changes in the bucket as an audited release of the catalogue",
    schedule=SCHEDULE,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    tags=["lookdex", "catalogue"],
    doc_md=DOC,
    params={
        "source": text("Source", "Location of the photos: s3://bucket/prefix or a folder."),
        "catalog": text("Catalogue", "Location of the catalogue: s3://bucket/prefix or a folder."),
        "products": text("Products", "CSV, JSON lines or Parquet with product_id, title, category …"),
        "pattern": text("Key pattern", "How a photo's key names its product: {product_id}/{name}.jpg"),
        "mapping": text("Mapping", "A file with the columns image_key and product_id, instead of a pattern."),
        "device": text("Device", "Where the models run: cpu, cuda or cuda:N."),
        "limit": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Limit",
            description="Index at most this many photos.",
        ),
        "full": Param(False, type="boolean", title="Full", description="Index every photo again."),
        "allow_mass_change": Param(
            False,
            type="boolean",
            title="Allow a mass change",
            description="Continue even if much of the catalogue vanished, is not in the products file or could not be read.",
        ),
    },
    default_args={
        "retries": RETRIES,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=15),
    },
) as dag:
    # durable=False: a retry submits again; finished shards are kept and fragments are committed once.
    plan = SparkJob(
        task_id="plan",
        name="lookdex-plan",
        application=f"{JOBS}/plan_changes.py",
        application_args=[
            *RUN,
            *options("source", "products", "pattern", "mapping", "limit"),
            *switches("full", "allow_mass_change"),
        ],
        durable=False,
        execution_timeout=timedelta(hours=1),
        doc_md="Lists the source, compares it with the live release and stores the plan.",
    )
    index = SparkJob(
        task_id="index",
        name="lookdex-index",
        application=f"{JOBS}/index_images.py",
        application_args=[*RUN, *options("device"), *switches("allow_mass_change")],
        durable=False,
        execution_timeout=timedelta(hours=10),
        doc_md="Fetches, decodes, detects, crops and embeds the planned photos, shard by shard.",
    )
    build = SparkJob(
        task_id="build",
        name="lookdex-build",
        application=f"{JOBS}/build_release.py",
        application_args=[*RUN, *switches("allow_mass_change")],
        durable=False,
        execution_timeout=timedelta(hours=3),
        doc_md="Builds the candidate: one commit on top of the live release, then the vector index.",
    )
    audit = LookdexCommand(
        task_id="audit",
        arguments=["audit", *RUN, *options("device"), *switches("allow_mass_change")],
        execution_timeout=timedelta(hours=1),
        doc_md="Checks the candidate. Exit code 3: a check failed, nothing is published, no retry.",
    )
    promote = LookdexCommand(
        task_id="promote",
        arguments=["promote", *RUN],
        skip_when_refused=True,
        outlets=[RELEASE],
        execution_timeout=timedelta(minutes=15),
        doc_md="Makes the release live by an entry in the promotion log. Skipped while a rollback holds promotions.",
    )
    plan >> index >> build >> audit >> promote
