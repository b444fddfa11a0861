"""Several jobs in one event loop, in a process of their own: how that ends, its parent knows."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import select
import signal
import socket
from typing import TYPE_CHECKING, NoReturn

from orchestrator.gate.local import LocalStore
from proxies import loop
from sites.crawl.file_picker import FilePicker
from sites.local.record import STOPPED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.core.home import Home
    from sites.local.crawl import LocalCrawl

log = logging.getLogger(__name__)

#: What a terminal also sends to the child; it stops when its parent says so, or is gone.
_FOR_THE_PARENT = (signal.SIGINT, signal.SIGHUP)


class LocalRun:
    """A child that works on jobs, all at once: no site waits for the end of another.

    It has the locks of its jobs for itself. It stops when it is told to, and when we are gone.
    """

    def __init__(self, home: Home, crawls: Sequence[LocalCrawl]) -> None:
        """Fork it off, from a process that has neither threads nor connections to a server."""
        self._line, theirs = socket.socketpair()
        self._ended: int | None = None
        gc.freeze()  # what is there stays in memory that both share: a collection would write to it
        self.pid = os.fork()
        if not self.pid:
            self._line.close()
            _work(home, crawls, theirs)
        theirs.close()
        for crawl in crawls:
            crawl.runner.let_go()

    def stop(self) -> None:
        """Have it make no new request within 1 s; those that are out have 2 s."""
        with contextlib.suppress(OSError):  # it has ended just now
            self._line.send(b"s")

    def kill(self) -> None:
        """End it at once: what is on disk is whole at any moment."""
        if not self.wait(0):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self._ended = -signal.SIGKILL

    def wait(self, seconds: float) -> bool:
        """Wait so long at most; tell whether it has ended."""
        if self._ended is None:
            select.select([self._line], [], [], seconds)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._ended = os.waitstatus_to_exitcode(status)
        return self._ended is not None

    @property
    def broke(self) -> str:
        """How it came to an end that nobody wanted, for people; nothing when it did not."""
        if not self._ended:
            return ""
        if self._ended > 0:
            return f"process {self.pid} ended with exit code {self._ended}"
        cause = ": by hand, or out of memory" if self._ended == -signal.SIGKILL else ""
        return f"process {self.pid} was killed by {signal.Signals(-self._ended).name}{cause}"


def _work(home: Home, crawls: Sequence[LocalCrawl], line: socket.socket) -> NoReturn:
    """Be the child."""
    code = 1
    try:
        for number in _FOR_THE_PARENT:
            signal.signal(number, signal.SIG_IGN)
        for crawl in crawls:
            crawl.runner.sign()
        loop.run(_all(home, crawls, line))
        code = 0
    except Exception:  # the outer edge of the process
        log.exception("the crawl broke off")
    finally:
        os._exit(code)


async def _all(home: Home, crawls: Sequence[LocalCrawl], line: socket.socket) -> None:
    running = asyncio.get_running_loop()

    def stop(reason: str = STOPPED) -> None:
        for crawl in crawls:
            crawl.stop(reason)

    def hear() -> None:
        running.remove_reader(line)
        stop(STOPPED if line.recv(1) else "the command that crawled it was killed")

    running.add_reader(line, hear)
    running.add_signal_handler(signal.SIGTERM, stop)
    gates, picker = LocalStore(), FilePicker(home.live_proxies)
    await asyncio.gather(*(crawl.run(gates, picker) for crawl in crawls))
