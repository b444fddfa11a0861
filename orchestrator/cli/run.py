"""The edge: a command's errors become messages and exit codes."""

from __future__ import annotations

import errno
import io
import signal
import sys

import typer
from typer.exceptions import TyperException

from orchestrator.cli import outlet
from orchestrator.cli.console import explain
from orchestrator.cli.main import app
from orchestrator.cli.outlet import INTERRUPTED
from orchestrator.core.errors import OrchError


def run() -> int:
    """Run the command line; return the exit code."""
    try:
        return outlet.finish(_run())
    except BrokenPipeError:
        return outlet.gone()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return outlet.full(error)


def _run() -> int:
    _prepare()
    try:
        code = app(standalone_mode=False, prog_name="orch")
    except OrchError as error:
        explain(error)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except typer.Exit as ended:
        return ended.exit_code
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # typer calls that a failure
            raise ended.__context__ from None
        raise
    except TyperException as error:
        return _usage(error)
    return code if isinstance(code, int) else 0


def _prepare() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Logs and pages have letters that a terminal's or cron's encoding may not have.
            stream.reconfigure(errors="replace")
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _usage(error: TyperException) -> int:
    """A wrong option or argument: typer's own message, without its colours."""
    show = getattr(error, "show", None)
    if callable(show):
        show()
    return int(getattr(error, "exit_code", 2))
