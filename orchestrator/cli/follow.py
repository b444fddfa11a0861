"""`orch logs`: the ends of log files, and what is added to them."""

from __future__ import annotations

import heapq
import re
from typing import TYPE_CHECKING

from orchestrator.cli import moment, outlet
from orchestrator.cli.console import out
from orchestrator.core.follower import Follower

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from orchestrator.core.home import Home

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta")
LOOK_EVERY_S = 0.2
#: What a log must not do to somebody's terminal: everything but tabs and colours.
_CONTROL = re.compile(
    r"\x1b\[[0-9;]*m|\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*|.)?|[\0-\x08\x0b-\x1f\x7f-\x9f]"
)


def follow(
    home: Home, services: Callable[[], list[str]], *, lines: int, following: bool, named: bool
) -> None:
    """Print the last `lines` of each log; with `following`, go on until Ctrl+C.

    `services` is asked again and again: a log that comes later is followed too. The lines are in the
    order of their times as far as they tell one; `named` puts the service's name before each.
    """
    followers: dict[str, Follower] = {}
    prefixes = _Prefixes(named=named)
    while True:
        rounds = []
        for service in services():
            new = service not in followers
            if new:
                path = home.log(service)
                followers[service] = Follower(path, path.with_name(f"{path.name}.1"))
            follower = followers[service]
            read = follower.last(lines) if new else follower.added()
            rounds.append(_timed(service, read if following else _all(read, follower)))
        prefixes.widen(followers)
        for _, service, line in heapq.merge(*rounds, key=lambda each: each[0]):
            out.file.write(f"{prefixes.of(service)}{_harmless(line)}\n")
        out.file.flush()
        if not following:
            return
        outlet.pause(LOOK_EVERY_S)


def _all(read: Iterator[str], follower: Follower) -> Iterator[str]:
    """Nobody will look again: also a last line without an end."""
    yield from read
    yield from follower.rest()


def _timed(service: str, lines: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    """Each line with its time; one without, such as a traceback's, has that of the line before it."""
    last = ""
    for line in lines:
        last = moment.of_line(line) or last
        yield last, service, line


class _Prefixes:
    """The names before the lines, under each other and each in its colour."""

    def __init__(self, *, named: bool) -> None:
        self._named = named
        self._made: dict[str, str] = {}

    def widen(self, services: Iterable[str]) -> None:
        """Make room for the longest of them."""
        names = list(services)
        if self._named and len(names) > len(self._made):
            width = max(map(len, names))
            self._made = {
                name: _coloured(f"{name:>{width}} | ", COLOURS[number % len(COLOURS)])
                for number, name in enumerate(names)
            }

    def of(self, service: str) -> str:
        """What stands before a line of `service`."""
        return self._made.get(service, "")


def _coloured(text: str, colour: str) -> str:
    """As the terminal shows it; without a terminal, or with NO_COLOR, the text itself."""
    with out.capture() as capture:
        out.print(text, style=colour, end="", markup=False, soft_wrap=True)
    return capture.get()


def _harmless(line: str) -> str:
    if not out.is_terminal:
        return line
    coloured = out.color_system is not None and not out.no_color

    def kept(found: re.Match[str]) -> str:
        return found[0] if coloured and found[0].endswith("m") and "[" in found[0] else ""

    cleaned = _CONTROL.sub(kept, line)
    return cleaned + "\x1b[0m" if "\x1b[" in cleaned else cleaned
