"""The command line within this process, and the fakes as its models."""

from __future__ import annotations

from click.testing import CliRunner, Result

from lookdex.cli import main

NAMED = (
    "detector",
    "embedder",
    "slow_detector",
    "fragile_detector",
    "poisoned_detector",
    "odd_detector",
    "odd_embedder",
)
TRUSTED = {"LOOKDEX_TRUSTED_MODELS": ",".join(f"python:tests.support.fakes:{name}" for name in NAMED)}
FAKES = (
    "--detector",
    "python:tests.support.fakes:detector",
    "--embedder",
    "python:tests.support.fakes:embedder",
)


def run(*arguments: str, **environment: str) -> Result:
    """A verb, with all of the fakes as models that the catalogue may name, unless `environment` says otherwise."""
    return CliRunner().invoke(main.main, arguments, env=TRUSTED | environment, catch_exceptions=False)
