"""The command `lookdex` and its subcommands. Each imports its stage when called, so that --help is fast.

Exit codes: 0 success, 1 failure, 2 wrong usage, 3 not published because of the audit or a hold, 130 and 143 stopped by
Ctrl-C and by SIGTERM.
"""

from __future__ import annotations

import sys

import click

from lookdex import __version__
from lookdex.cli.audit import audit_command
from lookdex.cli.build import build_command
from lookdex.cli.evaluate import evaluate
from lookdex.cli.index import index_command
from lookdex.cli.plan import plan_command
from lookdex.cli.promote import promote_command
from lookdex.cli.reindex import reindex_command
from lookdex.cli.releases import releases_command
from lookdex.cli.report import report_command
from lookdex.cli.resume import resume_command
from lookdex.cli.rollback import rollback_command
from lookdex.cli.sample import sample_command
from lookdex.cli.search import search
from lookdex.cli.serve import serve, token


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="lookdex")
def main() -> None:
    """Search a shop's catalogue by photo.

    \b
    Every night:  lookdex reindex --source s3://shop/photos --catalog s3://shop/lookdex
    Search:       lookdex search photo.jpg --catalog s3://shop/lookdex
    Undo:         lookdex rollback --catalog s3://shop/lookdex

    Every setting (see `python -m lookdex.config`) can also be set as LOOKDEX_<NAME> in the environment or in
    lookdex.toml.
    """


for command in (
    reindex_command,
    plan_command,
    index_command,
    build_command,
    audit_command,
    promote_command,
    rollback_command,
    resume_command,
    releases_command,
    report_command,
    sample_command,
    search,
    serve,
    token,
    evaluate,
):
    main.add_command(command)


if __name__ == "__main__":
    sys.exit(main())
