"""Gates side by side: each library's processes, at a Redis of their own that writes an AOF."""

from __future__ import annotations

import contextlib
import functools
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.resp import Connection
from tests.bench.gate_engines import ENGINES, NEEDS
from tests.bench.queue_children import Child, pythons
from tests.bench.queue_rounds import Samples
from tests.bench.table import Row, median, medians
from tests.support.redis_server import RedisServer

#: As most have it; it is never rewritten while something is measured.
OPTIONS = ("--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")
RATE = ("ours", "limits moving", "pyrate log", "pyrate gcra", "throttled gcra")
#: Those count less exactly, which makes them quick.
INEXACT = ("limits counter", "throttled window")
BREAKERS = ("ours", "pybreaker", "purgatory")
DIGITS = {"1/s": 0, "ms": 1, "index": 3, "count": 0, "%": 1, "s": 2}
#: So long after it is told a crowd starts, in seconds.
SOON_S = 0.1


@functools.cache
def there() -> dict[str, tuple[str, str]]:
    """Engine -> its Python, and the version of its library."""
    packages = {package: package for needed in NEEDS.values() for package in needed}
    found = pythons({"ours": None, **packages})
    at = {}
    for name in ENGINES:
        needed = [found.get(package) for package in NEEDS.get(name, ("ours",))]
        if all(needed) and len({python for python, _ in filter(None, needed)}) == 1:
            at[name] = needed[0] or ("", "")
    return at


class GateChild(Child):
    module = "tests.bench.gate_driver"


@dataclass(frozen=True, slots=True)
class Team:
    """Processes with the same library at one Redis."""

    name: str
    server: RedisServer
    members: list[GateChild]

    @property
    def first(self) -> GateChild:
        return self.members[0]

    def tell(self, verb: str, **facts: Any) -> None:
        for member in self.members:
            member.tell(verb, **facts)

    def hear(self) -> list[Any]:
        return [member.hear() for member in self.members]

    def ask(self, verb: str, **facts: Any) -> list[Any]:
        """All at once; those of a crowd say when they start."""
        self.tell(verb, **facts)
        return self.hear()

    def together(self, verb: str, **facts: Any) -> list[Any]:
        """The same, all starting at the same moment."""
        return self.ask(verb, start_at=time.monotonic() + SOON_S, **facts)

    def alone(self) -> str:
        """For a note, when it was without Redis for a while, though that ran."""
        times = sum(self.ask("alone"))
        return f"{self.name} was without Redis {times} times" if times else ""

    def clear(self) -> None:
        """The server forgets all but the scripts."""
        with Connection(self.server.url) as connection:
            connection.call("FLUSHALL")


@contextlib.contextmanager
def teams(
    *names: str, size: int = 1, environments: Sequence[Mapping[str, str]] = ({},)
) -> Iterator[dict[str, Team]]:
    """A team of each kind that is there; its members take the environments in turn."""
    with tempfile.TemporaryDirectory(prefix="gate-") as folder, contextlib.ExitStack() as stack:
        started: dict[str, Team] = {}
        for number, name in enumerate(name for name in names if name in there()):
            own = RedisServer(Path(folder) / str(number), options=OPTIONS)
            server = stack.enter_context(own)
            members = list[GateChild]()
            for nth in range(size):
                environment = environments[nth % len(environments)]
                members.append(GateChild(name, there()[name][0], environment))
                stack.callback(members[-1].kill)
            started[name] = Team(name, server, members)
        for team in started.values():
            team.tell("open", engine=team.name, url=team.server.url)
        for team in started.values():
            team.hear()
        yield started


def row(
    measure: str,
    unit: str,
    took: Samples,
    goal: float | None = None,
    note: str = "",
    *,
    more: bool = False,
) -> Row:
    """Medians of each, and how far ours went."""
    digits = DIGITS[unit]
    ours = took["ours"]
    others = medians({name: values for name, values in took.items() if name != "ours"}, digits)
    told = f"{min(ours):.4g} to {max(ours):.4g}" + (f"; {note}" if note else "")
    return Row(measure, unit, median(ours, digits), others, goal, told, more=more)


def worst_row(measure: str, unit: str, took: Samples, goal: float, note: str = "") -> Row:
    """The worst of each: no run may be beyond the goal."""
    most = {name: [max(values)] for name, values in took.items()}
    return row(measure, unit, Samples(list, most), goal, note)
