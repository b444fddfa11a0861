"""The refresh as it is typed: `orch proxies refresh`, its chunks on the two slots of one worker."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from orchestrator.celery_app.app import make_app
from orchestrator.core.context import Context
from proxies.refresh import pace
from proxies.refresh.progress import RefreshRecord
from proxies.refresh.refresh import Refresher
from tests.bench.meters import timed_ms
from tests.bench.proxies_check import LIST, MIX, sweep
from tests.bench.proxies_farm import Farm, farm
from tests.bench.table import Parts, Row, measure, median, spread
from tests.support.orch import Orch, a_home

ROUNDS = 3
#: Ends of small refreshes that are looked at.
ENDS = 15
SLOTS = 2


@contextlib.contextmanager
def a_home_of(there: Farm) -> Iterator[Orch]:
    """A home with a worker of two slots, all its services up."""
    toml = (
        f"[worker]\nconcurrency = {SLOTS}\n"
        f'[proxies]\nsources = ["list.txt"]\ncheck_timeout = 5\njudge_ca = "{there.ca}"\n'
        f"judges = {json.dumps(there.judges)}\n"
    )
    with tempfile.TemporaryDirectory() as folder, a_home(Path(folder) / "home", toml) as orch:
        orch.up()
        yield orch


def write(orch: Orch, urls: list[str]) -> None:
    random.shuffle(urls)
    (orch.home / "list.txt").write_text("".join(f"{url}\n" for url in urls))


def realistic() -> list[Row]:
    """The list that people have, in four chunks; and in one sweep, without anything around it."""
    took, beside, bare = [], [], []
    with farm() as there, a_home_of(there) as orch:
        context = Context.load(orch.home)
        for _ in range(ROUNDS):
            write(orch, a_list(there))
            seconds = timed_ms(lambda: refresh(orch)) / 1000
            chunks = pace.samples(context.redis, context.keys)[: 2 * SLOTS]
            took.append(seconds)
            # Two chunks after each other on each of the slots: all else is what the chord costs.
            beside.append(seconds - sum(chunk.seconds for chunk in chunks) / SLOTS)
            urls = a_list(there)
            random.shuffle(urls)
            bare.append(sweep(urls, there.judges, there.ca)["usage"]["seconds"])
    name = f"orch proxies refresh of {LIST}"
    return [
        Row(name, "s", median(took), goal=15, note="43 % refuse, 31 % hang, 6 % good; 5 s each"),
        Row(
            f"{name}: beside checking",
            "s",
            median(beside),
            goal=2,
            note="from the command's start to its end: Python, sources, sending, collecting",
        ),
        Row(
            f"one bare sweep of {LIST}",
            "s",
            median(bare),
            note="in the same run; chunks come in two rounds, each as long as who is silent is waited for",
        ),
    ]


def a_list(there: Farm) -> list[str]:
    """The realistic list, of proxies that nobody has had."""
    return [u for kind, part in MIX.items() for u in there.take(kind, LIST * part // 100)]


def refresh(orch: Orch) -> None:
    done = subprocess.run(
        [*orch.command, "proxies", "refresh", "--json"],
        cwd=orch.home,
        env=orch.environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["status"] == "COMPLETE", found
    assert found["usable"] == LIST * MIX["good"] // 100, found


def end() -> list[Row]:
    """From the last chunk's report to the return of who waits, who then sees the new pool."""
    late = []
    with farm() as there, a_home_of(there) as orch:
        context = Context.load(orch.home)
        refresher = Refresher(context, make_app(context))
        for _ in range(ENDS):
            write(orch, there.take("good", 200))
            job_id = refresher.refresh(timeout=60).job_id
            seconds, micros = context.redis.time()
            seen = RefreshRecord(context.redis, context.keys, job_id).read()
            last = max(float(begun.sign) for begun in seen.begun.values())
            late.append(seconds + micros / 1e6 - last)
    row = Row("the end of a refresh is noticed after", "s", median(late, 3), goal=0.5)
    return [Row(row.measure, row.unit, row.ours, goal=row.goal, note=_note(late))]


def _note(late: list[float]) -> str:
    return f"{spread(late)}; at most {max(late):.3f} s"


PARTS: Parts = {"refresh": realistic, "end": end}


def rows() -> list[Row]:
    """All of it."""
    return [row for part in PARTS.values() for row in part()]


if __name__ == "__main__":
    measure("proxies-refresh", PARTS, beside=["nobody"], missing=[])
