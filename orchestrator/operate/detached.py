"""A supervisor in the background: started before its order is known, so that it loads meanwhile."""

from __future__ import annotations

import contextlib
import json
import subprocess
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import Busy, OrchError, ServiceFailed
from orchestrator.supervise.control import error_of
from orchestrator.supervise.program import PROGRAM

if TYPE_CHECKING:
    from orchestrator.core.home import Home

#: So much of what it said last is looked at, in bytes.
LONGEST_WORDS = 65_536


class Detached:
    """One process; what it says goes to `supervisor.log` of `home`, whose folders must be there."""

    def __init__(self, home: Home) -> None:
        self._log = home.log("supervisor")
        with self._log.open("ab") as log:
            self._said_before = log.tell()
            self._process = subprocess.Popen(
                PROGRAM,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=home.path,
                start_new_session=True,
            )

    def give(self, order: dict[str, Any]) -> None:
        """Have it supervise; one that has ended already is noticed by `exit_code`."""
        with contextlib.suppress(BrokenPipeError):
            self._pipe.write(json.dumps(order).encode())
        self.dismiss()

    def dismiss(self) -> None:
        """Nothing (more) is ordered: one that has no order ends."""
        with contextlib.suppress(BrokenPipeError):
            self._pipe.close()

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def end(self, timeout: float) -> None:
        """Have it stop in order, if it still runs; wait for that, `timeout` seconds at most."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.terminate()  # before it can obey, this ends it: nothing was started yet
            self._process.wait(timeout)

    def require(self) -> None:
        """Raise what it had to say, if it has ended for another reason than that one was quicker."""
        if self.exit_code not in (None, Busy.exit_code):
            raise self._last_words()

    def _last_words(self) -> OrchError:
        with self._log.open("rb") as file:
            file.seek(self._said_before)
            text = file.read(LONGEST_WORDS).decode("utf-8", "replace").strip()
        code = self.exit_code
        if not code:
            return ServiceFailed("start-up", "was stopped before all was ready")
        words = text.removeprefix("orch: ")
        return error_of(code, words or f"the supervisor ended with {code}; see {self._log}")

    @property
    def _pipe(self) -> Any:
        return self._process.stdin


def early(home: Home) -> Detached | None:
    """One whose order follows; None in a home without its folders, which are made with the order."""
    return Detached(home) if home.logs.is_dir() else None
