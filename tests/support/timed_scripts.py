"""The pool's scripts on a clock that a test sets, so that hours pass without waiting."""

from __future__ import annotations

import hashlib

from orchestrator.core.script import Script, load
from proxies.pool.ledger import Scripts

#: Where the time stands, in seconds.
CLOCK = "clock-of-the-test"
_NOW = f"local function now() return tonumber(redis.call('GET', '{CLOCK}')) end"


def timed(script: Script) -> Script:
    """The same script, with the time of the key CLOCK instead of the server's."""
    server_time = load("proxies", "now").text
    assert server_time in script.text
    text = script.text.replace(server_time, _NOW)
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class TimedScripts(Scripts):
    """The verbs of the ledger."""

    def take(self) -> Script:
        return timed(super().take())

    def report(self) -> Script:
        return timed(super().report())

    def look(self) -> Script:
        return timed(super().look())
