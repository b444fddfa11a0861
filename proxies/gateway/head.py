"""Heads of HTTP/1.1 messages, read so strictly that no two readers can differ about where one ends.

What is not kept: the fields of one hop (`Connection` and what it names, `Proxy-*`, `Keep-Alive`, `TE`) and
those that say how long the body is, which are written anew. All others go on as they came, in their order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: A head may not be larger, in bytes, nor have more fields.
LARGEST_HEAD = 32_768
MOST_FIELDS = 128
#: A length of more digits is no length.
_MOST_DIGITS = 18

END = b"\r\n\r\n"

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST = re.compile(rb"(" + _TOKEN + rb") ([!-~]+) HTTP/1\.([01])")
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [\t -~\x80-\xff]*)?")
_FIELDS = re.compile(rb"(?:\r\n" + _TOKEN + rb":[\t -~\x80-\xff]*)*")
_DIGITS = re.compile(rb"[0-9]{1,%d}" % _MOST_DIGITS)

#: Fields that concern one hop alone.
_OF_ONE_HOP = frozenset(
    {
        b"connection",
        b"proxy-connection",
        b"keep-alive",
        b"proxy-authorization",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"te",
        b"upgrade",
        b"transfer-encoding",
        b"content-length",
    }
)

IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})


class BadHead(Exception):
    """What came is no head that can be acted on; `status` is what a client is told."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


@dataclass(slots=True)
class Head:
    """What requests and answers have in common."""

    #: The lines that go on, each as it came; of a request the line of `Host` is not among them.
    lines: list[bytes] = field(default_factory=list)
    version: int = 1  #: the digit behind `HTTP/1.`
    length: int | None = None
    chunked: bool = False
    #: Whether the connection stays open behind this message.
    keep: bool = True
    upgrade: bytes = b""
    #: Lower-case names of fields that carry a meaning here, each with its value.
    said: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Request(Head):
    """A client's request."""

    method: bytes = b""
    target: bytes = b""

    @property
    def idempotent(self) -> bool:
        """Whether it may be made again when nobody knows what became of it (RFC 9110, 9.2.2)."""
        return self.method in IDEMPOTENT

    @property
    def has_body(self) -> bool:
        """Whether more follows the head."""
        return self.chunked or bool(self.length)


@dataclass(slots=True)
class Answer(Head):
    """An upstream's answer."""

    status: int = 0
    start: bytes = b""  #: the status line


def read_request(block: bytes) -> Request:
    """Read a head without the empty line that ends it.

    Raises:
        BadHead: it is none, or what it says of its length is not the plainest there is.
    """
    first, fields = _parts(block)
    found = _REQUEST.fullmatch(first)
    if not found:
        raise BadHead("no HTTP/1.1 request")
    request = Request(method=found[1], target=found[2], version=found[3][0] - 48)
    _read_fields(request, fields, frozenset({b"host"}))
    if request.chunked and (request.length is not None or not request.version):
        raise BadHead("both Transfer-Encoding and Content-Length, or chunks in HTTP/1.0")
    return request


def read_answer(block: bytes) -> Answer:
    """Read a head without the empty line that ends it.

    Raises:
        BadHead: it is none.
    """
    first, fields = _parts(block)
    found = _STATUS.fullmatch(first)
    if not found:
        raise BadHead("not HTTP")
    answer = Answer(start=first, version=found[1][0] - 48, status=int(found[2]))
    _read_fields(answer, fields, frozenset())
    if answer.chunked and (answer.length is not None or not answer.version):
        # The chunks count (RFC 9112, 6.3), and nobody knows what else is on that connection.
        answer.length, answer.keep = None, False
    return answer


def _parts(block: bytes) -> tuple[bytes, bytes]:
    """First line and fields; the fields with the line end before each."""
    end = block.find(b"\r\n")
    first, fields = (block, b"") if end < 0 else (block[:end], block[end:])
    if not _FIELDS.fullmatch(fields):
        raise BadHead("a header line that is none")
    return first, fields


def _read_fields(head: Head, fields: bytes, apart: frozenset[bytes]) -> None:
    lines = fields.split(b"\r\n")[1:]
    if len(lines) > MOST_FIELDS:
        raise BadHead(f"more than {MOST_FIELDS} header lines", 431)
    said, kept = head.said, head.lines
    for line in lines:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in _OF_ONE_HOP or name in apart:
            value = value.strip(b" \t")
            if name in said:
                value = _again(name, said[name], value)
            said[name] = value
        else:
            kept.append(line)
    head.keep = head.version > 0
    if said:
        _frame(head)
        _hop(head)


def _again(name: bytes, first: bytes, second: bytes) -> bytes:
    """A field that came twice: where that could be read in two ways, it is refused."""
    if name == b"content-length" and first == second:
        return first
    if name in {b"host", b"content-length", b"transfer-encoding"}:
        raise BadHead(f"{name.decode()} twice")
    return first + b", " + second


def _frame(head: Head) -> None:
    length = head.said.get(b"content-length")
    if length is not None:
        if not _DIGITS.fullmatch(length):
            raise BadHead("a Content-Length that is no number")
        head.length = int(length)
    coding = head.said.get(b"transfer-encoding")
    if coding is not None:
        if coding.lower() != b"chunked":
            raise BadHead("a Transfer-Encoding other than chunked", 501)
        head.chunked = True


def _hop(head: Head) -> None:
    """What the fields of this hop say; those that `Connection` names go no further."""
    said = head.said
    listed = (
        said.get(b"connection", b"").lower() + b"," + said.get(b"proxy-connection", b"").lower()
    )
    words = {word.strip(b" \t") for word in listed.split(b",")} - {b""}
    head.keep = b"keep-alive" in words if not head.version else b"close" not in words
    # Of all that HTTP/1.1 can be upgraded to only this ends in a stream of bytes both ways.
    if b"upgrade" in words and said.get(b"upgrade", b"").lower() == b"websocket":
        head.upgrade = said[b"upgrade"]
    named = words - {b"close", b"keep-alive", b"upgrade"}
    if named:
        head.lines = [line for line in head.lines if line.partition(b":")[0].lower() not in named]
