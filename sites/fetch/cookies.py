"""Cookies as a site's session has them: kept for each way to the site, and never carried to another."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import CookieJar

    from proxies.model import Proxy

#: So many ways have cookies; those of the one that was used longest ago are forgotten first.
MOST_JARS = 64
#: A site that sets more than so many begins anew; one that is longer, in letters, is none.
MOST_COOKIES = 50
LONGEST = 4096


class Cookies:
    """The cookies of one shard, by the proxy through which they came; None is the direct way."""

    def __init__(self) -> None:
        self._jars: OrderedDict[str, CookieJar] = OrderedDict()

    def for_request(self, url: str, proxy: Proxy | None) -> str:
        """Return the value of the header `Cookie`, "" for none."""
        jar = self._jars.get(_way(proxy))
        if jar is None:
            return ""
        self._jars.move_to_end(_way(proxy))
        found = jar.filter_cookies(URL(url, encoded=True))
        return "; ".join(f"{name}={cookie.coded_value}" for name, cookie in found.items())

    def heard(self, url: str, proxy: Proxy | None, said: Sequence[str]) -> None:
        """Keep what the values of `Set-Cookie` say."""
        kept = [text for text in said if len(text) <= LONGEST and text.isprintable()]
        if not kept:
            return
        way = _way(proxy)
        jar = self._jars.get(way)
        if jar is None:
            jar = self._jars[way] = _new_jar()
        self._jars.move_to_end(way)
        if len(self._jars) > MOST_JARS:
            self._jars.popitem(last=False)
        if len(jar) + len(kept) > MOST_COOKIES:
            jar.clear()
        jar.update_cookies_from_headers(kept[:MOST_COOKIES], URL(url, encoded=True))


def _new_jar() -> CookieJar:
    from aiohttp import CookieJar  # noqa: PLC0415 (10 MB that most sites can do without)

    return CookieJar(unsafe=True, quote_cookie=False)  # a site may well be an address


def _way(proxy: Proxy | None) -> str:
    return proxy.key if proxy is not None else ""
