"""How fast one process adds jobs, takes them and acks them."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from tests.bench.queue_children import Child
from tests.bench.queue_rounds import ALL, Samples, in_turns, queues, rate_row, ratio_row
from tests.bench.table import Row
from tests.support.redis_server import RedisServer

ROUNDS = 7
SAMPLE_S = 0.3
BACKLOG = 30_000


def enqueue() -> list[Row]:
    """One job a transaction, the machine's own durability and that of the operating system's crash."""
    rows = []
    for sync in ("FULL", "NORMAL"):
        with queues(*ALL, sync=sync) as started:
            took = in_turns(started, ROUNDS, lambda one: one.ask("put", seconds=SAMPLE_S, batch=1))
        goal = 20_000 if sync == "NORMAL" else None
        rows.append(rate_row(f"enqueue, one a transaction, {sync}", took, goal))
        if sync == "FULL":
            rows += ratio_row("enqueue FULL, over huey's", took, "huey", 0.9)
            rows += ratio_row("enqueue FULL, over bare commits", took, "sqlite3", 0.7)
    return rows


def batches() -> list[Row]:
    """A thousand jobs a transaction, by those that can."""
    with queues(*ALL) as started:
        able = {name: child for name, child in started.items() if "put many" in child.can}
        took = in_turns(able, ROUNDS, lambda one: one.ask("put", seconds=SAMPLE_S, batch=1000))
    return [rate_row("enqueue in batches of 1,000, FULL", took, 150_000, _unable(started, able))]


def cycle() -> list[Row]:
    """Lease and ack, one process."""
    with queues(*ALL) as started, queues("ours", keys=8, hosts=32) as other:
        able = {name: child for name, child in started.items() if "turn many" in child.can}
        everyone = started | {"busy": other["ours"]}
        one = in_turns(everyone, ROUNDS, lambda child: _turns(child, 1))
        many = in_turns(able, ROUNDS, lambda child: _turns(child, 50))
    busy = Samples(list, ours=one.pop("busy"))
    note = "ours and the bounds ack and take the next in one transaction; huey has no ack"
    return [
        rate_row("lease + ack of 1, FULL, 30k waiting", one, 5500, note),
        *ratio_row("lease + ack of 1, FULL, over bare", one, "sqlite3", None),
        rate_row("lease + ack of 50, FULL, 30k waiting", many, 40_000, _unable(started, able)),
        rate_row("lease + ack of 1, FULL, 8 keys, 32 hosts, limits", busy),
    ]


def redis() -> list[Row]:
    """The same verbs on a Redis of the bench's own."""
    rows = []
    for fsync, means in (("always", "FULL"), ("everysec", "a second may be lost")):
        with tempfile.TemporaryDirectory(prefix="queue-") as name:
            server = RedisServer(Path(name), options=("--appendfsync", fsync))
            with server, queues("redis", url=server.url) as started:
                for verb, batch in (("put", 1), ("put", 1000), ("turns", 1), ("turns", 50)):
                    took = in_turns(started, ROUNDS, partial(_rate, verb=verb, batch=batch))
                    what = "enqueue" if verb == "put" else "lease + ack"
                    took["ours"] = took.pop("redis")
                    rows.append(
                        rate_row(f"Redis, {what}, {batch} a call, {fsync}", took, None, means)
                    )
    return rows


def _rate(child: Child, verb: str, batch: int) -> float:
    if verb == "put":
        added: float = child.ask("put", seconds=SAMPLE_S, batch=batch)
        return added
    return _turns(child, batch)


def _turns(child: Child, batch: int) -> float:
    child.ask("fill", ready=BACKLOG)
    done = child.ask("turns", seconds=SAMPLE_S, batch=batch)
    return float(done["jobs"] / done["seconds"])


def _unable(started: dict[str, Child], able: dict[str, Child]) -> str:
    rest = [name for name in started if name not in able]
    return f"no such call: {', '.join(rest)}" if rest else ""
