"""The pages of the demo's site: Python's own documentation, written by `python -I -m pydoc -w`."""

from __future__ import annotations

import contextlib
import html
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.files import write_atomically
from orchestrator.demo.child import LOOK_EVERY_S, Child
from orchestrator.demo.modules import MODULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

#: How many modules one run of pydoc writes: one that hangs costs only the rest of its batch.
BATCH = 25
#: A batch takes well under a second; one that takes this long hangs.
BATCH_TIMEOUT_S = 15.0

#: All that pydoc gets to see of the environment: nothing of ours, and a browser that does nothing.
ENVIRONMENT = {"BROWSER": "true", "PATH": os.defpath, "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Batch:
    """A run of pydoc and when it must have ended."""

    run: Child
    deadline: Deadline

    @property
    def over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.run.ended or self.deadline.passed


def write(
    folder: Path, scratch: Path, check: Callable[[], None], modules: Sequence[str] = MODULES
) -> list[str]:
    """Write a page for each module and `index.html` with links to all; return those that have one.

    Args:
        folder: an empty folder, where the pages go.
        scratch: where the output of pydoc goes.
        check: called while we wait; raises to break off.
        modules: what is documented; a module that pydoc cannot import has no page.
    """
    with contextlib.ExitStack() as stack:
        batches = _batches(folder, scratch, modules)
        running: list[Batch] = []
        for run in batches:
            stack.callback(run.stop)
            run.start(ENVIRONMENT, "-I")
            running.append(Batch(run, Deadline.after(BATCH_TIMEOUT_S)))
            if len(running) >= _at_once():
                _wait_for_one(running, check)
        while running:
            _wait_for_one(running, check)
    written = [name for name in modules if (folder / f"{name}.html").is_file()]
    write_atomically(folder / "index.html", index(written))
    return written


def index(modules: Sequence[str]) -> str:
    """Return a page with a link to the page of each module."""
    links = "\n".join(
        f'<li><a href="{html.escape(name)}.html">{html.escape(name)}</a></li>' for name in modules
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<title>Python: the standard library</title>\n</head><body>\n"
        f"<h1>The standard library</h1>\n<ul>\n{links}\n</ul>\n</body></html>\n"
    )


def _at_once() -> int:
    return min(8, os.cpu_count() or 1)


def _batches(folder: Path, scratch: Path, modules: Sequence[str]) -> Iterator[Child]:
    for number, start in enumerate(range(0, len(modules), BATCH), 1):
        names = modules[start : start + BATCH]
        yield Child(f"pydoc-{number}", "pydoc", "-w", *names, folder=scratch, cwd=folder)


def _wait_for_one(running: list[Batch], check: Callable[[], None]) -> None:
    """Wait until at least one has ended, and end what hangs."""

    def any_over() -> bool:
        check()
        return any(batch.over for batch in running)

    wait_until(any_over, Deadline.after(2 * BATCH_TIMEOUT_S), every=LOOK_EVERY_S)
    for batch in [batch for batch in running if batch.over]:
        batch.run.stop()
        running.remove(batch)
