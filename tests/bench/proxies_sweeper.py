"""Sweeps in a process of its own, told over stdin: what they find, and what they cost."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import time
from collections import Counter
from pathlib import Path
from typing import Any

from orchestrator.core.proxies_section import ProxiesSection
from proxies import loop
from proxies.check.check import Check
from proxies.check.sweep import Sweep
from proxies.model import Proxy, Verdict, parse
from tests.bench.driver import drive

#: How often it is looked whether the event loop gets its turn, in seconds.
LOOK_S = 0.005


class Timed(Check):
    """Knows what the longest check took."""

    longest = 0.0

    async def run(self, proxy: Proxy) -> Verdict:
        began = time.perf_counter()
        verdict = await super().run(proxy)
        Timed.longest = max(Timed.longest, time.perf_counter() - began)
        return verdict


class Sweeper:
    """The verbs."""

    def sweep(self, urls: list[str], settings: dict[str, Any], *, own_loop: bool) -> dict[str, Any]:
        """Check them all, with uvloop where it is there or else with asyncio's own loop."""
        section = ProxiesSection.model_validate(settings)
        proxies = [parse(url) for url in urls]
        gc.collect()
        before = _resident_mb()
        Path("/proc/self/clear_refs").write_text("5")  # the most that was resident, from now on
        cpu, began = time.process_time(), time.perf_counter()
        found = (asyncio.run if own_loop else loop.run)(_sweep(section, proxies))
        took = time.perf_counter() - began
        found["usage"] = {
            "seconds": took,
            "cpu": time.process_time() - cpu,
            "peak_mb": _peak_mb(),
            "grown_mb": _peak_mb() - before,
            "longest": Timed.longest,
        } | found["usage"]
        return found


async def _sweep(section: ProxiesSection, proxies: list[Proxy]) -> dict[str, Any]:
    lag = asyncio.create_task(_lag())
    sweep = Sweep(section, time.time, _wanted)
    report = await sweep.run(proxies)
    lag.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await lag
    live = {
        verdict.proxy.address: [verdict.usable, verdict.anonymity, verdict.tls, verdict.exit_ip]
        for verdict in report.live
    }
    reasons = dict(Counter(verdict.reason for verdict in sweep.verdicts if verdict.reason))
    return {
        "live": live,
        "reasons": reasons,
        "problem": report.problem,
        "usage": {"lag": _Lag.most},
    }


class _Lag:
    most = 0.0


async def _lag() -> None:
    _Lag.most = 0.0
    while True:
        began = time.perf_counter()
        await asyncio.sleep(LOOK_S)
        _Lag.most = max(_Lag.most, time.perf_counter() - began - LOOK_S)


async def _wanted(checked: int) -> bool:
    return True


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _peak_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


if __name__ == "__main__":
    import proxies.check.sweep

    proxies.check.sweep.Check = Timed  # type: ignore[attr-defined,misc]
    drive(Sweeper())
