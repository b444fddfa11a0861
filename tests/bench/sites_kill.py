"""kill -9 at any moment of a job, of whatever takes part in it: what becomes of its pages."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import urlsplit

from orchestrator.core.errors import OrchError
from tests.bench.sites_home import Place, place
from tests.bench.table import Row, median
from tests.support.orch import eventually, signal_each
from tests.support.site_server import Site, tree

KILLS = 30
VICTIMS = ("worker", "child", "redis", "supervisor")
PAGES, RATE, CONCURRENCY = 400, 150, 8
LATENCY_S = 0.03
#: Killed when this part of the pages has been asked for.
PARTS = (0.1, 0.7)
TOML = "[worker]\nconcurrency = 2\n[sites]\nshards_per_job = 1\n"


@dataclass(frozen=True, slots=True)
class Fate:
    """`lost` pages have no item; `again` were asked for twice; `twice` have their item twice.

    `pause_s`: the longest time, from the kill on, without a page that was not asked for before.
    `late_s`: after so long the last of those was fetched again that were in flight. `early`: done with
    work left.
    """

    victim: str
    lost: int
    again: int
    twice: int
    pause_s: float
    late_s: float
    early: bool


def kill() -> list[Row]:
    """One job for each kill; what was killed comes back by itself, the supervisor by `orch up -d`."""
    with Site(tree(PAGES, hang=LATENCY_S)) as site, place(TOML) as here:
        here.define("tree", site.url("/0.html"), rate=RATE, burst=5, concurrency=CONCURRENCY)
        with Site(tree(20)) as few:
            here.define("warm", few.url("/0.html"))
            here.run("warm")
        fates = [_fate(here, site, VICTIMS[number % len(VICTIMS)]) for number in range(KILLS)]
    how = f"{PAGES} pages at {RATE}/s, {CONCURRENCY} in flight; of {', '.join(VICTIMS)} in turn"
    name = f"kill -9 x {KILLS}"
    return [
        Row(f"{name}: pages lost", "pages", sum(fate.lost for fate in fates), goal=0, note=how),
        Row(f"{name}: items there twice", "items", sum(fate.twice for fate in fates), goal=0),
        Row(f"{name}: done with work left", "jobs", sum(fate.early for fate in fates), goal=0),
        Row(
            f"{name}: fetched again, at most",
            "pages",
            max(fate.again for fate in fates),
            goal=CONCURRENCY,
            note=f"of one kill; {_of_each(fates, lambda fate: fate.again)}",
        ),
        Row(
            f"{name}: until it goes on, at most",
            "s",
            round(max(fate.pause_s for fate in fates), 2),
            goal=2,
            note=f"medians: {_of_each(fates, lambda fate: fate.pause_s)}",
        ),
        Row(
            f"{name}: until what was in flight is fetched again",
            "s",
            round(max(fate.late_s for fate in fates), 2),
            note="at most; it is queued behind what waits",
        ),
    ]


def _of_each(fates: list[Fate], what: Callable[[Fate], float]) -> str:
    return ", ".join(
        f"{victim} {median([what(fate) for fate in fates if fate.victim == victim], 2):g}"
        for victim in VICTIMS
    )


def _fate(here: Place, site: Site, victim: str) -> Fate:
    site.hits.clear()
    here.jobs.start("tree")
    moment = PAGES * random.uniform(*PARTS)
    eventually(lambda: len(site.hits) > moment)
    killed = time.monotonic()
    _kill(here, victim)
    state = eventually(lambda: _ended(here), 60, f"{victim} was killed, and the job ends")
    hits = sorted((hit.at, hit.path) for hit in site.hits if hit.path in site.pages)
    first = {path: at for at, path in reversed(hits)}
    new = [killed, *sorted(at for at in first.values() if at > killed)]
    again = [at for at, path in hits if at > first[path]]
    eventually(lambda: _drained(here))
    items = Counter(urlsplit(url).path for url in _items(here))
    lost = len(site.pages.keys() - items.keys())
    return Fate(
        victim=victim,
        lost=lost,
        again=len(again),
        twice=sum(items.values()) - len(items),
        pause_s=max((later - one for one, later in pairwise(new)), default=0.0),
        late_s=max((at - killed for at in again), default=0.0),
        early=state == "done" and lost > 0,
    )


def _kill(here: Place, victim: str) -> None:
    if victim == "child":
        pids = here.pids("worker")[1:]
    elif victim == "supervisor":
        pids = [int(here.orch.status()["supervisor"]["pid"])]
    else:
        pids = [here.orch.pid(victim)]
    signal_each(pids, signal.SIGKILL)
    if victim == "supervisor":
        here.orch.up()


def _ended(here: Place) -> str:
    """The state of the job, once it is one of an end; Redis may be away."""
    with contextlib.suppress(OrchError):
        job = here.jobs.current("tree")
        if job and not job.active:
            return str(job.state)
    return ""


def _drained(here: Place) -> bool:
    with contextlib.suppress(OrchError):
        return here.jobs.wait_drained()
    return False


def _items(here: Place) -> list[str]:
    """The page of every item of the newest job."""
    with here.jobs.results("tree") as results:
        job = results.newest_job()
        assert job
        return [str(item["_url"]) for item in results.items(job)]
