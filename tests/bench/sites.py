"""`make bench-sites`: jobs of sites, in figures.

`python -m tests.bench.sites PART…` does only these parts, and writes nothing. Scrapy is looked for in the
Pythons of the folders of `$BENCH_PATH`, else it is installed in `data/bench`; pages come from nginx if it
is there.
"""

from __future__ import annotations

from tests.bench.sites_crawl import crawl, docs, there, two
from tests.bench.sites_growth import growth
from tests.bench.sites_hostile import hostile
from tests.bench.sites_kill import kill
from tests.bench.sites_local import local
from tests.bench.sites_proxies import proxies
from tests.bench.sites_shared import shared
from tests.bench.sites_start import start, stop
from tests.bench.table import Parts, measure

PARTS: Parts = {
    "crawl": crawl,
    "docs": docs,
    "two": two,
    "proxies": proxies,
    "local": local,
    "start": start,
    "stop": stop,
    "kill": kill,
    "growth": growth,
    "shared": shared,
    "hostile": hostile,
}


if __name__ == "__main__":
    measure(
        "sites",
        PARTS,
        beside=[f"{name} {version}" for name, (_, version) in there().items()],
        missing=[name for name in ("scrapy",) if name not in there()],
    )
