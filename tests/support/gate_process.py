"""A process that sends requests through the gate of a site of a home, one after the other.

    python -m tests.support.gate_process HOME SITE [RATE]

Each that is let pass is a line: the monotonic time, which all processes of a machine share. A line on
standard input ends it. With RATE it is a site of its own, without a file.
"""

from __future__ import annotations

import sys
import threading
import time

from orchestrator.core.context import Context
from orchestrator.core.errors import RedisUnavailable, Refused
from orchestrator.gate.limits import Limits
from orchestrator.gate.open import open_gate
from sites.definition.registry import Registry
from sites.politeness.gates import limits_of


def main() -> None:
    folder, site, *rate = sys.argv[1:]
    context = Context.load(folder)
    limits = (
        Limits(rate=float(rate[0]))
        if rate
        else limits_of(Registry(context.home).get(site).definition)
    )
    asked = threading.Event()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    url, prefix = context.config.redis_url, context.keys.prefix
    with open_gate(url, limits, prefix=prefix, tell=lambda *_: None) as gate:
        while not asked.is_set():
            try:
                with gate.enter(site, "a.example", deadline=0.2):
                    sys.stdout.write(f"{time.monotonic()}\n")
                    sys.stdout.flush()
            except (Refused, RedisUnavailable):
                asked.wait(0.02)


def _listen(asked: threading.Event) -> None:
    sys.stdin.readline()
    asked.set()


if __name__ == "__main__":
    main()
