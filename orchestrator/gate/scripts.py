"""Runs the scripts of the gate on a Redis, each in one round trip or less.

redis-py takes half the time of such a call, so commands are put together here and sent by the lean
connection of `core.resp`.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from typing import TYPE_CHECKING

from orchestrator.core.clock import Deadline
from orchestrator.core.errors import RedisUnavailable
from orchestrator.core.resp import ReplyError
from orchestrator.gate.encoding import loading
from orchestrator.gate.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.core.clock import Clock
    from orchestrator.gate.encoding import Command
    from orchestrator.gate.lane import Instead

#: One step of a call, connecting or waiting for the answer, takes no longer, in seconds.
STEP_S = 0.2
#: The script that is posted.
POSTED = "release"
#: The beginnings of so many commands are kept.
_KNOWN = 4096
#: A server that is being restarted is asked again so soon, in seconds.
AGAIN_S = 0.02


class Scripts:
    """Safe for threads; a process that is forked off begins anew.

    With `soon`, which calls what it is given within some milliseconds, what is posted goes out then, or
    in one write with what is asked before.
    """

    def __init__(
        self, url: str, clock: Clock, soon: Callable[[Callable[[], None]], None] | None = None
    ) -> None:
        self._url = url
        self._clock = clock
        self._soon = soon
        self._due = False  # whether `soon` was told
        self._heads: dict[tuple[str, bytes, int], bytes] = {}
        self._idle: deque[Lane] = deque()
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._close_idle()  # of the process that this one was forked off from
        #: What makes up for what was posted and may not have been carried out.
        self._owed: deque[Instead] = deque()

    def run(self, command: Command) -> bytes:
        """Run it; a server that lost the script is given the text again.

        Raises:
            RedisUnavailable: no answer, or a refusal.
        """
        if self._pid != os.getpid():
            self._begin()
        try:
            reply = self._call(self._raw(command))
        except ReplyError as error:
            if error.code != "NOSCRIPT":
                raise
            # Nobody is there to be told that it lost one that is posted, too.
            self._call(loading(POSTED))
            self._make_up()  # that was to be done before this
            reply = self._call(command.in_full())
        if self._owed:
            self._make_up()
        return reply

    def post(self, command: Command, instead: Instead) -> None:
        """Send it without waiting for its answer, which whoever uses the connection next reads first.

        If it turns out that nobody knows whether it was, what `instead` returns is run.

        Raises:
            RedisUnavailable: it could not be sent.
        """
        if self._pid != os.getpid():
            self._begin()
        lane = self._lane()
        if self._soon is not None:
            lane.keep(self._raw(command), command, instead)
            self._idle.append(lane)
            if not self._due:
                self._due = True
                self._soon(self._flush)
            return
        try:
            lane.post(self._raw(command), command, instead)
        except RedisUnavailable as error:
            lane.close()
            if not _comes_back(error):
                raise
            self._close_idle()
            self.run(command)
        except BaseException:
            lane.close()
            raise
        else:
            self._idle.append(lane)

    def _flush(self) -> None:
        """Send what is kept; what cannot be sent is made up for."""
        self._due = False
        with contextlib.suppress(RedisUnavailable):
            self._each(Lane.flush)

    def settle(self) -> None:
        """Hear what came of all that was posted, and make up for what was lost.

        Raises:
            RedisUnavailable: no answer.
        """
        self._each(Lane.settle)
        self._make_up()

    def close(self) -> None:
        """Close all connections; another call opens them again."""
        if self._pid != os.getpid():  # forked: to end a connection would end it for both
            self._begin()
        self._close_idle()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _each(self, work: Callable[[Lane], None]) -> None:
        for _ in range(len(self._idle)):
            try:
                lane = self._idle.popleft()
            except IndexError:  # another thread is at it
                break
            try:
                work(lane)
            except BaseException:
                lane.close()
                raise
            self._idle.append(lane)

    def _raw(self, command: Command) -> bytes:
        which = command[:3]
        start = self._heads.get(which)
        if start is None:
            if len(self._heads) >= _KNOWN:
                self._heads.clear()
            start = self._heads[which] = command.head()
        return start + command.words

    def _call(self, raw: bytes) -> bytes:
        """Send it, and again while a server that is being restarted is not back, for `STEP_S` at most.

        What is sent again may have been carried out: every script bears that.
        """
        until = None
        while True:
            try:
                return self._send(raw)
            except RedisUnavailable as error:
                until = until or Deadline.after(STEP_S, self._clock)
                if until.passed or not _comes_back(error):
                    raise
                self._close_idle()  # they are as old as the one that broke
            self._clock.sleep(until.cap(AGAIN_S))

    def _send(self, raw: bytes) -> bytes:
        lane = self._lane()
        try:
            reply = lane.ask(raw)
        except ReplyError:
            self._idle.append(lane)
            raise
        except BaseException:  # also Ctrl+C in between: its answer is still to come
            lane.close()
            raise
        self._idle.append(lane)
        return reply

    def _make_up(self) -> None:
        """Run what is owed; what cannot be run now stays so."""
        for _ in range(len(self._owed)):
            try:
                instead = self._owed.popleft()
            except IndexError:  # another thread is at it
                return
            try:
                self._call(instead().in_full())
            except RedisUnavailable:
                self._owed.append(instead)
                return
            except BaseException:
                self._owed.append(instead)
                raise

    def _lane(self) -> Lane:
        """Return one that is idle, or a new one."""
        try:
            return self._idle.pop()
        except IndexError:
            return Lane(self._url, STEP_S, self._owed)


def _comes_back(error: RedisUnavailable) -> bool:
    """Whether the server seems to have just gone, or to be starting: not one that hangs or refuses us."""
    if isinstance(error, ReplyError):
        return error.code == "LOADING"
    return isinstance(error.__cause__, ConnectionError | FileNotFoundError)
