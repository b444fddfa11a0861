"""What may go wrong with one upstream, and whose fault that is."""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """How a try failed; the word is for people."""

    REFUSED = "cannot be reached"
    SILENT = "did not answer in time"
    CLOSED = "closed the connection"
    GARBAGE = "sent no HTTP"
    CREDENTIALS = "wants other credentials"
    CUT = "cut the answer off"
    #: It says that it cannot do it: perhaps nobody could.
    UNABLE = "cannot reach the target"


class Fault(Exception):
    """One try came to nothing."""

    def __init__(
        self, kind: Kind, text: str = "", *, sent: bool = False, its_own: bool = False
    ) -> None:
        super().__init__(text or kind.value)
        self.kind = kind
        #: Whether the target may have acted on it.
        self.sent = sent
        #: Whether it is the upstream's, whatever becomes of the other tries: the target had no part in it.
        self.its_own = its_own
