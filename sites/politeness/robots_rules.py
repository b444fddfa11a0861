"""What a robots.txt says to us: read and matched by RFC 9309, with Crawl-delay and Sitemap beside it.

Read here rather than by a library. `urllib.robotparser` takes the first rule that matches instead of the
longest and knows no wildcards. Protego matches agents by a part of their name, so that a group for `or`
holds for `orch`, and one for `orch/2.0` for nobody; and it needs the whole file wherever it is asked, while
only what concerns us is kept here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

#: So much of a file is read, in bytes: the least that the RFC (section 2.5) allows as a bound.
MOST_BYTES = 500 * 1024
#: Nobody keeps us away for longer between two requests, in seconds.
LONGEST_DELAY_S = 86_400.0
MOST_SITEMAPS = 1000

_EOL = re.compile(rb"[\r\n]+")
_TOKEN_END = re.compile(rb"[\s/]")
_SECONDS = re.compile(r"\d{1,9}(\.\d*)?|\.\d+")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_STRAY_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_TO_ESCAPE = re.compile(rb"[^\x21-\x7e]")
_SPECIAL = str.maketrans({"*": "%2A", "$": "%24"})

#: How people spell the keys.
_KEYS = {
    **dict.fromkeys((b"user-agent", b"useragent", b"user agent"), "agent"),
    **dict.fromkeys((b"disallow", b"dissallow", b"dissalow", b"disalow", b"disallaw"), "disallow"),
    b"allow": "allow",
    **dict.fromkeys((b"crawl-delay", b"crawldelay"), "delay"),
    **dict.fromkeys((b"sitemap", b"site-map"), "sitemap"),
}


@dataclass(frozen=True)  # no slots: the index is kept beside the fields
class RobotsRules:
    """What holds for one agent. Patterns are as in the file, percent-encoded as URLs are here.

    `delay`: least time between two requests, in seconds; None: nothing is said.
    """

    allow: tuple[str, ...] = ()
    disallow: tuple[str, ...] = ()
    delay: float | None = None
    sitemaps: tuple[str, ...] = ()

    def refusing(self, url: str) -> str | None:
        """Return the pattern that keeps us from the canonical `url`; None: none does.

        >>> rules = RobotsRules(allow=("/a/b",), disallow=("/a", "/*.gif$"))
        >>> [rules.refusing(f"http://h.example{path}") for path in ("/a/b", "/a/c", "/x.gif")]
        [None, '/a', '/*.gif$']
        """
        path = _path_of(url)
        if path == "/robots.txt":
            return None
        return self._index.refusing(path)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"allow": self.allow, "disallow": self.disallow, "delay": self.delay} | {
            "sitemaps": self.sitemaps
        }

    @classmethod
    def of_dict(cls, raw: dict[str, Any]) -> Self:
        """Read what `to_dict` made."""
        return cls(
            tuple(raw["allow"]), tuple(raw["disallow"]), raw["delay"], tuple(raw["sitemaps"])
        )

    @cached_property
    def _index(self) -> _Index:
        return _Index(self.allow, self.disallow)


def token_of(user_agent: str) -> str:
    """Return the word by which a robots.txt names us.

    >>> token_of("Orch/1.2 (+mailto:me@example.com)")
    'orch'
    """
    return _token(user_agent.encode("utf-8", "replace"))


def parse(body: bytes, agent: str) -> RobotsRules:
    """Read what a file says to `agent`, a token in lower case; whatever the bytes are.

    The groups that name it hold together; those for `*` hold if there is none.
    """
    groups = _Groups(agent)
    sitemaps: list[str] = []
    for key, value in _lines(body):
        if key == "sitemap":
            sitemaps.append(value.decode("utf-8", "replace"))
        else:
            groups.hear(key, value)
    return groups.rules(tuple(dict.fromkeys(sitemaps))[:MOST_SITEMAPS])


@dataclass(slots=True)
class _Group:
    """All groups for one agent, as one."""

    named: bool = False
    allow: dict[str, None] = field(default_factory=dict)
    disallow: dict[str, None] = field(default_factory=dict)
    delay: float | None = None


class _Groups:
    """The groups that may hold for an agent. Only Allow and Disallow end a list of agents.

    Crawl-delay is not of the RFC and must not end one; but it is meant for those just above it only.
    """

    def __init__(self, agent: str) -> None:
        self._found = {agent: _Group(), "*": _Group()}
        self._agents: list[_Group] = []
        self._delayed: list[_Group] = []
        self._last = ""

    def hear(self, key: str, value: bytes) -> None:
        """Take the next line that says something."""
        if key == "agent":
            self._name(value)
        elif key == "delay":
            self._delay(value.decode("ascii", "replace"))
        elif value:  # nothing after `Disallow:` disallows nothing
            for group in self._agents:
                (group.allow if key == "allow" else group.disallow)[_pattern(value)] = None
        self._last = key

    def rules(self, sitemaps: tuple[str, ...]) -> RobotsRules:
        """Return what holds."""
        own, others = self._found.values()
        group = own if own.named else others
        return RobotsRules(tuple(group.allow), tuple(group.disallow), group.delay, sitemaps)

    def _name(self, value: bytes) -> None:
        if self._last in ("allow", "disallow"):
            self._agents = []
        if self._last != "agent":
            self._delayed = []
        group = self._found.get(_token(value))
        if group:
            group.named = True
            self._agents.append(group)
            self._delayed.append(group)

    def _delay(self, text: str) -> None:
        if not _SECONDS.fullmatch(text):
            return
        delay = min(float(text), LONGEST_DELAY_S)
        for group in self._delayed:
            group.delay = max(delay, group.delay or 0.0)


class _Index:
    """The rules, so that the longest that matches is found at once however many there are."""

    def __init__(self, allow: tuple[str, ...], disallow: tuple[str, ...]) -> None:
        # Allow comes last: it wins over a Disallow of the same length.
        self._plain: dict[str, bool] = {}
        wild: list[_Wild] = []
        for pattern, allowed in [(p, False) for p in disallow] + [(p, True) for p in allow]:
            if "*" in pattern or pattern.endswith("$"):
                wild.append(_Wild.of(pattern, allowed=allowed))
            else:
                self._plain[pattern] = allowed
        self._lengths = sorted({len(pattern) for pattern in self._plain}, reverse=True)
        self._wild = sorted(wild, key=lambda rule: (-len(rule.pattern), not rule.allowed))

    def refusing(self, path: str) -> str | None:
        """Return the longest rule that matches, if it disallows."""
        found, allowed = self._longest_plain(path)
        for rule in self._wild:
            if len(rule.pattern) < len(found) or (len(rule.pattern) == len(found) and allowed):
                break
            if rule.matches(path):
                found, allowed = rule.pattern, rule.allowed
                break
        return None if allowed else found

    def _longest_plain(self, path: str) -> tuple[str, bool]:
        for length in self._lengths:
            start = path[:length]
            if len(start) == length and start in self._plain:
                return start, self._plain[start]
        return "", True


@dataclass(frozen=True, slots=True)
class _Wild:
    """A rule with `*`, or `$` at its end. Matched piece by piece: no pattern can make that slow."""

    pattern: str
    allowed: bool
    pieces: tuple[str, ...]
    whole: bool

    @classmethod
    def of(cls, pattern: str, *, allowed: bool) -> Self:
        """Read a pattern; only a last `$` is special."""
        whole = pattern.endswith("$")
        return cls(pattern, allowed, tuple(pattern.removesuffix("$").split("*")), whole)

    def matches(self, path: str) -> bool:
        """Tell whether it matches from the first letter of `path` on."""
        first, *rest = self.pieces
        if not path.startswith(first):
            return False
        if not rest:
            return len(path) == len(first)
        at = len(first)
        for piece in rest[:-1]:
            at = path.find(piece, at)
            if at < 0:
                return False
            at += len(piece)
        last = rest[-1]
        if self.whole:
            return len(path) - len(last) >= at and path.endswith(last)
        return path.find(last, at) >= 0


def _lines(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Name the key of every line that we understand, and its value."""
    for line in _EOL.split(_as_utf8(body)):
        said = line.partition(b"#")[0].strip()
        # Some forget the colon; a key has no blank in it then.
        name, colon, value = said.partition(b":")
        if not colon:
            name, _, value = said.partition(b" ")
        key = _KEYS.get(name.strip().lower())
        if key:
            yield key, value.strip()


def _as_utf8(body: bytes) -> bytes:
    """Cut a body to the bound, without a line that is cut in two; and its byte order mark off."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        body = body[: MOST_BYTES * 2].decode("utf-16", "replace").encode()
    if len(body) >= MOST_BYTES:
        body = body[:MOST_BYTES]
        body = body[: max(body.rfind(b"\n"), body.rfind(b"\r")) + 1]
    return body.removeprefix(b"\xef\xbb\xbf")


def _token(value: bytes) -> str:
    return _TOKEN_END.split(value.strip(), maxsplit=1)[0].decode("utf-8", "replace").lower()


def _pattern(value: bytes) -> str:
    """Spell a pattern as paths are spelled; only a last `$` keeps its meaning."""
    text = _encoded(value)
    if not text.startswith(("/", "*")):
        text = f"/{text}"  # the only thing that can be meant
    end = "$" if text.endswith("$") else ""
    return text.removesuffix("$").replace("$", "%24") + end


def _path_of(url: str) -> str:
    """Return path and query of a canonical URL; what is special in patterns is escaped."""
    _, _, _, rest = url.split("/", 3)
    path = f"/{rest}"
    if "%" in path or "*" in path or "$" in path or not path.isascii():
        path = _encoded(path.encode("utf-8", "surrogatepass")).translate(_SPECIAL)
    return path


def _encoded(octets: bytes) -> str:
    """Escape what is no visible ASCII, and nothing that need not be (RFC 9309, section 2.2.2)."""
    plain = _ESCAPE.sub(_unescaped, _STRAY_PERCENT.sub(b"%25", octets))
    return _TO_ESCAPE.sub(lambda found: b"%%%02X" % found[0][0], plain).decode("ascii")


def _unescaped(escape: re.Match[bytes]) -> bytes:
    octet = int(escape[1], 16)
    return bytes((octet,)) if octet in _UNRESERVED else b"%" + escape[1].upper()
