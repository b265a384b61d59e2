"""The command line within this process, and the fakes as its models."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from lookdex import cli

ROOT = Path(__file__).resolve().parent.parent
FAKES = ("--detector", "python:tests.fakes:detector", "--embedder", "python:tests.fakes:embedder")


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(cli.main, arguments, env=environment, catch_exceptions=False)
