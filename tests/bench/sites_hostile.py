"""A shop that does to robots what shops do: what is brought home of it, how soon and how politely."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.meters import pss_mb
from tests.bench.queue_children import ROOT
from tests.bench.sites_home import WEIGH_S, place
from tests.bench.table import Row
from tests.support.hostile_shop import TRAPS, name_of
from tests.support.orch import Orch

ITEMS, RETRY_AFTER_S = 200, 1
SITE = "hostile"
FILE = """
start_urls = ["{url}"]
rate = "10000/s"
burst = 1000
concurrency = 32
allow_private = true
[limits]
timeout = "4s"
attempts = 3
[[follow]]
css = "a"
[item]
match = "/item/"
[item.fields]
title = {{ css = "h1::text", required = true }}
"""

Report = Callable[[], dict[str, int]]


def hostile() -> list[Row]:
    """On both engines."""
    return [*_celery(), *_local()]


@contextlib.contextmanager
def _shop() -> Iterator[tuple[str, Report]]:
    """The shop in a process of its own: its URL, and how it was treated."""
    words = [sys.executable, "-m", "tests.support.hostile_shop", str(ITEMS), str(RETRY_AFTER_S)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdout
        yield child.stdout.readline().strip(), lambda: dict(json.loads(child.communicate()[0]))


def _celery() -> list[Row]:
    with place("[worker]\nconcurrency = 2\n") as here, _shop() as (url, report):
        _define(here.orch, url)
        run = here.run(SITE)
        assert here.jobs.wait_drained()
        return _rows("workers", here.orch, (run.seconds, run.memory_mb), report())


def _local() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="sites-") as folder, _shop() as (url, report):
        orch = Orch(Path(folder) / "home")
        _define(orch, url)
        return _rows("--local", orch, _typed(orch), report())


def _define(orch: Orch, url: str) -> None:
    (orch.home / "sites").mkdir(mode=0o700)
    (orch.home / f"sites/{SITE}.toml").write_text(FILE.format(url=url))


def _typed(orch: Orch) -> tuple[float, float]:
    """How long `orch sites start --local` took, and the most memory (PSS, MB) meanwhile."""
    began, most = time.monotonic(), 0.0
    command = [*orch.command, "sites", "start", SITE, "--local"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=orch.home, env=orch.environment, stdout=quiet, stderr=quiet
    ) as child:
        while child.poll() is None:
            with contextlib.suppress(OSError):
                most = max(most, pss_mb(child.pid))
            time.sleep(WEIGH_S)
    return time.monotonic() - began, most


def _rows(engine: str, orch: Orch, cost: tuple[float, float], report: dict[str, int]) -> list[Row]:
    exported = orch("sites", "export", SITE).stdout.splitlines()
    titles = Counter(str(json.loads(line)["title"]) for line in exported)
    classes = (f"--class={kind}" for kind in {*TRAPS.values()})
    rows = orch.json("sites", "failures", SITE, "--json", *classes)
    wanted = {name_of(number) for number in range(ITEMS)}
    kinds = {row["url"].split("/", 3)[3]: row["kind"] for row in rows}
    wrong = {path for path, kind in TRAPS.items() if kinds.get(path[1:]) != kind}
    name, seconds = f"hostile shop, {engine}", cost[0]
    note = f"{len(TRAPS)} pages that nobody can have; {report['requests']} requests in all"
    return [
        Row(f"{name}: items of {ITEMS}", "", len(wanted & set(titles)), goal=ITEMS, more=True),
        Row(
            f"{name}: captchas and doubles", "", titles.total() - len(set(titles) & wanted), goal=0
        ),
        Row(f"{name}: requests against a Retry-After", "", report["early"], goal=0),
        Row(f"{name}: requests for items", "", report["for_items"], goal=330, note=note),
        Row(f"{name}: failures of another class", "", len(wrong), goal=0, note=", ".join(wrong)),
        Row(f"{name}: from start to end", "s", round(seconds, 1), goal=30),
        Row(f"{name}: memory (PSS)", "MB", round(cost[1], 1), goal=120),
    ]
