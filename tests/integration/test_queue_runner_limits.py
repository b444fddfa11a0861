"""The limits as a server sees them, which knows nothing of the queue."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestrator.queue.config import RunnerConfig
from orchestrator.queue.model import NewJob
from orchestrator.queue.open import open_queue
from orchestrator.queue.pipeline import Pipelines, Task
from orchestrator.queue.runner import Runner
from tests.support.queue_place import Place, counted
from tests.support.runner_child import SERVER

KEYS, HOSTS = ("a", "b", "c"), ("one", "two", "three", "four")
PER_KEY, PER_HOST = 2, 4


class Crowd:
    """Who is here at once, and how many there ever were."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.here: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.served = 0

    @contextmanager
    def visit(self, *names: str) -> Iterator[None]:
        with self.lock:
            self.here.update(names)
            self.served += 1
            for name in names:
                self.most[name] = max(self.most[name], self.here[name])
        try:
            yield
        finally:
            with self.lock:
                self.here.subtract(names)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.crowd = Crowd()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        _, key, host = self.path.split("/")
        with self.server.crowd.visit("all", f"key {key}", f"host {host}"):
            time.sleep(0.1)  # so long that even a slow machine has many here at once
        # Whoever has the answer may come again before this thread goes on.
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def fetch(task: Task) -> None:
    with urllib.request.urlopen(task.payload["url"], timeout=30):  # noqa: S310 - the address is made here
        pass


def drain(place: Place, workers: int) -> None:
    config = RunnerConfig(
        max_workers=workers,
        max_per_resolver=dict.fromkeys(KEYS, PER_KEY),
        max_per_host=PER_HOST,
        lease_ttl_seconds=30,
        heartbeat_seconds=1,
    )
    with open_queue(place.target) as queue:
        Runner(queue, Pipelines({"get": fetch}, "get"), config, folder=Path(), drain=True).run()


def fill(place: Place, port: int, n: int) -> None:
    """Some have a key and a host, some a host only, some a key only, and some neither."""
    jobs = []
    for number in range(n):
        key = (*KEYS, "", "", "", "")[number % 7]
        host = (*HOSTS, "")[number % 5]
        url = f"http://127.0.0.1:{port}/{key or '-'}/{host or '-'}"
        jobs.append(NewJob(str(number), f'{{"url": "{url}"}}', key=key, host=host))
    with open_queue(place.target) as queue:
        queue.enqueue_many(jobs)


@pytest.mark.parametrize("processes", [1, 2])
def test_limits_are_never_exceeded_and_are_made_use_of(
    queue_place: Place, server: Server, processes: int
) -> None:
    fill(queue_place, server.server_port, 700)
    runners = [
        SERVER.Process(target=drain, args=(queue_place, 64 // processes), daemon=True)
        for _ in range(processes)
    ]
    for process in runners:
        process.start()
    for process in runners:
        process.join(120)
        assert process.exitcode == 0
    most = server.crowd.most
    assert {most[f"key {key}"] for key in KEYS} == {PER_KEY}
    assert {most[f"host {host}"] for host in HOSTS} == {PER_HOST}
    assert most["all"] > PER_HOST * len(HOSTS)  # what has neither is not held back
    assert server.crowd.served == 700
    with open_queue(queue_place.target) as queue:
        assert counted(queue.store) == {"done": 700}
