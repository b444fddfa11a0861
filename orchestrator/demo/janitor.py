"""Leaves nothing behind, also when the demo itself is killed.

`python -m orchestrator.demo.janitor HOME` waits on stdin for the word that all is done. If the pipe is
closed without it, the demo is gone: the services are stopped, whatever carries the home is ended,
and the folder is removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from orchestrator.core.errors import OrchError
from orchestrator.demo import traces
from orchestrator.demo.command import Commands

if TYPE_CHECKING:
    from types import TracebackType

#: How long `orch down` may take here.
DOWN_S = 30.0

_DONE = b"done"


class Janitor:
    """A process that cleans up behind us, unless it is dismissed before this context ends."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._word = b""
        self._process: subprocess.Popen[bytes] | None = None

    def dismiss(self) -> None:
        """Tell it that all is done and what is still there is meant to be."""
        self._word = _DONE

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "orchestrator.demo.janitor", str(self._home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.communicate(self._word)


def leave_nothing(home: Path) -> list[int]:
    """Stop the services of `home` and end whatever carries it; return what did not go."""
    if (home / "data").exists():
        with contextlib.suppress(OrchError):
            Commands(home, lambda: None).output("down", timeout=DOWN_S)
    return traces.end_all(home)


def main() -> None:
    """Wait, and clean up if nobody says that all is done."""
    home = Path(sys.argv[1])
    if sys.stdin.buffer.read() == _DONE or not home.is_dir():
        return
    os.chdir(home.parent)
    leave_nothing(home)
    shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
