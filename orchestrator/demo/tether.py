"""Run a module as a program that ends when whoever started it is gone.

`python -P tether.py MODULE [ARGUMENT...]` does what `python -m MODULE [ARGUMENT...]` does, with a
thread that reads stdin: a pipe whose other end only the starter holds. When the starter ends, even
by kill -9, the kernel closes the pipe, and this process ends with its whole group. It is run by
path and made of the standard library alone, so that `python -I` can run it too.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    """Tie this process to its stdin and become the module named on the command line."""
    threading.Thread(target=end_with_stdin, daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def end_with_stdin() -> None:
    """Wait until stdin is closed, then end this process and, if it leads a group, the group."""
    while os.read(0, 1):
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
