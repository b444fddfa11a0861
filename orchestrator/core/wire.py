"""One question and one answer over a Unix socket: a line of JSON each."""

from __future__ import annotations

import json
import socket

from orchestrator.core.errors import DeadlinePassed, NotRunning

# Typing itself is not imported: this is on the way of `orch status --json`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NOT_RUNNING_HINT = "`orch up -d` starts the services"


def ask(path: str, request: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Send `request` to whoever listens at `path` and return the answer.

    Raises:
        NotRunning: nobody is there, or it ended before it answered.
        DeadlinePassed: no answer within `timeout` seconds.
    """
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(max(timeout, 0.001))
        try:
            client.connect(path)
            client.sendall(json.dumps(request).encode() + b"\n")
            with client.makefile("rb") as file:
                line = file.readline()
        except TimeoutError as error:
            raise DeadlinePassed("the supervisor did not answer in time") from error
        except OSError as error:
            raise NotRunning("nothing is running here", hint=NOT_RUNNING_HINT) from error
    if not line.endswith(b"\n"):
        raise NotRunning("the supervisor has ended", hint=NOT_RUNNING_HINT)
    answer: dict[str, Any] = json.loads(line)
    return answer
