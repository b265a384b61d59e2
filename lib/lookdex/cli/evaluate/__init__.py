"""`lookdex evaluate …`, one module per command. Each prints Markdown tables and can write all metrics as JSON."""

from __future__ import annotations

import click

from lookdex.cli.evaluate.detection import detection_command
from lookdex.cli.evaluate.end_to_end import end_to_end_command
from lookdex.cli.evaluate.retrieval import retrieval_command
from lookdex.cli.evaluate.text import text_command
from lookdex.cli.evaluate.zero_shot import zero_shot_command


@click.group("evaluate", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def evaluate() -> None:
    """Evaluate models and catalogues against known answers.

    \b
    lookdex evaluate retrieval  --images photos --items items.csv --label label --exclude-same sender_id
    lookdex evaluate detection  --images photos --coco boxes.json --pictures out
    lookdex evaluate end-to-end --catalog catalog --queries sample/truth.parquet --thresholds thresholds.json
    lookdex evaluate zero-shot  --images photos --items items.csv --label category
    lookdex evaluate text       --images photos --items items.csv --from colour,category --language ko

    Each prints tables; --json writes all metrics, --markdown the tables. The models run in this process, or with
    --spark in the tasks of a Spark session, where the same paths must exist (spark-submit: jobs/evaluate.py).
    """


for command in (retrieval_command, detection_command, end_to_end_command, zero_shot_command, text_command):
    evaluate.add_command(command)

__all__ = ["evaluate"]
