"""Where to connect to: a name is looked up in a thread of its own, since the resolver may be dead."""

from __future__ import annotations

import selectors
import signal
import socket
import threading
from typing import Any

#: A Unix socket's path, or host and port.
Address = str | tuple[str, int]
#: What a socket needs: its family, and an address in which there is no name.
Place = tuple[int, str | tuple[Any, ...]]

#: A name is not looked up more often than this, in seconds.
AGAIN_S = 1.0


class LookUp(threading.Thread):
    """Asks the resolver once; `over` becomes readable when it has answered."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(name=f"looks up {host}", daemon=True)
        self.place: Place | None = None
        self.error = ""
        self.answered = False
        self.over, self._end = socket.socketpair()
        self._host, self._port = host, port

    def run(self) -> None:
        """Ask, for as long as that takes."""
        # Else a signal could be this thread's, and be lost when the process replaces its program.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        host = (
            self._host.encode() if self._host.isascii() else self._host
        )  # IDNA is half a megabyte
        try:
            found = socket.getaddrinfo(host, self._port, type=socket.SOCK_STREAM)
            # A server that is known by a name is seldom to be reached by IPv6 only.
            best = min(found, key=lambda one: one[0] != socket.AF_INET)
            self.place = int(best[0]), best[4]
        except (OSError, UnicodeError) as error:  # UnicodeError: what can be no name at all
            self.error = f"{self._host}: {getattr(error, 'strerror', None) or error}"
        finally:
            self.answered = True
            self.close()

    def close(self) -> None:
        """Say that there will be no more of an answer."""
        self._end.close()


class Whereabouts:
    """The place of an address: known at once, or as the last look-up of its name found it."""

    def __init__(self, address: Address, selector: selectors.BaseSelector) -> None:
        self.place = _known(address)
        self.error = ""  #: why the last look-up found nothing
        self._selector = selector
        self._name = address if self.place is None and not isinstance(address, str) else None
        self._look_up: LookUp | None = None
        self._asked_at = float("-inf")
        self._watched = False

    def renew(self, now: float) -> None:
        """Have a name looked up; what was found before is good until there is an answer."""
        self.hear()
        if self._name is None or self._look_up or now - self._asked_at < AGAIN_S:
            return
        self._asked_at = now
        try:
            look_up = LookUp(*self._name)
        except OSError as error:  # too many open files
            self.error = str(error)
            return
        try:
            look_up.start()
        except RuntimeError as error:  # there may be no more threads
            self.error = str(error)
            look_up.over.close()
            look_up.close()
            return
        self._look_up = look_up

    def watch(self) -> None:
        """Have the selector wake at the answer."""
        if self._look_up and not self._watched:
            self._selector.register(self._look_up.over, selectors.EVENT_READ, None)
            self._watched = True

    def hear(self) -> bool:
        """Take the answer if it has come; return whether none is to be expected any more."""
        if self._look_up is None:
            return True
        if not self._look_up.answered:
            return False
        self.ignore()
        self.place, self.error = self._look_up.place or self.place, self._look_up.error
        self._look_up.over.close()
        self._look_up = None
        return True

    def ignore(self) -> None:
        """Nobody waits for the answer; it is taken when it is needed next."""
        if self._look_up and self._watched:
            self._selector.unregister(self._look_up.over)
        self._watched = False


def _known(address: Address) -> Place | None:
    if isinstance(address, str):
        return socket.AF_UNIX, address
    host, port = address
    if host == "localhost":
        return socket.AF_INET, ("127.0.0.1", port)
    if ":" in host:
        return socket.AF_INET6, (host, port)
    try:
        return socket.AF_INET, (socket.inet_ntoa(socket.inet_aton(host)), port)
    except OSError:
        return None
