"""Ports that no other test gets: below those that the system gives to whoever asks for any."""

from __future__ import annotations

import itertools
import os
import socket
from pathlib import Path

#: The first one that is given out, and how many each process of a run of tests has for itself.
FIRST, EACH = 20_000, 1_500
#: Runs of different people begin at different ones.
RUNS = 500


def _mine() -> itertools.cycle[int]:
    """The ports of this process, beginning somewhere among them."""
    end = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = FIRST + number * EACH % (end - FIRST - EACH)
    begin = os.getpid() % RUNS
    return itertools.cycle([*range(first + begin, first + EACH), *range(first, first + begin)])


_PORTS = _mine()


def free_port() -> int:
    """One where nobody listens, and nobody will by chance: the caller may, now or later or again."""
    while True:
        port = next(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
