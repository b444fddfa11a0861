"""The demo's web site: a threaded server of static files that answers 404 for what is not there.

`python -m orchestrator.demo.site FOLDER --log FILE [--port 0]` prints `{"port": ...}` and serves.
Each request is one line of the log, with the address it came from: so one sees that pages came
through the proxies.
"""

from __future__ import annotations

import argparse
import functools
import threading
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from orchestrator.demo.announcement import announce

if TYPE_CHECKING:
    import os


class Server(ThreadingHTTPServer):
    """Many connections at once."""

    daemon_threads = True
    request_queue_size = 128


class Handler(SimpleHTTPRequestHandler):
    """Files of one folder, no listings of folders, and every request in the log."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    #: A connection that is silent for so many seconds is closed.
    timeout = 30

    def __init__(self, *arguments: Any, log: Log, **named: Any) -> None:
        self.log = log
        super().__init__(*arguments, **named)

    def list_directory(self, path: str | os.PathLike[str]) -> None:
        """Folders have no page of their own."""
        del path
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 (the name of the base class)
        """Write one line: address, time, request, status."""
        self.log.write(
            f"{self.client_address[0]} [{self.log_date_time_string()}] {format % arguments}\n"
        )


class Log:
    """A file that many threads append whole lines to."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        """Append `line` and make it readable at once."""
        with self._lock:
            self._file.write(line)
            self._file.flush()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    with options.log.open("a", encoding="utf-8") as file:
        handler = functools.partial(Handler, directory=str(options.folder), log=Log(file))
        with Server(("127.0.0.1", options.port), handler) as server:
            announce(server.server_port)
            server.serve_forever()


if __name__ == "__main__":
    main()
