"""`live_proxies.json` for whoever reads it: is it ever half there, and does it ever go back?"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

from orchestrator.core.keys import Keys
from orchestrator.core.redis import connect
from proxies.model import Anonymity, Verdict, parse
from proxies.pool.pool import Pool
from proxies.pool.snapshot import Snapshot
from tests.bench.meters import timed_ms
from tests.bench.table import Parts, Row, measure, median
from tests.support.redis_server import RedisServer

REWRITES, READS, READERS, LIVE = 1000, 10_000, 2, 200
#: Readers leave the writer some of the processor, in seconds.
PAUSE_S = 0.0005
KEYS = Keys("bench:")


@dataclass
class Seen:
    """What one reader has seen."""

    reads: int = 0
    errors: int = 0
    older: int = 0


def rows() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder) / "redis") as server:
        pool = Pool(connect(server.url), KEYS)
        urls = [f"http://10.0.{number // 250}.{number % 250}:8080" for number in range(LIVE)]
        at = float(pool.redis.time()[0])
        pool.replace([Verdict(parse(url), at, anonymity=Anonymity.ELITE) for url in urls])
        snapshot = Snapshot(Path(folder) / "live_proxies.json", 1800)
        snapshot.write(pool)
        plain = Path(folder) / "plain.json"
        plain.write_text(snapshot.path.read_text())

        def rewrite() -> None:
            pool.redis.hincrby(KEYS.pool_meta(), "generation", 1)
            snapshot.write(pool)

        def overwrite() -> None:
            document = json.loads(plain.read_text())
            document["generation"] += 1
            with plain.open("w") as file:
                json.dump(document, file)

        took: list[float] = []
        ours = read_during(snapshot.path, lambda: took.append(timed_ms(rewrite)))
        theirs = read_during(plain, overwrite)
    note = f"{READERS} readers, {LIVE} proxies, {median(took)} ms a rewrite; {len(took)} rewrites, "
    note += f"{ours.reads} reads; beside a file that is written in place, in as many reads"
    in_place = round(theirs.errors * ours.reads / theirs.reads)
    return [
        Row("live_proxies.json: parse errors", "", ours.errors, {"in place": in_place}, 0, note),
        Row("live_proxies.json: an older generation", "", ours.older, {}, 0, "after a newer one"),
    ]


def read_during(path: Path, rewrite: Callable[[], None]) -> Seen:
    """Read in other processes while it is rewritten, until there are enough of both."""
    over, total = multiprocessing.Event(), Seen()
    pipes = [multiprocessing.Pipe() for _ in range(READERS)]
    work = [multiprocessing.Process(target=read, args=(path, end, over)) for _, end in pipes]
    for each in work:
        each.start()
    for mine, _ in pipes:
        mine.recv()  # it has begun
    enough = [False] * READERS
    done = 0
    while done < REWRITES or not all(enough):
        rewrite()
        done += 1
        enough = [so or mine.poll() for so, (mine, _) in zip(enough, pipes, strict=True)]
    over.set()
    for mine, _ in pipes:
        mine.recv()  # it had enough
        seen: Seen = mine.recv()
        total.reads += seen.reads
        total.errors += seen.errors
        total.older += seen.older
    for each in work:
        each.join()
    return total


def read(path: Path, told: Connection, over: Event) -> None:
    """Read until it is over, and tell when that was often enough."""
    seen, newest = Seen(), 0
    told.send("begun")
    while not over.is_set() or seen.reads < READS / READERS:
        seen.reads += 1
        try:
            generation = json.loads(path.read_text())["generation"]
        except (OSError, ValueError):
            seen.errors += 1
        else:
            seen.older += generation < newest
            newest = generation
        if seen.reads == READS / READERS:
            told.send("enough")
        time.sleep(PAUSE_S)
    told.send(seen)


PARTS: Parts = {"file": rows}


if __name__ == "__main__":
    measure("proxies_file", PARTS, beside=["a file that is written in place"], missing=[])
