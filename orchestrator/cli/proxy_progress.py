"""How far a refresh is: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from orchestrator.cli.console import err
from orchestrator.core import duration
from orchestrator.core.clock import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proxies.refresh.progress import Progress as Seen

#: Without a terminal there is a line so often, in seconds, and one for each change of the status.
LINE_EVERY_S = 3.0


@contextmanager
def shown() -> Iterator[Callable[[Seen], None]]:
    """Give a function that shows each look at a refresh."""
    if not err.is_terminal:
        yield _Lines().show
        return
    columns = (
        TextColumn("checking proxies"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("", total=None, told="")

        def show(seen: Seen) -> None:
            total = seen.candidates or None
            progress.update(task, completed=seen.checked, total=total, told=_told(seen))

        yield show


class _Lines:
    """A line for each change of the status, and one now and then."""

    def __init__(self) -> None:
        self._status = ""
        self._at = 0.0

    def show(self, seen: Seen) -> None:
        """Print what is new."""
        now = SYSTEM.monotonic()
        status = str(seen.status or "")
        if status == self._status and now - self._at < LINE_EVERY_S:
            return
        self._status, self._at = status, now
        checked = f"{seen.checked} of {seen.candidates} checked"
        err.print(f"refresh {seen.job_id}: {checked}, {_told(seen)}", markup=False)


def _told(seen: Seen) -> str:
    chunks = f"chunk {seen.completed_chunks}/{seen.total_chunks}"
    parts = [str(seen.status or "status unknown"), chunks]
    if seen.eta_s is not None and not seen.final:
        parts.append(f"{duration.show(seen.eta_s)} left")
    return " · ".join(parts)
