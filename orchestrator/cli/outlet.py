"""The end of standard output: who reads it may have gone, and the disk may be full."""

from __future__ import annotations

import errno
import os
import select
import sys
from contextlib import suppress

#: Whoever read our output has gone.
INTERRUPTED = 130
FAILED = 1


def finish(code: int, text: str = "") -> int:
    """Write `text` and all that waits to be written; return the exit code, `code` if that went well."""
    if sys.stdout is None:  # it was closed before we came
        return code
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        return gone()
    except OSError as error:
        if error.errno != errno.EIO:
            return full(error)
        silence()  # the terminal was closed, which is said by a signal
    return code


def pause(seconds: float) -> None:
    """Wait between two looks; a pipe knows that its reader has gone before anything is written.

    Raises:
        BrokenPipeError: nobody reads any more; nothing may ever be written again that would tell.
    """
    poll = select.poll()
    with suppress(OSError, ValueError, AttributeError):  # it was closed, or is no file
        poll.register(sys.stdout.fileno(), 0)
    if poll.poll(seconds * 1000):
        raise BrokenPipeError


def gone() -> int:
    """Nothing more can be said to whoever has gone, also not at exit; return the exit code."""
    silence()
    return INTERRUPTED


def full(error: OSError) -> int:
    """Say that nothing more can be written; return the exit code."""
    silence()
    sys.stderr.write(f"orch: nothing more can be written: {error.strerror}\n")
    return FAILED


def silence() -> None:
    """Let what cannot be written go nowhere: Python would try it again when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
