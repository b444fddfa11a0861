"""The beginning of an answer's body, held back for a moment until it is whole if it is short.

Nothing has gone back to the client yet, so one that is cut off meanwhile can be asked for again elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxies.gateway.body import BadBody, Chunked, Endless, Sized
from proxies.gateway.fault import Fault, Kind
from proxies.gateway.stream import HIGH

if TYPE_CHECKING:
    import asyncio

    from proxies.gateway.body import Body
    from proxies.gateway.head import Answer
    from proxies.gateway.stream import Stream

#: Not longer than this, in seconds; and not more than `HIGH` bytes.
HOLD_S = 0.5


def taken(body: Body, stream: Stream) -> bytes:
    """Take what has come of a body out of the buffer, as the client is to have it.

    Raises:
        Fault: it is no body.
    """
    data = bytes(stream.buffer)
    try:
        size = body.feed(data)
    except BadBody as error:
        raise Fault(Kind.GARBAGE, sent=True) from error
    del stream.buffer[:size]
    if isinstance(body, Chunked) and body.plain is not None:
        data, size = bytes(body.plain), len(body.plain)
        body.plain.clear()
    return data if size == len(data) else data[:size]


async def held(
    loop: asyncio.AbstractEventLoop, answer: Answer, body: Body, stream: Stream
) -> bytes:
    """Take all of a body, or as much as comes in time.

    Raises:
        Fault: it was cut off, or is no body.
    """
    found = bytearray(taken(body, stream))
    if body.done or _is_long(answer, body):
        return bytes(found)
    stream.deadline = loop.time() + HOLD_S
    try:
        while not body.done and len(found) <= HIGH:
            if not await stream.more():
                return _ended(found, body)
            found += taken(body, stream)
    except TimeoutError:
        pass
    except ConnectionError as error:
        raise Fault(Kind.CUT, sent=True) from error
    return bytes(found)


def _ended(found: bytearray, body: Body) -> bytes:
    if not isinstance(body, Endless):
        raise Fault(Kind.CUT, sent=True)
    body.done = True
    return bytes(found)


def _is_long(answer: Answer, body: Body) -> bool:
    """Whether it is too much to hold, or a stream of events, each of which is waited for."""
    if isinstance(body, Sized):
        return body.left > HIGH
    return any(
        line[:13].lower() == b"content-type:" and b"text/event-stream" in line.lower()
        for line in answer.lines
    )
