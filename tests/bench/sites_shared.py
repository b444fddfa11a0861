"""One limit for all: what the site sees of four shards that go through ten proxies."""

from __future__ import annotations

from tests.bench.sites_crawl import worker
from tests.bench.sites_home import Place, place
from tests.bench.sites_relay import relays
from tests.bench.table import Row
from tests.support.orch import eventually
from tests.support.pool_home import fill
from tests.support.site_server import Site, tree

SHARDS, PROXIES = 4, 10
RATE, IN_FLIGHT = 50, 32
#: Pages at that rate, and at once: for some 20 s each.
AT_RATE, AT_ONCE = 1000, 1200
SLOW_S = 0.5


def shared() -> list[Row]:
    """At the rate, and at the number of requests at once."""
    toml = f"{worker(SHARDS)}[proxies]\nmin_usable = 1\nsources = []\n"
    with relays(PROXIES // 2) as (http, socks), place(toml) as here:
        texts = [f"http://127.0.0.1:{port}" for port in http]
        texts += [f"socks5://127.0.0.1:{port}" for port in socks]
        fill(here.context.redis, *texts, keys=here.context.keys)
        second, shards = _worst_second(here)
        most = _most_at_once(here)
    note = f"{shards} shards, {PROXIES} proxies; any second of {AT_RATE // RATE}"
    return [
        Row(f"requests in the worst second, at {RATE}/s", "", second, goal=RATE + 1, note=note),
        Row(f"requests at once, of {IN_FLIGHT} allowed", "", most, goal=IN_FLIGHT),
    ]


def _worst_second(here: Place) -> tuple[int, int]:
    with Site(tree(AT_RATE)) as site:
        start = site.url("/0.html")
        here.define("rated", start, proxies="require", rate=RATE, burst=1)
        job = here.jobs.start("rated")
        name = here.context.keys.job("rated", job.ref.id, "shards")
        eventually(lambda: here.context.redis.zcard(name) == SHARDS, what="all shards work")
        _to_the_end(here, "rated", AT_RATE)
        times = site.times()
    windows = (sum(at <= other < at + 1 for other in times) for at in times)
    return max(windows), SHARDS


def _most_at_once(here: Place) -> int:
    with Site(tree(AT_ONCE, hang=SLOW_S)) as site:
        here.define("counted", site.url("/0.html"), proxies="require", concurrency=IN_FLIGHT)
        here.jobs.start("counted")
        _to_the_end(here, "counted", AT_ONCE)
        return max(hit.in_flight for hit in site.hits)


def _to_the_end(here: Place, name: str, pages: int) -> None:
    def ended() -> bool:
        job = here.jobs.current(name)
        return job is not None and not job.active

    eventually(ended, 90, f"{name} ends")
    row = here.jobs.status([name])[0]
    assert (row["state"], row["pages_done"]) == ("done", pages), row
