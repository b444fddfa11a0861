"""A bad proxy: it takes every connection and never says a word.

`python -m orchestrator.demo.silent` prints `{"port": ...}` and listens without ever accepting: the
kernel completes the connections, and nobody reads from them.
"""

from __future__ import annotations

import signal
import socket

from orchestrator.demo.announcement import announce


def main() -> None:
    """Listen until the process is ended."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        announce(listener.getsockname()[1])
        signal.pause()


if __name__ == "__main__":
    main()
