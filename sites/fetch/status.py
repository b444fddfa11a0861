"""What a status means: decisions, with no network in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core import duration
from orchestrator.core.retry_after import asked_for
from sites.fetch.answer import Failed, Moved
from sites.fetch.kind import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXACT = {
    403: Kind.HTTP_403,
    404: Kind.GONE,
    408: Kind.TIMEOUT,
    410: Kind.GONE,
    429: Kind.HTTP_429,
}
_PART = 206
#: What says when to come again.
_WITH_RETRY_AFTER = frozenset({429, 503})
#: We stay away in full, but no longer than a day, in seconds: nobody may keep us out for ever.
MOST_RETRY_AFTER_S = 86_400.0

#: What a forward proxy answers by itself: that it does not know us, or does not reach the site.
_OF_A_PROXY = {407: None, 502: Kind.HTTP_5XX, 504: Kind.HTTP_5XX}


def judge_status(
    status: int, headers: Mapping[str, str], *, now: float, proxied: bool
) -> Moved | Failed | None:
    """Say what a status means; None for one that comes with a page. `now`: seconds since 1970.

    `proxied`: a proxy has read the request, and may have answered it by itself.
    """
    if status == _PART:
        return Failed(Kind.PROTOCOL, "a part of the page, which nobody asked for", None, status)
    if 200 <= status < 300:  # noqa: PLR2004
        return None
    if status in (301, 302, 303, 307, 308):
        target = headers.get("Location", "")
        return (
            Moved(status, target) if target else Failed(Kind.REDIRECT, "to nowhere", None, status)
        )
    if proxied and status in _OF_A_PROXY:
        return Failed(Kind.PROXY, f"status {status}", None, status, _OF_A_PROXY[status])
    return _failed(status, asked_for(headers, now) if status in _WITH_RETRY_AFTER else None)


def _failed(status: int, wait: float | None) -> Failed:
    kind = _EXACT.get(status)
    if kind is None:
        kind = Kind.HTTP_5XX if status >= 500 else Kind.HTTP_4XX  # noqa: PLR2004
    detail = "" if kind is Kind.GONE else f"status {status}"
    if wait is not None and wait > MOST_RETRY_AFTER_S:
        most = MOST_RETRY_AFTER_S
        detail += f", to come again in {duration.show(wait)}: we do in {duration.show(most)}"
        wait = most
    return Failed(kind, detail, wait, status)


def judge_proxy(status: int) -> Failed:
    """Say what it means that a proxy refuses a tunnel with `status`."""
    return Failed(Kind.PROXY, "refused to connect us", doubt=_OF_A_PROXY.get(status))
