"""What Redis refuses, or why it does not answer, in our words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from orchestrator.core.errors import ConfigError, DiskFull, IncompatibleData, RedisNotReady

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.core.errors import OrchError

#: For names that somebody else uses.
ELSEWHERE = (
    "use another name (that of a queue stands behind #: redis://…#NAME), or another database"
)
_WRITTEN = "write USER:PASSWORD@ (or only :PASSWORD@) behind the :// of its URL"
_PRIMARY = "its primary takes them: use that one's address"


def _denied(text: str) -> OrchError:
    return ConfigError((f"Redis lets only those in who have its password: {text}",), hint=_WRITTEN)


def _forbidden(text: str) -> OrchError:
    hint = "`ACL SETUSER` gives the user of the URL what it needs"
    return ConfigError((f"Redis forbids this to the user of its URL: {text}",), hint=hint)


def _full(_: str) -> OrchError:
    hint = "give it more memory (`CONFIG SET maxmemory …`), or let go of what ended (`orch queue prune`)"
    return DiskFull(
        "Redis is full: it takes nothing more until there is room (maxmemory)", hint=hint
    )


def _unsaved(_: str) -> OrchError:
    hint = (
        "is its disk full? its log says why; `redis-cli info persistence` shows when it can again"
    )
    return DiskFull("Redis cannot save to its disk, and takes no writes until it can", hint=hint)


def _replica(_: str) -> OrchError:
    return RedisNotReady("this Redis is a replica, which takes no writes", hint=_PRIMARY)


def _cut_off(_: str) -> OrchError:
    told = "this Redis is a replica that has lost its primary, and answers nothing until it is back"
    return RedisNotReady(told, hint=_PRIMARY)


def _loading(_: str) -> OrchError:
    hint = "try again in a moment; a long log takes a while"
    return RedisNotReady("Redis is still loading its data", hint=hint)


def _foreign(_: str) -> OrchError:
    told = "another program's data stand under our names in this Redis"
    return IncompatibleData(told, hint=ELSEWHERE)


#: By the error that redis-py makes of an answer, or by the word that it leaves at its start.
_REFUSALS: tuple[tuple[type[RedisError], str, Callable[[str], OrchError]], ...] = (
    (AuthenticationError, "", _denied),
    (NoPermissionError, "", _forbidden),
    (OutOfMemoryError, "", _full),
    (ReadOnlyError, "", _replica),
    (MasterDownError, "", _cut_off),
    (BusyLoadingError, "", _loading),
    (ResponseError, "MISCONF", _unsaved),
    (ResponseError, "WRONGTYPE", _foreign),
)


def refusal(error: RedisError) -> OrchError | None:
    """What the server's answer means; None: it gave none, or one of which nothing more is known."""
    text = str(error)
    for kind, word, told in _REFUSALS:
        if isinstance(error, kind) and text.startswith(word):
            return told(text)
    return None
