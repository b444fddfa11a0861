"""The same site without services: `orch sites start --local` as it is typed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from pathlib import Path

from orchestrator.celery_app.app import make_app
from orchestrator.core.context import Context
from sites.jobs.jobs import SiteJobs
from tests.bench.meters import pss_mb
from tests.bench.sites_crawl import IN_FLIGHT, PAGES, Samples, by_hand, ratio
from tests.bench.sites_home import WEIGH_S, define, pages
from tests.bench.sites_web import tree
from tests.bench.table import Row, median, medians, spread
from tests.support.orch import Orch, a_home

ROUNDS = 3


def local() -> list[Row]:
    """Everything in one process: queue in a file, gate, crawl, results."""
    rates, wholes, cpu, memory = Samples(list), [], [], []
    with (
        tree(PAGES) as start,
        tempfile.TemporaryDirectory(prefix="sites-") as folder,
        a_home(Path(folder) / "home") as orch,
    ):
        every = {f"{start.removesuffix('0.html')}{number}.html" for number in range(PAGES)}
        define(orch.home, "tree", start)
        jobs = _jobs(orch)
        for _ in range(ROUNDS):
            whole, used, most = _typed(orch)
            row = jobs.status(["tree"])[0]
            assert row["state"] == "done", row
            assert pages(jobs, "tree") == every
            rates["ours"].append(PAGES / (row["finished_at"] - row["started_at"]))
            wholes.append(whole)
            cpu.append(1000 * used / PAGES)
            memory.append(most)
            rates["bare"].append(by_hand(start, PAGES, 1)[0])
    name = f"{PAGES} pages with --local"
    others = {"bare": rates["bare"]}
    note = f"{spread(rates['ours'])}; {IN_FLIGHT} in flight; the whole command {median(wholes):g} s"
    return [
        Row(name, "1/s", median(rates["ours"], 0), medians(others, 0), note=note, more=True),
        Row(f"{name}: of the bare loop", "ratio", ratio(rates, "bare"), more=True),
        Row(
            f"{name}: CPU for 1,000",
            "s",
            median(cpu, 2),
            note="Python's start and all imports are in it",
        ),
        Row(f"{name}: memory (PSS)", "MB", median(memory)),
    ]


def _jobs(orch: Orch) -> SiteJobs:
    context = Context.load(orch.home)
    return SiteJobs(context, lambda: make_app(context))


def _typed(orch: Orch) -> tuple[float, float, float]:
    """How long the command took, its processor time, and its memory (PSS, MB)."""
    began = time.monotonic()
    child = subprocess.Popen(
        [*orch.command, "sites", "start", "tree", "--local"],
        cwd=orch.home,
        env=orch.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    most = 0.0
    while (ended := os.wait4(child.pid, os.WNOHANG))[0] == 0:
        with contextlib.suppress(OSError):
            most = max(most, sum(pss_mb(pid) for pid in (child.pid, *_children(child.pid))))
        time.sleep(WEIGH_S)
    child.returncode = os.waitstatus_to_exitcode(ended[1])
    assert child.returncode == 0, child.returncode
    return time.monotonic() - began, ended[2].ru_utime + ended[2].ru_stime, most


def _children(pid: int) -> list[int]:
    """The one that crawls is a child of the command."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
