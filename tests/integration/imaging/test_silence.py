"""Decoders print nothing, whatever the file."""

from __future__ import annotations

import subprocess
import sys


def test_decoding_broken_files_prints_nothing() -> None:
    """Pillow prints through the warnings module, C libraries directly to stderr."""
    code = (
        "import sys, warnings\n"
        "from lookdex.imaging import codec as images\n"
        "from tests.unit.imaging.test_images import ENCODED, encode, PLAIN, exif\n"
        "warnings.simplefilter('always')\n"
        "for data in [d[:n] for d in ENCODED.values() for n in (40, len(d) // 2, len(d) - 3)]:\n"
        "    try: images.decode(data, 10**6, 10**6)\n"
        "    except images.BadImage: pass\n"
    )
    path = ":".join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": path}
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
