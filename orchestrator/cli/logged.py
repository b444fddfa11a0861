"""A command that nobody watches: what it prints goes to a file that says when, and stays small."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from orchestrator.cli.console import explain
from orchestrator.cli.moment import local
from orchestrator.cli.outlet import INTERRUPTED
from orchestrator.core import duration
from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import OrchError
from orchestrator.core.files import unwritable
from orchestrator.supervise.rotation import is_due, rotate
from orchestrator.supervise.service import LogSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: The file is moved on beyond this size, in bytes, and so many older ones are kept.
LARGEST = 1_000_000
KEPT = 3


@contextmanager
def logged(path: Path | None) -> Iterator[None]:
    """Append all that is printed to `path`, errors and the exit code too; without one nothing is done.

    Raises:
        OrchError: the file cannot be written.
    """
    if path is None:
        yield
        return
    with _redirected(path):
        started = SYSTEM.monotonic()
        _say(f"-- {local(SYSTEM.wall())} {shlex.join(['orch', *sys.argv[1:]])}")
        code = 1
        try:
            yield
            code = 0
        except typer.Exit as ended:
            code = ended.exit_code
        except OrchError as error:
            explain(error)
            code = error.exit_code
        except KeyboardInterrupt:
            code = INTERRUPTED
        finally:
            took = duration.show(SYSTEM.monotonic() - started)
            _say(f"-- {local(SYSTEM.wall())} exit code {code} after {took}")
    raise typer.Exit(code)


@contextmanager
def _redirected(path: Path) -> Iterator[None]:
    """Put the file in the place of standard output and error, for children too."""
    saved = [os.dup(stream) for stream in (1, 2)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        spec = LogSpec(str(path), LARGEST, KEPT)
        if is_due(spec):
            rotate(spec)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        for stream in (1, 2):
            os.dup2(file, stream)
        os.close(file)
        yield
    finally:
        for stream, old in enumerate(saved, 1):
            (sys.stdout, sys.stderr)[stream - 1].flush()
            os.dup2(old, stream)
            os.close(old)


def _say(line: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
