"""Terminals that answer capability queries and record what is written to them."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

COLUMNS, ROWS, CELL = 120, 60, (10, 20)  # cell size in pixels


@dataclass(frozen=True)
class Terminal:
    """answers: its responses to queries, in order.

    They are written before the first query: programs wait only a tenth of a second, and a busy machine may take longer.
    """

    answers: Sequence[str] = ()
    columns: int = COLUMNS
    cell: tuple[int, int] = CELL

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], seconds: float = 60
    ) -> tuple[int, str]:
        """Run a command in it. Returns the exit code and everything written."""
        master, slave = pty.openpty()
        size = struct.pack("HHHH", ROWS, self.columns, self.columns * self.cell[0], ROWS * self.cell[1])
        fcntl.ioctl(slave, termios.TIOCSWINSZ, size)
        quiet = termios.tcgetattr(slave)
        quiet[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, quiet)
        os.write(master, "".join(self.answers).encode())
        process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=dict(environment), start_new_session=True
        )
        os.close(slave)
        decoder, written = codecs.getincrementaldecoder("utf-8")(), ""
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                if not select.select([master], [], [], 0.1)[0]:
                    continue
                try:
                    written += decoder.decode(os.read(master, 65536))
                except OSError:  # the other end was closed
                    break
            return process.wait(timeout=10), written.replace("\r\n", "\n")
        finally:
            process.kill()
            process.wait()
            os.close(master)
