"""The gateway beside squid, haproxy and pproxy: over good and bad upstreams, and as fast as it goes.

`python -m tests.bench.proxies_gateway [PART…]`; parts are `bad` and `rate`. Bad: 10 good and 7 bad
upstreams, 32 clients, each gateway started anew. Rate: the good ones alone, clients that keep connections.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from proxies.model import Proxy
from tests.bench.proxies_gateway_rivals import RELAY, RIVALS, Rival, started
from tests.bench.table import Parts, Row, measure
from tests.support.gateway_home import GatewayHome
from tests.support.orch import eventually
from tests.support.redis_server import RedisServer

CLIENTS = 32
REQUESTS = 3000
ROUNDS = 3
RATE_S = 4.0
#: A round with bad upstreams ends after so long, in seconds, also when not all requests were made.
BAD_S = 60.0


@dataclass(frozen=True, slots=True)
class Zoo:
    """Ports of upstreams."""

    good: list[int]
    bad: list[int]


@contextlib.contextmanager
def zoo() -> Iterator[Zoo]:
    command = [sys.executable, "-m", "tests.bench.proxies_gateway_zoo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        ports = json.loads(process.stdout.readline())
        try:
            yield Zoo(ports["good"], list(ports["bad"].values()))
        finally:
            process.terminate()


@contextlib.contextmanager
def ours(upstreams: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Our gateway over a real Redis: its pid and its port."""
    with (
        tempfile.TemporaryDirectory(prefix="gw-") as name,
        RedisServer(Path(name) / "r") as server,
        GatewayHome(Path(name) / "home", server.url) as home,
    ):
        home.pool(Proxy("http", "127.0.0.1", port) for port in upstreams)
        home.serve()
        assert home.process
        yield home.process.pid, home.port


@contextlib.contextmanager
def theirs(rival: Rival, upstreams: Sequence[int]) -> Iterator[tuple[int, int]]:
    with tempfile.TemporaryDirectory(prefix="gw-") as name:
        process, port = started(rival, Path(name), upstreams)
        try:
            eventually(lambda: _listens(port), what=f"{rival.name} listens")
            yield process.pid, port
        finally:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def load(port: int, requests: int, seconds: float, *, keep: bool) -> dict[str, Any]:
    command = [
        *(sys.executable, "-m", "tests.bench.proxies_gateway_load", f"{port}", f"{CLIENTS}"),
        *(f"{requests}", f"{seconds}", f"{int(keep)}"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _measured(pid: int, port: int, requests: int, seconds: float, *, keep: bool) -> dict[str, Any]:
    process = psutil.Process(pid)
    before = process.cpu_times()
    found = load(port, requests, seconds, keep=keep)
    after = process.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return found | {
        "cpu_us": cpu / max(1, found["requests"]) * 1e6,
        "rss_mb": process.memory_info().rss / 1e6,
    }


def _runs(
    upstreams: Sequence[int], rivals: Sequence[Rival]
) -> Iterator[tuple[str, contextlib.AbstractContextManager[Any]]]:
    yield "ours", ours(upstreams)
    for rival in rivals:
        if rival.there():
            yield rival.name, theirs(rival, upstreams)


def _all_runs(
    upstreams: Sequence[int],
    requests: int,
    seconds: float,
    *,
    keep: bool,
    rivals: Sequence[Rival] = RIVALS,
) -> Any:
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(ROUNDS):
        for name, run in _runs(upstreams, rivals):
            with run as (pid, port):
                found.setdefault(name, []).append(
                    _measured(pid, port, requests, seconds, keep=keep)
                )
    return found


def _worst(runs: Sequence[dict[str, Any]], what: str) -> float:
    return round(max(run[what] for run in runs), 1)


def _ok(runs: Sequence[dict[str, Any]]) -> float:
    return round(min(100 * run["ok"] / max(1, run["requests"]) for run in runs), 2)


def bad() -> list[Row]:
    rows = []
    with zoo() as made:
        for keep in (False, True):
            found = _all_runs([*made.good, *made.bad], REQUESTS, BAD_S, keep=keep)
            mine, peers = found.pop("ours"), found
            how = "kept connections" if keep else "a connection each"
            told = {name: runs[0]["told"] for name, runs in peers.items()}
            rows += [
                Row(
                    f"10 good, 7 bad, {how}: whole pages",
                    "%",
                    _ok(mine),
                    {name: _ok(runs) for name, runs in peers.items()},
                    100,
                    f"worst of {ROUNDS} rounds of {REQUESTS}; {told}",
                    more=True,
                ),
                Row(
                    f"10 good, 7 bad, {how}: p95",
                    "ms",
                    _worst(mine, "p95"),
                    {name: _worst(runs, "p95") for name, runs in peers.items()},
                    20,
                    f"p50 {_worst(mine, 'p50')}, p99 {_worst(mine, 'p99')}, most {_worst(mine, 'most')}",
                ),
            ]
    return rows


def rate() -> list[Row]:
    with zoo() as made:
        rivals = (*RIVALS, RELAY)
        found = _all_runs(made.good, 10_000_000, RATE_S, keep=True, rivals=rivals)
    best = {name: round(max(run["rate"] for run in runs)) for name, runs in found.items()}
    cpu = {name: round(min(run["cpu_us"] for run in runs), 1) for name, runs in found.items()}
    memory = {name: _worst(runs, "rss_mb") for name, runs in found.items()}
    note = (
        f"best of {ROUNDS}; client, upstreams and gateway share this machine's processors; "
        "bare relay: bytes passed on unread, which is what can be had at all"
    )
    return [
        Row("requests over kept connections", "/s", best.pop("ours"), best, 8000, note, more=True),
        Row("CPU for one of them", "us", cpu.pop("ours"), cpu),
        Row("memory after that", "MB", memory.pop("ours"), memory),
    ]


PARTS: Parts = {"bad": bad, "rate": rate}

if __name__ == "__main__":
    measure(
        "proxies_gateway",
        PARTS,
        beside=[rival.name for rival in RIVALS if rival.there()],
        missing=[rival.name for rival in RIVALS if not rival.there()],
    )
