"""A proxy that says so: the package proxy.py adds a `Via` header to what it forwards.

`python -m orchestrator.demo.announcing [--leave-from 127.0.0.21]` prints `{"port": ...}` and
forwards. It does not tell who asked, so a judge calls it anonymous, not elite. It keeps files below
`$HOME`.
"""

from __future__ import annotations

import argparse
import signal
from typing import TYPE_CHECKING

from proxy.common.flag import flags
from proxy.http.proxy import HttpProxyBasePlugin
from proxy.proxy import Proxy

from orchestrator.demo.announcement import announce

if TYPE_CHECKING:
    from proxy.common.types import HostPort

flags.add_argument("--leave-from", default="", help="The address that requests leave from.")


#: proxy.py ignores where to connect from if the destination is an IP address in its usual spelling
#: (`new_socket_connection` in 2.4.10). With this spelling of the same address it does not.
_LOOPBACK = {"127.0.0.1": "127.1"}


class LeaveFrom(HttpProxyBasePlugin):  # type: ignore[misc]  # its types are not looked at
    """Gives upstream connections an address of their own."""

    def resolve_dns(self, host: str, port: int) -> tuple[str | None, HostPort | None]:
        """Return where to connect to and where from; None for the usual way."""
        del port
        if not self.flags.leave_from:
            return None, None
        return _LOOPBACK.get(host), (self.flags.leave_from, 0)


def main() -> None:
    """Forward until the process is ended; proxy.py ends its own children on TERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leave-from", default="")
    options = parser.parse_args()
    arguments = [
        *("--hostname", "127.0.0.1", "--port", "0"),
        *("--num-acceptors", "1", "--num-workers", "1", "--log-level", "WARNING"),
        *("--leave-from", options.leave_from),
    ]
    with Proxy(arguments, plugins=[LeaveFrom]) as proxy:
        announce(proxy.flags.port)
        signal.pause()


if __name__ == "__main__":
    main()
