"""An upstream as a process of its own, which can be killed: `python -m tests.support.upstream_process`.

It answers every plain request itself, after 5 ms and in two pieces, and carries a CONNECT to itself:
what is sent comes back. On standard output it says its port.
"""

from __future__ import annotations

import asyncio
import sys

BODY = b"x" * 3000


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"CONNECT "):
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                while piece := await reader.read(65_536):
                    writer.write(piece)
                    await writer.drain()
                return
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY[:1000])
            await asyncio.sleep(0.005)
            writer.write(BODY[1000:])
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=512)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
