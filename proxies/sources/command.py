"""A list that a command prints: bounded in time and output, and nothing of it is left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core import child, which
from orchestrator.core.child import Bounds, Command, Ended, Why
from proxies.sources.body import Body, require_small
from proxies.sources.failure import TOO_LATE, SourceFailed, clean, without_secrets

if TYPE_CHECKING:
    from proxies.sources.source import Source, Surroundings

#: A command that takes too long has this part of its time for its own ending, at most `_GRACE_S`.
_GRACE_PART = 0.2
_GRACE_S = 2.0
_SHELL = "/bin/sh"


def run(source: Source, here: Surroundings, _known: object = None) -> Body:
    """Run it in the home, with our environment, and take what it prints.

    Raises:
        SourceFailed: it cannot be started, fails, takes too long or prints too much.
    """
    seconds = here.deadline.remaining()
    grace = min(_GRACE_S, seconds * _GRACE_PART)
    bounds = Bounds(seconds - grace, grace=grace, out=source.max_size, strict=True)
    try:
        ended = child.run(_command(source, here), bounds)
    except (OSError, ValueError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SourceFailed(f"cannot be started: {why}") from None
    require_small(ended.said, source.max_size)
    why = _why_not(ended)
    if why:
        line = ended.err.decode("utf-8", "replace").strip().rpartition("\n")[2]
        said = clean(without_secrets(line, here.environment))
        raise SourceFailed(f"{why}: {said}" if said else why)
    return Body(ended.out)


def _command(source: Source, here: Surroundings) -> Command:
    folder = str(here.folder)
    if source.table.shell is not None:
        return Command(_SHELL, ["sh", "-c", source.table.shell], folder)
    words = source.table.command or ()
    return Command(which.find(words[0], here.folder), words, folder)


def _why_not(ended: Ended) -> str:
    if ended.why is Why.TIMEOUT:
        return TOO_LATE
    if ended.code < 0:
        return f"was ended by signal {-ended.code}"
    return f"ended with exit code {ended.code}" if ended.code else ""
