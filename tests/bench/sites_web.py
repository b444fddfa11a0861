"""A folder of pages on loopback: nginx where it is installed, else a server of the bench.

`python -m tests.bench.sites_web FOLDER` is that server: it says its port, and serves until it is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from proxies import loop
from tests.bench import sites_tree
from tests.support.orch import eventually
from tests.support.ports import free_port

#: Debian's python3-doc.
DOCS = Path("/usr/share/doc/python3-doc/html")
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

_NGINX = """daemon off; {user} worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 2048; }}
http {{ access_log off; sendfile on; keepalive_requests 1000000; default_type application/octet-stream;
types {{ text/html html; text/css css; text/javascript js; text/plain txt; image/png png; }}
client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
server {{ listen 127.0.0.1:{port} backlog=1024; root {root}; }} }}
"""


@contextlib.contextmanager
def tree(pages: int) -> Iterator[str]:
    """Serve the documentation tree of so many pages; the URL of its root."""
    with tempfile.TemporaryDirectory(prefix="tree-") as folder:
        root = Path(folder) / "tree"
        sites_tree.write(root, pages)
        with served(root) as url:
            yield f"{url}0.html"


@functools.cache
def server() -> str:
    """Who serves: told in the notes of what was measured."""
    if not _nginx():
        return "a server of the bench"
    told = subprocess.run([_nginx(), "-v"], capture_output=True, text=True, check=True)
    return told.stderr.strip().rpartition(": ")[2]


@contextlib.contextmanager
def served(root: Path) -> Iterator[str]:
    """Serve a folder; yield its URL, with a slash at the end."""
    with tempfile.TemporaryDirectory(prefix="web-") as name:
        folder, port = Path(name), free_port()
        command = [sys.executable, "-m", "tests.bench.sites_web", str(root), str(port)]
        if _nginx():
            user = "user root;" if os.geteuid() == 0 else ""
            facts = {"user": user, "folder": folder, "port": port, "root": root}
            (folder / "nginx.conf").write_text(_NGINX.format(**facts))
            command = [_nginx(), "-c", str(folder / "nginx.conf")]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, stdout=quiet, stderr=quiet) as process:
            try:
                eventually(lambda: listens(port), what=f"{command} listens")
                yield f"http://127.0.0.1:{port}/"
            finally:
                process.terminate()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _nginx() -> str:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""


class Pages(asyncio.Protocol):
    """One client; answers are kept in memory, whole."""

    def __init__(self, pages: dict[bytes, bytes]) -> None:
        self._pages = pages
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's are of another class

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            path = self._buffer.split(b" ", 2)[1].partition(b"?")[0]
            self._buffer = self._buffer[end + 4 :]
            self._transport.write(self._pages.get(path, NOT_FOUND))


async def main(root: Path, port: int) -> None:
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n"
    pages = {}
    for file in root.rglob("*.html"):  # noqa: ASYNC240  (before anybody asks)
        body = file.read_bytes()
        pages[f"/{file.relative_to(root)}".encode()] = head.format(len(body)).encode() + body
    here = asyncio.get_running_loop()
    serving = await here.create_server(lambda: Pages(pages), "127.0.0.1", port, backlog=1024)
    await serving.serve_forever()


if __name__ == "__main__":
    loop.run(main(Path(sys.argv[1]), int(sys.argv[2])))
