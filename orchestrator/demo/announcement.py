"""How a process of the demo's world says where it listens: one line of JSON on stdout."""

from __future__ import annotations

import json
import sys


def announce(port: int) -> None:
    """Print `{"port": ...}`, to be read at once."""
    sys.stdout.write(json.dumps({"port": port}) + "\n")
    sys.stdout.flush()
