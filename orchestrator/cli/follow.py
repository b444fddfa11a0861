"""`orch logs`: the ends of log files, and what is added to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli.console import out
from orchestrator.core.clock import SYSTEM
from orchestrator.core.files import tail

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.core.home import Home

COLOURS = ("cyan", "magenta", "green", "yellow", "blue")
LOOK_EVERY_S = 0.3


def follow(home: Home, services: list[str], *, lines: int, following: bool) -> None:
    """Print the last `lines` of each service's log; with `following`, go on until Ctrl+C."""
    names = services if len(services) > 1 else [""]
    files = [home.log(service) for service in services]
    sizes = {path: _size(path) for path in files}
    for number, path in enumerate(files):
        _print(list(tail(path, lines)) if lines else [], names[number], number)
    while following:
        SYSTEM.sleep(LOOK_EVERY_S)
        for number, path in enumerate(files):
            _print(_added(path, sizes), names[number], number)


def _print(lines: list[str], service: str, number: int) -> None:
    for line in lines:
        if service:
            out.print(f"{service:>10} |", style=COLOURS[number % len(COLOURS)], end=" ")
        out.print(line, markup=False)


def _added(path: Path, sizes: dict[Path, int]) -> list[str]:
    size = _size(path)
    if size < sizes[path]:  # somebody rotated it
        sizes[path] = 0
    if size == sizes[path]:
        return []
    with path.open("rb") as file:
        file.seek(sizes[path])
        whole, newline, _ = file.read(size - sizes[path]).rpartition(b"\n")
    sizes[path] += len(whole) + len(newline)
    return whole.decode("utf-8", "replace").splitlines() if newline else []


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
