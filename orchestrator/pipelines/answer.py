"""What a server's answer to a download means: decisions, with no network and no file in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from orchestrator.core.retry_after import asked_for, instant
from orchestrator.queue.pipeline import Failure, Retry

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Statuses that are no 5xx, and may still be another one later.
_LATER = frozenset({408, 425, 429})
_MOVED = frozenset({301, 302, 303, 307, 308})
#: A file that was changed so shortly before the answer may change again within the same second, which
#: its date does not show (RFC 9110, 8.8.2.2).
STRONG_AFTER_S = 60.0


@dataclass(frozen=True, slots=True)
class Moved:
    """It is somewhere else; `target` is as the server wrote it."""

    target: str


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `first` to `last` of `total`; None where the server does not know."""

    first: int
    last: int
    total: int | None


def judge(status: int, headers: Mapping[str, str], *, now: float) -> Moved | Retry | Failure | None:
    """Say what follows from a status; None for one that comes with content. `now`: since 1970."""
    if 200 <= status < 300:  # noqa: PLR2004
        return None
    if status in _MOVED:
        target = headers.get("Location", "")
        return Moved(target) if target else Failure(f"{named(status)}, to nowhere")
    if status in _LATER or status >= 500:  # noqa: PLR2004
        return Retry(named(status), asked_for(headers, now))
    return Failure(named(status))


def named(status: int) -> str:
    """A status for people.

    >>> named(404), named(599)
    ('404 Not Found', 'status 599')
    """
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"status {status}"


def validator(headers: Mapping[str, str]) -> str:
    """Return what proves later that the content is the same byte for byte; "" if nothing does."""
    etag = headers.get("ETag", "").strip()
    if re.fullmatch(r'"[\x21\x23-\x7e]*"', etag):
        return etag
    modified = headers.get("Last-Modified", "").strip()
    changed, answered = instant(modified), instant(headers.get("Date", ""))
    if changed is None or answered is None or answered - changed < STRONG_AFTER_S:
        return ""
    return modified


def length(headers: Mapping[str, str]) -> int | None:
    """Return how many bytes follow, as far as the server says."""
    text = headers.get("Content-Length", "")
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def part(headers: Mapping[str, str]) -> Part | None:
    """Return which bytes follow; None when it is not one range, or does not add up.

    >>> part({"Content-Range": "bytes 5-9/10"})
    Part(first=5, last=9, total=10)
    """
    found = re.fullmatch(
        r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)",
        headers.get("Content-Range", "").strip(),
    )
    if not found:
        return None
    told = Part(int(found[1]), int(found[2]), None if found[3] == "*" else int(found[3]))
    follows = told.last - told.first + 1
    fits = told.total is None or told.last < told.total
    return told if follows > 0 and fits and length(headers) in (None, follows) else None


def continues(
    headers: Mapping[str, str], *, size: int, proof: str, total: int | None
) -> Part | None:
    """Return the part that follows `size` bytes of the same content; None when it does not.

    `proof` is the `validator` of what we have, `total` the length that was announced for it.
    """
    told = part(headers)
    if told is None or told.first != size or total != told.total:
        return None
    if proof.startswith('"'):
        same = headers.get("ETag", "").strip() == proof
    else:  # it need not be repeated (RFC 9110, 15.3.7), but then the length must prove it
        modified = headers.get("Last-Modified", "").strip()
        same = modified == proof or (not modified and total is not None)
    return told if same else None
