"""The bound of every crawler here: a loop written by hand, with nothing but aiohttp and selectolax.

`python -m tests.bench.sites_bare URL IN_FLIGHT PROCESSES` prints `{"pages", "seconds", "cpu_s", …}`.
Several processes share the pages by a hash of their URL.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing as mp
import resource
import socket
import sys
import time
import zlib
from ctypes import c_long
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import aiohttp
import uvloop
from selectolax.lexbor import LexborHTMLParser


class Loop:
    """One process of `of`; URLs of the others go to them by `mates`, a line each."""

    def __init__(self, number: int, mates: list[socket.socket], left: Any) -> None:
        self.number, self.left = number, left
        self.mates = mates
        self.of = len(mates)
        self.seen: set[str] = set()
        self.waiting: asyncio.Queue[str] = asyncio.Queue()
        self.items: list[str] = []
        self.writers: dict[int, asyncio.StreamWriter] = {}

    async def run(self, start: str, in_flight: int) -> None:
        hears = []
        for number, mate in enumerate(self.mates):
            if number != self.number:
                reader, self.writers[number] = await asyncio.open_connection(sock=mate)
                hears.append(asyncio.create_task(self.hear(reader)))
        if not self.number:
            self.tell(start)
            self.add(-1)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            asks = [asyncio.create_task(self.ask(session)) for _ in range(in_flight // self.of)]
            while self.left.value:  # noqa: ASYNC110  (another process ends it)
                await asyncio.sleep(0.005)
            for task in (*asks, *hears):
                task.cancel()

    async def ask(self, session: aiohttp.ClientSession) -> None:
        while True:
            url = await self.waiting.get()
            async with session.get(url) as response:
                text = await response.text()
            tree = LexborHTMLParser(text)
            heading = tree.css_first("h1")
            self.items.append(heading.text() if heading else "")
            site = urlsplit(url).netloc
            for link in tree.css("a"):
                href = link.attributes.get("href")
                if href:
                    target = urldefrag(urljoin(url, href))[0]
                    if urlsplit(target).netloc == site and target.endswith(".html"):
                        self.tell(target)
            self.add(-1)

    def tell(self, url: str) -> None:
        if url in self.seen:
            return
        self.seen.add(url)
        self.add(1)  # also until its owner has heard of it, and looked whether it is new
        owner = zlib.crc32(url.encode()) % self.of
        if owner == self.number:
            self.waiting.put_nowait(url)
        else:
            self.writers[owner].write(url.encode() + b"\n")

    async def hear(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self.tell(line.decode().strip())
            self.add(-1)

    def add(self, pages: int) -> None:
        """Count what is left to do, in all processes."""
        with self.left.get_lock():
            self.left.value += pages


def work(number: int, mates: list[socket.socket], left: Any, start: str, in_flight: int) -> Loop:
    loop = Loop(number, mates, left)
    uvloop.run(loop.run(start, in_flight))
    return loop


def child(*given: Any) -> None:
    *args, answer = given
    loop = work(*args)
    answer.send((len(loop.items), cpu_s()))  # a fork's own, from its beginning


def most_mb() -> float:
    """The most that was resident; what `getrusage` says may be of the process that started us."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(start: str, in_flight: int, processes: int) -> None:
    left = mp.Value(c_long, 1)  # until the first page is told of
    ends = [[socket.socket() for _ in range(processes)] for _ in range(processes)]
    for one, other in itertools.combinations(range(processes), 2):
        ends[one][other], ends[other][one] = socket.socketpair()
    began, before = time.perf_counter(), cpu_s()
    heard = []
    for number in range(1, processes):
        mine, theirs = mp.Pipe()
        heard.append(mine)
        given = (number, ends[number], left, start, in_flight, theirs)
        mp.get_context("fork").Process(target=child, args=given).start()
    loop = work(0, ends[0], left, start, in_flight)
    found = [(len(loop.items), cpu_s() - before), *(answer.recv() for answer in heard)]
    seconds = time.perf_counter() - began
    pages, cpu = (sum(column) for column in zip(*found, strict=True))
    memory = most_mb()
    print(json.dumps({"pages": pages, "seconds": seconds, "cpu_s": cpu, "memory_mb": memory}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
