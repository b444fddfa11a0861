"""How many connections this process may have at once: its open files are counted."""

from __future__ import annotations

import contextlib
import resource

#: Open files that are left to everything but checks.
OTHER_FILES = 100
#: A check has its first connection, and then two at once.
FILES_A_CHECK = 2


def room(wanted: int) -> int:
    """How many of so many checks may be in flight; the limit is raised as far as we may."""
    files = wanted * FILES_A_CHECK + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < files:
        raised = files if hard == resource.RLIM_INFINITY else min(files, hard)
        with contextlib.suppress(
            OSError, ValueError
        ):  # somebody forbids it: with what there is, then
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
        return max(1, min(wanted, (soft - OTHER_FILES) // FILES_A_CHECK))
    return wanted
