"""One site as fast as it goes: ours beside Scrapy and a loop written by hand, in rounds that take turns."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import urldefrag, urljoin

from tests.bench.queue_children import ROOT, pythons
from tests.bench.sites_home import Place, Run, place
from tests.bench.sites_web import DOCS, served, server, tree
from tests.bench.table import FOLDER, Row, median, medians, spread

ROUNDS = 5
IN_FLIGHT = 32
PAGES, MANY = 1169, 4998
SCRAPY = "scrapy"
FIRST = "contents.html"
NEEDED = ("scrapy==2.19.0", "uvloop")

_HREF = re.compile(r'<a\b[^>]*?\shref="([^"]+)"')

Samples = defaultdict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Found:
    """By crawler: pages a second, processor time (s) for 1,000 of them, memory (MB)."""

    rates: Samples = field(default_factory=lambda: Samples(list))
    cpu: Samples = field(default_factory=lambda: Samples(list))
    memory: Samples = field(default_factory=lambda: Samples(list))
    runs: list[Run] = field(default_factory=list)


@functools.cache
def there() -> dict[str, tuple[str, str]]:
    """Scrapy in one of the Pythons of `$BENCH_PATH`, else in one of the bench's own, if that can be had."""
    return pythons({SCRAPY: SCRAPY}) or _installed()


def _installed() -> dict[str, tuple[str, str]]:
    python = FOLDER.absolute() / SCRAPY / "bin/python"
    asked = [str(python), "-c", "import scrapy, uvloop; print(scrapy.__version__)"]
    if not python.exists() or _run(asked).returncode:
        made = _run([sys.executable, "-m", "venv", "--clear", str(python.parents[1])])
        if not made.returncode:
            made = _run([str(python), "-m", "pip", "install", "--quiet", *NEEDED])
        if made.returncode:
            print(f"{SCRAPY} cannot be installed: {made.stderr.strip()[-200:]}", file=sys.stderr)
            return {}
    return {SCRAPY: (str(python), _run(asked).stdout.strip())}


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Pages to find from `start` on: `every` one that is there, of `asked` that are linked."""

    start: str
    every: set[str]
    asked: int
    limits: str = ""


def crawl() -> list[Row]:
    """One worker process with all that is on by default."""
    found = _of_tree(PAGES, 1, ROUNDS)
    rates, runs = found.rates, found.runs
    least = max(2 * median(rates.get(SCRAPY, [350.0])), 0.65 * median(rates["bare"]))
    name = f"{PAGES} pages, one worker process"
    above = median([run.above_mb for run in runs])
    return [
        _rate_row(name, rates, round(least)),
        Row(f"{name}: of the bare loop", "ratio", ratio(rates, "bare"), goal=0.65, more=True),
        *_over_scrapy(name, rates),
        _row(
            f"{name}: CPU for 1,000",
            "s",
            found.cpu,
            1.6,
            f"Celery's main process too; of the others: {_told(runs)}",
        ),
        _row(
            f"{name}: memory",
            "MB",
            found.memory,
            80,
            f"PSS of the process that crawls; Celery's main process above it {above:g} MB; "
            "of others the most that was resident",
        ),
    ]


def docs() -> list[Row]:
    """Pages that nobody wrote for this: Debian's python3-doc, where that is installed."""
    if not DOCS.is_dir():
        return []
    with served(DOCS) as root:
        linked, size = _linked(root)
        every = {url for url in linked if (DOCS / url.removeprefix(root)).is_file()}
        many = "[limits]\nlinks_per_page = 5000\n"
        found = _rounds(Corpus(f"{root}{FIRST}", every, len(linked), many), 1, 3)
    name = f"python3-doc, {len(every)} pages of {size / 1000:.0f} KB"
    return [
        _rate_row(name, found.rates, None),
        Row(f"{name}: of the bare loop", "ratio", ratio(found.rates, "bare"), more=True),
        _row(f"{name}: CPU for 1,000", "s", found.cpu),
    ]


def _linked(root: str) -> tuple[set[str], float]:
    """Every URL of a page that is named from the first one on, and the mean size of pages."""
    linked, waiting, sizes = {f"{root}{FIRST}"}, [f"{root}{FIRST}"], []
    while waiting:
        url = waiting.pop()
        file = DOCS / url.removeprefix(root)
        text = file.read_text("utf-8") if file.is_file() else ""
        sizes.append(len(text))
        links = {urldefrag(urljoin(url, unescape(href)))[0] for href in _HREF.findall(text)}
        new = {link for link in links - linked if link.startswith(root) and link.endswith(".html")}
        linked |= new
        waiting += new
    return linked, sum(sizes) / len(sizes)


def two() -> list[Row]:
    """Two worker processes beside two of the loop."""
    found = _of_tree(MANY, 2, ROUNDS)
    name = f"{MANY} pages, two worker processes"
    return [
        _rate_row(name, found.rates, None),
        Row(f"{name}: of the bare loop", "ratio", ratio(found.rates, "bare"), goal=0.7, more=True),
        _row(f"{name}: CPU for 1,000", "s", found.cpu, note=f"beside: {_told(found.runs)}"),
    ]


def _of_tree(pages: int, processes: int, rounds: int) -> Found:
    with tree(pages) as start:
        every = {f"{start.removesuffix('0.html')}{number}.html" for number in range(pages)}
        return _rounds(Corpus(start, every, pages), processes, rounds)


def _rounds(corpus: Corpus, processes: int, rounds: int) -> Found:
    found = Found()
    with place(worker(processes)) as here:
        here.define("site", corpus.start, corpus.limits)
        with tree(40) as few:  # what a worker does once in its life
            here.define("warm", few)
            here.run("warm")

        def ours() -> tuple[float, float, float]:
            run = _exactly(here, corpus.every)
            found.runs.append(run)
            return run.rate, run.cpu_per_1000(), run.memory_mb

        crawlers: dict[str, Callable[[], tuple[float, float, float]]] = {
            "ours": ours,
            "bare": lambda: by_hand(corpus.start, corpus.asked, processes),
        }
        if SCRAPY in there() and processes == 1:
            crawlers[SCRAPY] = lambda: by_scrapy(corpus.start, corpus.asked)
        for _ in range(rounds):
            for name, run in crawlers.items():
                rate, seconds, memory = run()
                found.rates[name].append(rate)
                found.cpu[name].append(seconds)
                found.memory[name].append(memory)
    return found


def worker(processes: int) -> str:
    """Settings for so many shards at once; with several, one more slot is kept for short work."""
    slots = processes + 1 if processes > 1 else 1
    return f"[worker]\nconcurrency = {slots}\n[sites]\nshards_per_job = {processes}\n"


def _exactly(here: Place, every: set[str]) -> Run:
    run = here.run("site")
    found = here.pages("site")
    assert run.job.state == "done", run.job
    assert found == every, (sorted(every - found)[:5], sorted(found - every)[:5])
    return run


def by_hand(start: str, pages: int, processes: int) -> tuple[float, float, float]:
    words = ["-P", "-m", "tests.bench.sites_bare", start, str(IN_FLIGHT), str(processes)]
    return _child([sys.executable, *words], pages)


def by_scrapy(start: str, pages: int) -> tuple[float, float, float]:
    file = Path(__file__).with_name("sites_scrapy.py")
    return _child([there()[SCRAPY][0], "-P", str(file), start, str(IN_FLIGHT)], pages)


def _child(command: Sequence[str], pages: int) -> tuple[float, float, float]:
    """Pages a second, processor time for 1,000 of them, and memory; without the program's own start."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["pages"] == pages, told
    cpu = 1000 * told["cpu_s"] / told["pages"]
    return told["pages"] / told["seconds"], cpu, told["memory_mb"]


def _rate_row(name: str, rates: Samples, goal: float | None) -> Row:
    others = {key: values for key, values in rates.items() if key != "ours"}
    note = f"{spread(rates['ours'])}; {IN_FLIGHT} in flight, from {server()}; all that is on by default"
    return Row(name, "1/s", median(rates["ours"], 0), medians(others, 0), goal, note, more=True)


def _row(name: str, unit: str, took: Samples, goal: float | None = None, note: str = "") -> Row:
    others = {key: values for key, values in took.items() if key != "ours"}
    return Row(name, unit, median(took["ours"], 2), medians(others, 2), goal, note)


def _over_scrapy(name: str, rates: Samples) -> list[Row]:
    if SCRAPY not in rates:
        return []
    return [Row(f"{name}: of Scrapy", "ratio", ratio(rates, SCRAPY), goal=2, more=True)]


def ratio(rates: Samples, over: str) -> float:
    return round(median(rates["ours"]) / median(rates[over]), 2)


def _told(runs: Sequence[Run]) -> str:
    """What other services took for 1,000 pages."""
    return ", ".join(
        f"{name} {median([run.cpu_per_1000(name) for run in runs], 2):g}"
        for name in runs[0].cpu_s
        if name != "worker"
    )
