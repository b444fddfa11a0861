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
    several = len(services) > 1
    files = {service: home.log(service) for service in services}
    sizes = {service: _size(path) for service, path in files.items()}
    for number, service in enumerate(services):
        for line in tail(files[service], lines) if lines else ():
            _print(line, service if several else "", number)
    while following:
        SYSTEM.sleep(LOOK_EVERY_S)
        for number, service in enumerate(services):
            for line in _added(files[service], sizes, service):
                _print(line, service if several else "", number)


def _print(line: str, service: str, number: int) -> None:
    if service:
        out.print(f"{service:>10} |", style=COLOURS[number % len(COLOURS)], end=" ")
    out.print(line, markup=False)


def _added(path: Path, sizes: dict[str, int], service: str) -> list[str]:
    size = _size(path)
    if size < sizes[service]:  # somebody rotated it
        sizes[service] = 0
    if size == sizes[service]:
        return []
    with path.open("rb") as file:
        file.seek(sizes[service])
        whole, newline, _ = file.read(size - sizes[service]).rpartition(b"\n")
    sizes[service] += len(whole) + len(newline)
    return whole.decode("utf-8", "replace").splitlines() if newline else []


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
