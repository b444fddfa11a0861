"""A bad proxy: it puts something of its own into every HTML page that passes through it.

`python -m orchestrator.demo.altering [--leave-from 127.0.0.22]` prints `{"port": ...}` and forwards
plain HTTP requests, one a connection. Everything but HTML passes unchanged.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from urllib.parse import urlsplit

from orchestrator.demo.announcement import announce

#: What is put in, just before the end of the body.
ADDED = b"<script>/* added on the way */</script>"

_LARGEST_HEAD = 65_536
_TIMEOUT_S = 20.0


async def forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, leave_from: str
) -> None:
    """Answer one request with what the server said, changed if it is HTML."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(alter(await fetch(head, leave_from)))
            await writer.drain()
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass  # a client sees a closed connection, as with any broken proxy
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def fetch(head: bytes, leave_from: str) -> bytes:
    """Send the request on, without keep-alive, and return the whole answer.

    Raises:
        ValueError: it is not a request for a plain http URL.
    """
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ", 2)
    url = urlsplit(target)
    if url.scheme != "http" or not url.hostname:
        raise ValueError("only http:// is forwarded")
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    kept = [
        line for line in lines if not line.lower().startswith(("proxy-", "connection:", "accept-"))
    ]
    source = (leave_from, 0) if leave_from else None
    reader, writer = await asyncio.open_connection(url.hostname, url.port or 80, local_addr=source)
    try:
        request = "\r\n".join([f"{method} {path} HTTP/1.0", *kept, "Connection: close", "", ""])
        writer.write(request.encode("latin-1"))
        return await reader.read()
    finally:
        writer.close()


def alter(answer: bytes) -> bytes:
    """Put `ADDED` into an answer that is HTML, and give it the right length."""
    head, end, body = answer.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    if not any(line.lower().startswith(b"content-type: text/html") for line in lines):
        return answer
    before, tag, after = body.rpartition(b"</body>")
    body = before + ADDED + tag + after if tag else body + ADDED
    kept = [line for line in lines if not line.lower().startswith(b"content-length:")]
    return b"\r\n".join([*kept, b"Content-Length: %d" % len(body)]) + end + body


async def serve(leave_from: str) -> None:
    """Forward until the process is ended."""
    server = await asyncio.start_server(
        lambda reader, writer: forward(reader, writer, leave_from),
        "127.0.0.1",
        0,
        limit=_LARGEST_HEAD,
    )
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def main() -> None:
    """Read the address and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leave-from", default="")
    asyncio.run(serve(parser.parse_args().leave_from))


if __name__ == "__main__":
    main()
