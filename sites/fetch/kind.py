"""The classes of failure."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What kept us from a page.

    The names are kept in Redis and in results: none is ever changed. People may write them shorter:

    >>> Kind("soft-block"), Kind("403"), Kind("5xx")
    (<Kind.SOFT_BLOCK: 'soft_block'>, <Kind.HTTP_403: 'http_403'>, <Kind.HTTP_5XX: 'http_5xx'>)
    """

    DNS = "dns"
    CONNECT = "connect"
    TIMEOUT = "timeout"
    TLS = "tls"
    PROXY = "proxy"
    NO_PROXY = "no_proxy"
    HTTP_429 = "http_429"
    #: The site knows us and does not want us.
    HTTP_403 = "http_403"
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    GONE = "gone"
    #: A page that is no page but a challenge, whatever its status says.
    SOFT_BLOCK = "soft_block"
    TOO_BIG = "too_big"
    PARSE = "parse"
    NOT_TEXT = "not_text"
    #: Its robots.txt keeps us away: it was not asked for.
    ROBOTS = "robots"
    REDIRECT = "redirect"
    FORBIDDEN = "forbidden"
    PROTOCOL = "protocol"

    @classmethod
    def _missing_(cls, value: object) -> Kind | None:
        word = str(value).strip().lower().replace("-", "_")
        names = (word, f"http_{word}", _ALIASES.get(word))
        return next((kind for kind in cls if kind.value in names), None)


_ALIASES = {"404": "gone", "410": "gone", "ban": "http_403", "banned": "http_403"}
