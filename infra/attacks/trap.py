"""A module for release records to name as a model: importing it leaves a mark."""

import os
from pathlib import Path

if mark := os.environ.get("ATTACK_MARK"):
    Path(mark).write_text("the module of a release record was imported")
