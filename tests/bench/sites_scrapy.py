"""Scrapy as fast as its settings make it: `PYTHON sites_scrapy.py URL IN_FLIGHT` prints `{"pages", …}`.

It runs in Scrapy's own Python, so nothing of the project is imported.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urlsplit

import scrapy
from scrapy.crawler import CrawlerProcess

SETTINGS: dict[str, Any] = {
    "ASYNCIO_EVENT_LOOP": "uvloop.Loop",
    "AUTOTHROTTLE_ENABLED": False,
    "COOKIES_ENABLED": False,
    "DOWNLOAD_DELAY": 0,
    "LOG_ENABLED": False,
    "REACTOR_THREADPOOL_MAXSIZE": 4,
    "RETRY_ENABLED": False,
    "ROBOTSTXT_OBEY": False,
    "TELNETCONSOLE_ENABLED": False,
    # Nothing stands between the spider and the downloader: the spider itself stays on its site.
    "SPIDER_MIDDLEWARES_BASE": {},
    "DOWNLOADER_MIDDLEWARES_BASE": {},
    "EXTENSIONS_BASE": {},
    "DOWNLOADER_STATS": False,
    "STATS_CLASS": "scrapy.statscollectors.DummyStatsCollector",
}
items: list[str] = []


class Tree(scrapy.Spider):
    name = "tree"

    async def start(self) -> AsyncIterator[Any]:
        for url in self.start_urls:
            yield scrapy.Request(
                url
            )  # of itself it would be asked for again when a link leads back

    def parse(self, response: Any) -> Iterator[Any]:
        items.append(response.css("h1::text").get())
        for request in response.follow_all(css="a", callback=self.parse):
            url = urldefrag(request.url)[0]
            if url.endswith(".html") and urlsplit(url).netloc == urlsplit(response.url).netloc:
                yield request


def main(start: str, in_flight: int) -> None:
    Tree.start_urls = [start]
    more = {"CONCURRENT_REQUESTS": in_flight, "CONCURRENT_REQUESTS_PER_DOMAIN": in_flight}
    process = CrawlerProcess({**SETTINGS, **more})
    process.crawl(Tree)
    began, before = time.perf_counter(), cpu_s()
    process.start()
    seconds = time.perf_counter() - began
    memory = most_mb()
    told = {"pages": len(items), "seconds": seconds, "cpu_s": cpu_s() - before}
    print(json.dumps({**told, "memory_mb": memory}))


def most_mb() -> float:
    """The most that was resident; what `getrusage` says may be of the process that started us."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
