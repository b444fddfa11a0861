"""One request put to one upstream, up to the head of its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxies.gateway.fault import Fault, Kind
from proxies.gateway.forward import interim_head
from proxies.gateway.head import END, LARGEST_HEAD, Answer, BadHead, read_answer
from proxies.gateway.presence import Presence

if TYPE_CHECKING:
    import asyncio

    from proxies.gateway.head import Request
    from proxies.gateway.stream import Stream
    from proxies.gateway.transfer import Upload

SWITCHING = 101
#: So many answers that are not the last one are passed on.
MOST_INTERIM = 32
_FINAL = 200


class Asking:
    """A client's request, which may be put to several upstreams one after the other."""

    __slots__ = ("_client", "_presence", "_request", "upload")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, client: Stream, request: Request, upload: Upload
    ) -> None:
        self._client = client
        self._request = request
        self._presence = Presence(loop, client, request.version)
        self.upload = upload

    async def ask(self, stream: Stream, head: bytes, patience: float) -> Answer:
        """Send it, and wait for the head of the answer, `patience` seconds from its last byte.

        Interim answers go on to the client.

        Raises:
            Fault: no answer came. With `upload.broken` that is the client's own fault.
        """
        stream.write(head)
        self.upload.into(stream, patience)
        if self.upload.body.done:
            self._presence.watch()
        try:
            return await self._answer(stream)
        except TimeoutError as error:
            if not (self.upload.body.done or stream.choked):
                self.upload.broken = "the request's body stopped coming"
            raise Fault(Kind.SILENT, sent=True) from error
        except ConnectionError as error:
            raise Fault(Kind.CLOSED, sent=True) from error
        except BadHead as error:
            raise Fault(Kind.GARBAGE, sent=True) from error
        finally:
            self.upload.stop()
            self._presence.stop()

    async def _answer(self, stream: Stream) -> Answer:
        for _ in range(MOST_INTERIM):
            answer = await _head(stream)
            if answer.status >= _FINAL:
                return answer
            if answer.status == SWITCHING:
                if not self._request.upgrade:
                    raise BadHead("switches to what nobody asked for")
                return answer
            if self._request.version:
                self._client.write(interim_head(answer))
        raise BadHead("nothing but interim answers")


async def _head(stream: Stream) -> Answer:
    while True:
        buffer = stream.buffer
        end = buffer.find(END)
        if 0 <= end <= LARGEST_HEAD:
            block = bytes(buffer[:end])
            del buffer[: end + len(END)]
            return read_answer(block)
        if len(buffer) > LARGEST_HEAD or not b"HTTP/".startswith(bytes(buffer[:5])):
            raise BadHead("not HTTP")
        if not await stream.more():
            raise ConnectionResetError("closed before it answered")
