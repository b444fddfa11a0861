"""Somebody may be there already: use a healthy one, refuse a stranger, else start ours."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from orchestrator.core.errors import PortTaken
from orchestrator.supervise.ownership import environment, identify, listener, peer
from orchestrator.supervise.process import Process

if TYPE_CHECKING:
    from orchestrator.supervise.probes.result import ProbeResult
    from orchestrator.supervise.service import ServiceSpec


class Arrival(Enum):
    """What to do about who answers, or does not."""

    USE = "use"
    START = "start"
    REFUSE = "refuse"
    ASK_AGAIN = "ask again"


def decide(result: ProbeResult, *, managed: bool, patient: bool) -> Arrival:
    """Decide on what a probe found before anything was started.

    `managed`: we could start one here. `patient`: there is time left to ask a silent one again.
    """
    if result.ok:
        return Arrival.USE
    if result.absent and managed:
        return Arrival.START
    if result.stranger or (result.alive and "loading" not in result.error) or not patient:
        return Arrival.REFUSE
    return Arrival.ASK_AGAIN


def refusal(spec: ServiceSpec, result: ProbeResult) -> PortTaken:
    """The error that names who holds the address, as far as one may see it."""
    parts = urlsplit(spec.probe.target)
    holder = listener(parts.port or 0) if parts.scheme != "unix" else None
    who = f" (held by {holder[1]}, pid {holder[0]})" if holder else ""
    hint = "" if result.absent else "; end it, or choose another address"
    return PortTaken(
        f"{spec.name}: {spec.probe.shown}{who}: {result.error}",
        hint=f"redis.url in orch.toml says where Redis is{hint}",
    )


def own_listener(spec: ServiceSpec) -> Process | None:
    """Who listens on our Unix socket, if an earlier supervisor of this home launched it."""
    parts = urlsplit(spec.probe.target)
    pid = peer(parts.path) if parts.scheme == "unix" else None
    words = environment(pid) if pid else frozenset()
    launches = [word for word in words if word.startswith(b"ORCH_LAUNCH=")]
    home = spec.env.get("ORCH_HOME", "")
    if not pid or not launches or f"ORCH_HOME={home}".encode() not in words:
        return None
    return Process.adopt(identify(pid), launches[0].partition(b"=")[2].decode())
