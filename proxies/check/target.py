"""Whether a site serves a proxy: a hook for those who know sites; the check itself asks only judges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxies import names
from proxies.check import dial, wire
from proxies.check.direct import FAILURES, reason_of, trusting
from proxies.check.wire import Page
from proxies.pool.picker import Outcome

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from proxies.check.line import Line
    from proxies.check.lines import Lines
    from proxies.check.wire import Response
    from proxies.model import Proxy
    from proxies.pool.picker import Picker

_REFUSED = 400
#: With these a site says that it has enough of whoever asks.
BANS = frozenset({403, 429})


async def check_at(
    picker: Picker,
    site: str,
    lines: Lines,
    proxy: Proxy,
    url: str,
    seconds: float,
    refusal: Callable[[Response], str] | None = None,
) -> str:
    """As `check_target`; 403, 429 and what `refusal` says cool the proxy down at this site alone.

    Whatever else goes wrong may be the site's fault, and makes the pair rest for a moment.

    Raises:
        RedisError: the pool could not be told.
    """
    banned = False

    def judged(response: Response) -> str:
        nonlocal banned
        said = (refusal or by_status)(response)
        banned = bool(said) and (refusal is not None or response.status in BANS)
        return said

    began = lines.time()
    said = await check_target(lines, proxy, url, seconds, judged)
    outcome = Outcome.OK
    if said:
        outcome = Outcome.BANNED if banned else Outcome.DOUBTED
    await picker.tell(site, proxy, outcome, lines.time() - began)
    return said


def by_status(response: Response) -> str:
    """Say that an error is one; what a page says is for somebody who knows the site."""
    return f"answered {response.status}" if response.status >= _REFUSED else ""


async def check_target(
    lines: Lines,
    proxy: Proxy,
    url: str,
    seconds: float,
    refusal: Callable[[Response], str] = by_status,
) -> str:
    """Ask for `url` through `proxy`; return why the site does not serve it, nothing when it does.

    `refusal` is given the answer, of a long body only the beginning, and says why it is none. What it says
    is about this site and this proxy alone; whatever else goes wrong is told in the words of a verdict.
    """
    page = Page.of(url)
    try:
        host, *_ = await names.addresses(proxy.host)
        deadline = lines.time() + seconds
        address = (host, proxy.port)
        response = await lines.talk(address, deadline, _converse, proxy, page, trusting())
    except FAILURES as error:
        return reason_of(error)
    return refusal(response)


async def _converse(line: Line, proxy: Proxy, page: Page, trust: ssl.SSLContext) -> Response:
    forwarded = proxy.scheme == "http" and not page.secure
    if not forwarded:
        await dial.tunnel(line, proxy, page.target)
        if page.secure:
            await line.secure(trust, page.target.host)
    await line.send(page.request(via=proxy if forwarded else None))
    return await wire.read_start(line)
