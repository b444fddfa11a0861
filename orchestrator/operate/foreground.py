"""One command in our place: it has our terminal, and gets the signals that we get."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HANDED_ON = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
#: Python ignores these; a command expects that they end it.
_IGNORED_HERE = (signal.SIGPIPE, signal.SIGXFSZ)
#: What is waited for; a command's end is looked for this often even if no signal tells of it.
_WAITED_FOR = frozenset({*HANDED_ON, signal.SIGCHLD})
LOOK_EVERY_S = 1.0
#: What a terminal sends, it sends to all processes in its foreground; but when it is closed, the one
#: that leads its session gets HUP alone.
_FROM_TERMINAL = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGHUP})
SIGNALLED = 128


@contextlib.contextmanager
def held_back() -> Iterator[set[signal.Signals]]:
    """Let the signals that are handed on wait; yields the mask of before."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED_FOR)
    try:
        yield {signal.Signals(number) for number in before}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run(
    program: str, words: Sequence[str], environment: Mapping[str, str], mask: set[signal.Signals]
) -> int:
    """Run it to its end, to be called with the signals held back; 128 + N for one that N ended.

    On a terminal it shares our process group: what the keyboard sends reaches both, and is not sent
    twice. Without one it has a group of its own, so that a signal for ours reaches it once, from us.

    Raises:
        ConfigError: it is there but cannot be run.
    """
    on_terminal = _has_terminal()
    group: dict[str, Any] = {} if on_terminal else {"setpgroup": 0}
    try:
        pid = os.posix_spawn(
            program, list(words), environment, setsigmask=mask, setsigdef=_IGNORED_HERE, **group
        )
    except OSError as error:
        raise ConfigError((f"{program}: cannot be run: {error.strerror}",)) from error
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else SIGNALLED - code
        number = _next_signal(on_terminal=on_terminal)
        if number:
            os.kill(pid, number)


def _next_signal(*, on_terminal: bool) -> int:
    """Wait for a signal that is to be handed on; 0 when it is time to look for the end."""
    if hasattr(signal, "sigtimedwait"):
        told = signal.sigtimedwait(_WAITED_FOR, LOOK_EVERY_S)
        number = told.si_signo if told else signal.SIGCHLD
        from_terminal = told is not None and told.si_code > 0
    else:  # macOS: who sent it is not to be known
        number = signal.sigwait(_WAITED_FOR)
        from_terminal = number in _FROM_TERMINAL
    has_it = on_terminal and from_terminal and not _for_the_leader(number)
    return 0 if has_it or number == signal.SIGCHLD else number


def _for_the_leader(number: int) -> bool:
    """Whether the command has not got it too: with `ssh -t` or tmux we lead the session ourselves."""
    return number == signal.SIGHUP and os.getsid(0) == os.getpid()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
