"""`orch` and `python -m orchestrator`."""

from __future__ import annotations

import importlib
import os
import signal
import sys

from orchestrator.cli.quick import quick
from orchestrator.core.imports import uncollected


def main() -> int:
    """Run one command; return its exit code. Every error of ours becomes one clear message."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if (
            getattr(sys, name) is None
        ):  # closed by who started us (`>&-`): nobody reads, nothing fails
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until the command line is there to say it better, Ctrl+C ends us without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Whoever started us may have held it back while the interpreter could only answer by a traceback.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    code = quick(sys.argv[1:])
    if code is None:
        # Only now: typer and rich cost 200 ms, which `orch status` and a second `orch up` save.
        with uncollected():
            run = importlib.import_module("orchestrator.cli.run").run
        code = int(run())
    return code


if __name__ == "__main__":
    sys.exit(main())
