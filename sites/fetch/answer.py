"""What can come of a request: a page, that it has not changed, the way to another one, or a failure."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.gate.permit import Verdict
from sites.fetch.encoding import text_of
from sites.fetch.kind import Kind
from sites.fetch.policy import RULES

if TYPE_CHECKING:
    from sites.fetch.policy import Rule


class Proof(NamedTuple):
    """What a page was when it was last seen: with these words a site tells that it is still the same."""

    etag: str = ""
    last_modified: str = ""

    @property
    def lines(self) -> list[tuple[str, str]]:
        r"""As lines of a request; what could be no line of one is left out.

        >>> Proof('"1"', "Mon,\rX: y").lines
        [('If-None-Match', '"1"')]
        """
        told = (("If-None-Match", self.etag), ("If-Modified-Since", self.last_modified))
        return [(name, value) for name, value in told if value and value.isprintable()]


@dataclass(frozen=True)  # no slots: the decoded text is kept beside the fields
class Page:
    """What a site answered with: 2xx, unpacked, as bytes.

    `media`: the media type in lower case, without parameters. `charset`: as the header says, which
    may be a lie. `size`: bytes as they were sent. `etag`, `last_modified`: as the header says, "" for
    none. `latency`: from the request to the head of the answer, in seconds, where nobody stood
    between us. `suspicion`: why it looks like a soft block, unless it has what is expected of it.
    """

    status: int
    body: bytes
    media: str = "text/html"
    charset: str | None = None
    size: int = 0
    etag: str = ""
    last_modified: str = ""
    suspicion: str = ""
    latency: float | None = field(default=None, compare=False)

    @cached_property
    def text(self) -> str:
        """The body as text, decoded at the first look."""
        return text_of(self.body, self.charset)


@dataclass(frozen=True, slots=True)
class Moved:
    """The site says that the page is somewhere else; `target` is as it wrote it."""

    status: int
    target: str
    latency: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The site says that the page is as it was when it was last seen; `etag`, `last_modified` of then."""

    status: int = 304
    etag: str = ""
    last_modified: str = ""
    latency: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """A request that gave no page. `retry_after` (s) is what the site asked for.

    `doubt`: the proxy is blamed, but it may be the site's fault; then it would be of this class.
    `latency`: as in `Page`.
    """

    kind: Kind
    detail: str = ""
    retry_after: float | None = None
    status: int = 0
    doubt: Kind | None = None
    latency: float | None = field(default=None, compare=False)

    @property
    def rule(self) -> Rule:
        """What follows from it."""
        return RULES[self.kind]

    @property
    def verdict(self) -> Verdict:
        """What it says about the site: one that says when to come again is alive."""
        return self.rule.verdict if self.retry_after is None else Verdict.LIMITED

    @property
    def reason(self) -> str:
        """For people.

        >>> Failed(Kind.TIMEOUT, "no answer within 20 s").reason, Failed(Kind.GONE).reason
        ('timeout: no answer within 20 s', 'gone')
        """
        if self.kind is Kind.NO_PROXY:
            return "no usable proxy"
        return f"{self.kind}: {self.detail}" if self.detail else str(self.kind)


Answer = Page | Moved | Unchanged | Failed
