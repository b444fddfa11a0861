"""Who works on a shard, said so exactly that another process can prove its end."""

from __future__ import annotations

import os
from dataclasses import dataclass

#: A lease is named by the ticket, the node, the launch and the pid.
_WORDS = 4


@dataclass(frozen=True, slots=True)
class Holder:
    """A process of one start (`launch`) of the worker `node`, sent there by the message `ticket`.

    >>> str(Holder("reserved:07", "n", "a", 5))
    '07/n/a/5'
    """

    ticket: str
    node: str
    launch: str
    pid: int

    @classmethod
    def of_this_process(cls, reservation: str, node: str) -> Holder:
        """Whoever took the message with `reservation` here and now."""
        return cls(reservation, node, os.environ.get("ORCH_LAUNCH", ""), os.getpid())

    def __str__(self) -> str:
        """The name that the lease goes by."""
        return f"{self._ticket}/{self.node}/{self.launch}/{self.pid}"

    def follows(self, lease: str) -> bool:
        """Whether `lease` is of this very message, and whoever held it has certainly ended.

        A worker is only started again when nothing of its earlier start is left; in the same start a
        process that is gone is gone.
        """
        words = lease.split("/")
        if not self.launch or len(words) != _WORDS or words[:2] != [self._ticket, self.node]:
            return False
        launch, pid = words[2:]
        return launch != self.launch or (pid.isdecimal() and _gone(int(pid)))

    @staticmethod
    def pid_of(lease: str) -> str:
        """The process that a lease is of."""
        return lease.rpartition("/")[2]

    @property
    def _ticket(self) -> str:
        return self.ticket.removeprefix("reserved:")


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # somebody else's by now; that it was ours cannot be told any more
    return False
