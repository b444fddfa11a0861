"""How soon a job begins, and how soon it has stopped."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.bench.meters import timed_ms
from tests.bench.sites_crawl import worker
from tests.bench.sites_home import Place, place
from tests.bench.table import Row, median, spread
from tests.support.orch import eventually
from tests.support.site_server import Answer, Site

ROUNDS = 9
HANGING = 15
HEADING = Answer("<h1>here</h1>")
LINKS = "".join(f'<a href="/{n}.html">{n}</a>' for n in range(1, HANGING + 1))
INTERRUPTED = 130

#: A site, and what waits until the job is as it should be.
Begun = tuple[Site, Callable[[], object]]


def start() -> list[Row]:
    """Services are up; the site's robots.txt is known from the job before."""
    typed, recorded = [], []
    with Site({"/0.html": HEADING}) as site, place(worker(2)) as here:
        here.define("quick", site.url("/0.html"))
        for turn in range(ROUNDS + 1):
            before, asked = time.monotonic(), len(site.hits)
            done = here.orch("sites", "start", "quick", "--no-wait")
            assert not done.returncode, done.stderr
            first = eventually(lambda asked=asked: site.hits[asked:])[0].at
            job = here.jobs.current("quick")
            assert job
            made = job.created_at - time.time() + time.monotonic()
            if turn:  # the first one is also the first of its worker
                typed.append(first - before)
                recorded.append(first - made)
            eventually(lambda: not _active(here, "quick"))
    return [
        Row("from typing to the first request", "s", median(typed, 3), goal=1, note=spread(typed)),
        Row(
            "from the job's record to the first request",
            "s",
            median(recorded, 3),
            goal=0.3,
            note=spread([1000 * each for each in recorded]) + " ms",
        ),
    ]


def stop() -> list[Row]:
    """Ctrl+C in `orch sites start`, and `orch sites stop` as it is typed elsewhere."""
    with place(worker(2)) as here:
        hanging = [_stopped(here, _all_hang) for _ in range(3)]
        idle = [_stopped(here, _one_waits) for _ in range(3)]

    def row(name: str, took: list[tuple[float, float]], goal: float, note: str) -> Row:
        typed, interrupted = ([each[at] for each in took] for at in (0, 1))
        told = f"{note}; `orch sites stop`, with its start: {median(typed, 2):g} s"
        return Row(f"Ctrl+C while {name}", "s", median(interrupted, 2), goal=goal, note=told)

    return [
        row(f"{HANGING} requests hang", hanging, 5, "those that are out have 2 s"),
        row("nothing is out", idle, 0.5, "every page waits for its turn"),
    ]


def _stopped(here: Place, begun: Callable[[Place], Iterator[Begun]]) -> tuple[float, float]:
    """How long the command took; and, of another job, how long Ctrl+C did."""
    with contextmanager(begun)(here) as (site, under_way):
        here.jobs.start("slow")
        under_way()
        typed = timed_ms(lambda: here.orch("sites", "stop", "slow")) / 1000
        _rests(here, site)
        site.hits.clear()
        following = here.orch.popen("sites", "start", "slow")
        under_way()
        began = time.monotonic()
        following.send_signal(signal.SIGINT)
        said = following.communicate()[0]
        took = time.monotonic() - began
        assert following.returncode == INTERRUPTED, said
        _rests(here, site)
        return typed, took


def _rests(here: Place, site: Site) -> None:
    job = here.jobs.current("slow")
    assert job
    assert job.state == "stopped", job
    asked = len(site.hits)
    time.sleep(0.5)  # nothing may be asked for any more: there is no state to wait for
    assert len(site.hits) == asked


def _all_hang(here: Place) -> Iterator[Begun]:
    pages = {f"/{n}.html": Answer("late", hang=60.0) for n in range(1, HANGING + 1)}
    with Site(pages | {"/0.html": Answer(f"<h1>here</h1>{LINKS}")}) as site:
        here.define("slow", site.url("/0.html"))
        out = pages.keys()
        yield site, lambda: eventually(lambda: out <= {hit.path for hit in site.hits})


def _one_waits(here: Place) -> Iterator[Begun]:
    with Site({"/0.html": Answer(f"<h1>here</h1>{LINKS}")}) as site:
        here.define("slow", site.url("/0.html"), rate="1/h", burst=2)  # robots.txt, and a page

        def waits() -> bool:
            row = here.jobs.status(["slow"])[0]
            return row["state"] == "running" and bool(row["reason"])

        yield site, lambda: eventually(waits)


def _active(here: Place, name: str) -> bool:
    job = here.jobs.current(name)
    return job is not None and job.active
