"""The command line in this process, with the fakes as its models."""

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
TRUSTED = {"LOOKDEX_TRUSTED_MODELS": ",".join(f"python:tests.fakes:{name}" for name in NAMED)}
FAKES = (
    "--detector",
    "python:tests.fakes:detector",
    "--embedder",
    "python:tests.fakes:embedder",
)


def run(*arguments: str, **environment: str) -> Result:
    """Run a command that trusts all fakes, unless `environment` says otherwise."""
    return CliRunner().invoke(main.main, arguments, env=TRUSTED | environment, catch_exceptions=False)
