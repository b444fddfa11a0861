"""A web site for tests, on loopback, that remembers who asked for what and when."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """What the site answers; `hang` seconds pass before, or the site's release.

    Who has its ETag already is told so.
    """

    body: bytes | str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: float = 0.0
    close: bool = False


@dataclass(frozen=True)
class Hit:
    """One request as the site saw it."""

    at: float
    path: str
    peer: str
    in_flight: int
    headers: Mapping[str, str]


class Site:
    """Pages by path: an `Answer`, or a function of the number of earlier requests for that path."""

    def __init__(self, pages: Mapping[str, Answer | Callable[[int], Answer]] | None = None) -> None:
        self.pages = dict(pages or {})
        self.hits: list[Hit] = []
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._in_flight = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.site = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/") -> str:
        return f"http://{self.host}{path}"

    def asked(self) -> Counter[str]:
        """How often each path was asked for."""
        with self._lock:
            return Counter(hit.path for hit in self.hits)

    def times(self) -> list[float]:
        with self._lock:
            return sorted(hit.at for hit in self.hits)

    def answer(self, path: str, peer: str, headers: Mapping[str, str]) -> Answer:
        with self._lock:
            before = sum(hit.path == path for hit in self.hits)
            self._in_flight += 1
            self.hits.append(Hit(time.monotonic(), path, peer, self._in_flight, headers))
        page = self.pages.get(path, Answer("not here", status=404))
        found = page(before) if callable(page) else page
        proof = found.headers.get("ETag")
        if proof and headers.get("If-None-Match") == proof:
            found = replace(found, body="", status=304)
        if found.hang:
            self.released.wait(found.hang)
        return found

    def left(self) -> None:
        with self._lock:
            self._in_flight -= 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    site: Site

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        site = self.server.site
        answer = site.answer(self.path, self.client_address[0], dict(self.headers.items()))
        site.left()  # before the answer: who has it may ask again before we are told
        try:
            self._send(answer)
        except OSError:
            self.close_connection = True

    def _send(self, answer: Answer) -> None:
        if answer.close:
            self.close_connection = True
            return
        raw = answer.body.encode() if isinstance(answer.body, str) else answer.body
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Length": str(len(raw)),
            **answer.headers,
        }
        self.send_response(answer.status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """The site keeps its own log."""


def tree(pages: int, *, fan_out: int = 10, hang: float = 0.0) -> dict[str, Answer]:
    """A site of `pages` pages, each linking to the next ones, with two items on each."""
    found = {}
    for number in range(pages):
        below = range(number * fan_out + 1, min(number * fan_out + fan_out + 1, pages))
        links = "".join(f'<a href="/{child}.html">{child}</a>' for child in below)
        items = "".join(
            f'<div class="item"><h2>item {number}-{part}</h2><b>£{number}.50</b></div>'
            for part in range(2)
        )
        found[f"/{number}.html"] = Answer(f"<h1>page {number}</h1>{links}{items}", hang=hang)
    return found
