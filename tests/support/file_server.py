"""A server for downloads, on loopback, that can misbehave in every way, and remembers what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

OLD = "Mon, 01 Jan 2024 00:00:00 GMT"


class Handler(BaseHTTPRequestHandler):
    """One request; a page answers it with `say` and `wfile`."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        files = self.server.files
        with files.lock:
            files.asked.append((self.path, dict(self.headers.items())))
        page = files.pages.get(self.path.partition("?")[0])
        try:
            if page is None:
                self.say(404, {})
            else:
                page(self)
        except OSError:
            self.close_connection = True

    def say(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        """A head, with the right length unless another is given ("": none), and a body."""
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | dict(headers)).items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """The tests look at what was asked."""


Page = Callable[[Handler], None]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    files: FileServer

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is no news."""


class FileServer:
    """Pages by path; `released` lets those go on that wait for it."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.lock = threading.Lock()
        self.released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.files = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def add(self, path: str, page: Page) -> str:
        """Serve it there; return its URL."""
        self.pages[path] = page
        return self.url(path)

    def ranges(self, path: str) -> list[str]:
        """The Range of each request for it, "" where there was none."""
        return [headers.get("Range", "") for asked, headers in self.asked if asked == path]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def plain(body: bytes, status: int = 200, **headers: str) -> Page:
    """The same answer each time; `Content_Type="…"` is a header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.say(status, named, body)


class Ranged:
    """A file that can be asked for in parts; the first `cuts` answers break off after `at` bytes."""

    def __init__(self, body: bytes, *, cuts: int = 1, at: int = 0, **headers: str) -> None:
        self.body = body
        self.etag = '"v1"'
        self.cuts = cuts
        self.at = at
        self.more = {name.replace("_", "-"): value for name, value in headers.items()}
        #: Answers with a part although the content is another one by now.
        self.careless = False

    def __call__(self, handler: Handler) -> None:
        self.cuts -= 1
        first = self._first(handler)
        rest = self.body[first:]
        headers = {"ETag": self.etag, "Last-Modified": OLD, "Content-Length": str(len(rest))}
        if first:
            last = len(self.body) - 1
            headers["Content-Range"] = f"bytes {first}-{last}/{len(self.body)}"
        cut = self.cuts >= 0
        handler.say(206 if first else 200, headers | self.more, rest[: self.at] if cut else rest)
        if cut:
            handler.hang_up()

    def _first(self, handler: Handler) -> int:
        asked = handler.headers.get("Range", "").removeprefix("bytes=").rstrip("-")
        same = handler.headers.get("If-Range") in (self.etag, OLD)
        return int(asked) if asked and (same or self.careless) else 0
