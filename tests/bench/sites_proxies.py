"""The same site through proxies that take turns, of either kind."""

from __future__ import annotations

from tests.bench.sites_crawl import IN_FLIGHT, PAGES, worker
from tests.bench.sites_home import Place, Run, place
from tests.bench.sites_relay import relays
from tests.bench.sites_web import tree
from tests.bench.table import Row, median, spread
from tests.support.pool_home import fill

ROUNDS = 3
PROXIES = 4
GOALS = {"http": 500, "socks5": 400}


def proxies() -> list[Row]:
    """Only through them: a site that requires proxies is never asked directly."""
    toml = f"{worker(1)}[proxies]\nmin_usable = 1\nsources = []\n"
    with tree(PAGES) as start, relays(PROXIES) as ports, place(toml) as here:
        every = {f"{start.removesuffix('0.html')}{number}.html" for number in range(PAGES)}
        here.define("tree", start, proxies="require")
        found: dict[str, list[Run]] = {scheme: [] for scheme in GOALS}
        for _ in range(ROUNDS):
            for scheme, own in zip(GOALS, ports, strict=True):
                texts = [f"{scheme}://127.0.0.1:{port}" for port in own]
                fill(here.context.redis, *texts, keys=here.context.keys)
                found[scheme].append(_run(here, every))
                assert _used(here) == len(own)
    return [_row(scheme, runs) for scheme, runs in found.items()]


def _run(here: Place, every: set[str]) -> Run:
    run = here.run("tree")
    assert run.job.state == "done", run.job
    assert here.pages("tree") == every
    return run


def _used(here: Place) -> int:
    """Count the ways that pages came; none came directly."""
    with here.jobs.results("tree") as results:
        query = "SELECT DISTINCT proxy FROM pages WHERE job = ?"
        used = {proxy for (proxy,) in results.rows(query, (results.newest_job(),))}
    assert "" not in used
    return len(used)


def _row(scheme: str, runs: list[Run]) -> Row:
    rates = [run.rate for run in runs]
    cpu = median([run.cpu_per_1000() for run in runs], 2)
    note = (
        f"{spread(rates)}; {IN_FLIGHT} in flight, one worker process, which takes {cpu:g} s for 1,000; "
        "the proxies share the machine's processors"
    )
    name = f"{PAGES} pages through {PROXIES} {scheme} proxies"
    return Row(name, "1/s", median(rates, 0), goal=GOALS[scheme], note=note, more=True)
