"""An ordered stop: hooks first, then each service as soon as nobody needs it, each bounded."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING

from orchestrator.supervise.service import ServiceState

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orchestrator.core.events import EventLog
    from orchestrator.supervise.keeper import Keeper
    from orchestrator.supervise.service import ServiceSpec

#: A hook (stopping the sites) has so long, in seconds; then the stop goes on without it.
HOOK_S = 5.0
#: One that was killed then is waited for so long, in seconds: it may wait for a disk that is gone.
HOOK_END_S = 1.0
#: How often a running hook is looked at, in seconds.
HOOK_LOOK_S = 0.01


class Farewell:
    """Stops `keepers`, given in the reverse order of starting; `over` when all are stopped."""

    def __init__(self, keepers: Sequence[Keeper], events: EventLog, now: float) -> None:
        self._keepers = list(keepers)
        for keeper in keepers:
            keeper.wanted = False  # at once: whoever waits for the end must not see the beginning
        self._hooks: list[subprocess.Popen[bytes]] = []
        self._deadline = now + HOOK_S
        self._hooks_killed = False
        self._events = events
        self._events.write("farewell.began", services=[keeper.spec.name for keeper in keepers])
        self._run_hooks()

    @property
    def over(self) -> bool:
        """Whether nothing of it runs any more."""
        return not self._keepers and not self._hooks

    def due(self, now: float) -> float:
        """When `tick` must be called at the latest."""
        return now + HOOK_LOOK_S if self._hooks else now + 60.0

    def spare(self, names: Collection[str]) -> None:
        """Leave `names` out: somebody wants them again."""
        self._keepers = [keeper for keeper in self._keepers if keeper.spec.name not in names]

    def tick(self, now: float, *, kill: bool) -> None:
        """Go on as far as possible without waiting; with `kill`, end all at once."""
        if kill:
            for keeper in self._keepers:
                keeper.kill()
        self._look_after_hooks(now, kill=kill)
        for keeper in list(self._keepers):
            if self._may_stop(keeper):
                keeper.stop()
                if keeper.state is ServiceState.STOPPED:
                    self._keepers.remove(keeper)

    def _may_stop(self, keeper: Keeper) -> bool:
        """Whether nobody who is still there needs it, and no hook does."""
        spec = keeper.spec
        others = [other.spec for other in self._keepers if other is not keeper]
        return not (self._hooks and spec.before_stop) and not any(
            spec.name in other.needs or other.name in spec.outlives for other in others
        )

    def _look_after_hooks(self, now: float, *, kill: bool) -> None:
        self._hooks = [hook for hook in self._hooks if hook.poll() is None]
        late = now >= self._deadline
        if not self._hooks or not (kill or late):
            return
        if not self._hooks_killed:
            if late:
                self._events.write("farewell.hook_late", after_s=HOOK_S)
            for hook in self._hooks:
                _kill(hook)
            self._hooks_killed, self._deadline = True, now + HOOK_END_S
        elif late:
            self._hooks = []

    def _run_hooks(self) -> None:
        by_name = {keeper.spec.name: keeper for keeper in self._keepers}
        for keeper in self._keepers:
            spec = keeper.spec
            needs = [by_name[name] for name in spec.needs if name in by_name]
            if spec.before_stop and all(need.process or need.external for need in needs):
                try:
                    self._hooks.append(_start(spec))
                except OSError as error:  # a stop goes on whatever is missing
                    self._events.write("farewell.hook_failed", error=str(error))


def _kill(hook: subprocess.Popen[bytes]) -> None:
    """End it with whatever it started in its group."""
    # It leads its session, and it has not been reaped: the number is still its own.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(hook.pid, signal.SIGKILL)


def _start(spec: ServiceSpec) -> subprocess.Popen[bytes]:
    with open(spec.log.path, "ab") as log:  # noqa: PTH123  (a Path would be made for one call)
        return subprocess.Popen(
            spec.before_stop,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=spec.cwd,
            env={**os.environ, **spec.env},
            start_new_session=True,
        )
