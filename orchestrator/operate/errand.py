"""`orch run -- CMD…`: the services up, one command, the services down."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from orchestrator.core import config, which
from orchestrator.core.clock import Deadline
from orchestrator.core.errors import ConfigError, DeadlinePassed, NotRunning
from orchestrator.core.overrides import variables
from orchestrator.operate import foreground
from orchestrator.operate.launch import bring_up, request
from orchestrator.operate.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    from orchestrator.core.config import Config
    from orchestrator.core.home import Home

#: Signals that end the start; one that is ignored, as with nohup, stays so.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Each service ends within its own graces; this is for a supervisor that does not answer.
DOWN_S = 600.0
ASK_S = 5.0


class Told(KeyboardInterrupt):
    """A signal came before the command ran."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Signals:
    """What a signal to us means: the first ends the start; later ones are for the supervisor we stop.

    While the command runs they are its own (`foreground.run`). Handlers are put back on exit.
    """

    def __init__(self, visit: Visit) -> None:
        self.end_us = True
        self._visit = visit
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.getsignal(number) for number in ENDING}
        for number, before in self._before.items():
            if before is not signal.SIG_IGN:
                signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _take(self, number: int, _: FrameType | None) -> None:
        if self.end_us:
            self.end_us = False
            raise Told(number)
        if self._visit.stopping:  # as in `orch up`: whoever insists has all killed
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._visit.stopping, number)


def run(
    home: Home, overrides: Mapping[str, str], words: list[str], say: Callable[[str], None]
) -> int:
    """Run a command with the services of the home; return its exit code, 128 + N after a signal N.

    What runs already is used and left running; what this has started is stopped in order afterwards,
    or when the last of several such commands has ended.

    Raises:
        ConfigError: there is no such command, or the configuration is wrong; nothing was started.
        OrchError: the services did not come up, or not down.
    """
    try:
        program = which.find(words[0], Path.cwd())
    except ValueError as error:
        raise ConfigError((f"run: {error}",)) from error
    loaded = config.load(home, overrides)
    try:
        with services(home, overrides, say) as signals, foreground.held_back() as mask:
            signals.end_us = False
            return foreground.run(program, words, _environment(loaded), mask)
    except Told as told:
        return foreground.SIGNALLED + told.number


@contextlib.contextmanager
def services(
    home: Home, overrides: Mapping[str, str], say: Callable[[str], None]
) -> Iterator[Signals]:
    """Have the services for a while: what runs already is used, and only what is started here is stopped.

    Raises:
        Told: (a KeyboardInterrupt) a signal came; what was started is stopped first.
        ConfigError: the configuration is wrong; nothing was started.
        OrchError: the services did not come up, or not down.
    """
    home.make()
    with Visit(home) as visit, Signals(visit) as signals:
        try:
            _come_up(visit, home, overrides, say)
            yield signals
        finally:
            signals.end_us = False
            visit.leave(Deadline.after(DOWN_S))


def _come_up(
    visit: Visit, home: Home, overrides: Mapping[str, str], say: Callable[[str], None]
) -> None:
    """Have the services ready, and note for the visit what has been started for it."""
    resting = _stopped(home)
    try:
        bring_up(home, overrides, services=None, detach=True, say=say)
    finally:
        with contextlib.suppress(NotRunning, DeadlinePassed):
            supervisor = request(home, "status", None, Deadline.after(ASK_S))["supervisor"]["pid"]
            begun = sorted(resting - _stopped(home))
            if _is_child(supervisor):
                visit.has_started(supervisor)
            elif begun:
                visit.has_started(supervisor, begun)


def _stopped(home: Home) -> set[str]:
    """The services of a running supervisor that do not run."""
    try:
        rows = request(home, "status", None, Deadline.after(ASK_S))["services"]
    except NotRunning:
        return set()
    return {row["name"] for row in rows if row["state"] == "stopped"}


def _is_child(pid: int) -> bool:
    """Whether we have started this process: of several that start at once, one becomes the supervisor."""
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


def _environment(loaded: Config) -> dict[str, str]:
    """What a program of the project needs to find its services."""
    beside = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    return {
        **os.environ,
        # Cron and others have not activated the environment that Celery is installed in.
        "PATH": path if beside in path.split(os.pathsep) else f"{path}{os.pathsep}{beside}",
        "ORCH_HOME": str(loaded.home.path),
        "ORCH_PREFIX": loaded.keys.prefix,
        "REDIS_URL": loaded.redis_url,
        "CELERY_BROKER_URL": loaded.broker_url,
        **variables(loaded.overrides),
    }
