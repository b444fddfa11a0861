"""The pages of the demo's site: Python's own documentation, written by `python -I -m pydoc -w`."""

from __future__ import annotations

import contextlib
import html
import itertools
import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.files import write_atomically
from orchestrator.demo.child import LOOK_EVERY_S, Child
from orchestrator.demo.modules import MODULES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

#: How many modules one run of pydoc writes.
BATCH = 25
#: A run takes well under a second; one that takes this long hangs.
RUN_TIMEOUT_S = 10.0
#: What is not written by then is missing.
TIMEOUT_S = 60.0

#: All that pydoc gets to see of the environment: nothing of ours, and a browser that does nothing.
ENVIRONMENT = {"BROWSER": "true", "PATH": os.defpath, "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Run:
    """A run of pydoc: what it was asked for, and when it must have ended."""

    modules: Sequence[str]
    process: Child
    deadline: Deadline

    @property
    def over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.process.ended or self.deadline.passed


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
        _Writer(folder, scratch, check, stack).write(modules)
    written = [name for name in modules if (folder / f"{name}.html").is_file()]
    write_atomically(folder / "index.html", index(written))
    return written


class _Writer:
    """Several runs of pydoc at once, as many as there are processors."""

    def __init__(
        self,
        folder: Path,
        scratch: Path,
        check: Callable[[], None],
        stack: contextlib.ExitStack,
    ) -> None:
        self._folder = folder
        self._scratch = scratch
        self._check = check
        self._stack = stack
        self._numbers = itertools.count(1)
        self._running: list[Run] = []
        self._deadline = Deadline.after(TIMEOUT_S)

    def write(self, modules: Sequence[str]) -> None:
        """Work off all modules, in batches."""
        waiting = deque(modules[at : at + BATCH] for at in range(0, len(modules), BATCH))
        at_once = min(8, os.cpu_count() or 1)
        while (waiting or self._running) and not self._deadline.passed:
            while waiting and len(self._running) < at_once:
                self._start(waiting.popleft())
            waiting += [rest for run in self._finished() if (rest := self._rest(run.modules))]

    def _start(self, modules: Sequence[str]) -> None:
        label = f"pydoc-{next(self._numbers)}"
        process = Child(label, "pydoc", "-w", *modules, folder=self._scratch, cwd=self._folder)
        self._stack.callback(process.stop)
        process.start(ENVIRONMENT, "-I")
        self._running.append(Run(modules, process, Deadline.after(RUN_TIMEOUT_S)))

    def _finished(self) -> list[Run]:
        """Wait until at least one is over, and end what hangs."""

        def any_over() -> bool:
            self._check()
            return any(run.over for run in self._running)

        wait_until(any_over, self._deadline, every=LOOK_EVERY_S)
        over = [run for run in self._running if run.over]
        for run in over:
            run.process.stop()
            self._running.remove(run)
        return over

    def _rest(self, modules: Sequence[str]) -> Sequence[str]:
        """Return what was not written, without the first: pydoc ends at a module that fails."""
        missing = [name for name in modules if not (self._folder / f"{name}.html").is_file()]
        return missing[1:]


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
