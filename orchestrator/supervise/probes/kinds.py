"""From a declaration to its probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.supervise.probes.alive import AliveProbe
from orchestrator.supervise.probes.command import CommandProbe
from orchestrator.supervise.probes.end import EndProbe
from orchestrator.supervise.probes.file import FileProbe
from orchestrator.supervise.probes.http import HttpProbe
from orchestrator.supervise.probes.mark import MarkProbe
from orchestrator.supervise.probes.redis import RedisProbe
from orchestrator.supervise.probes.tcp import TcpProbe

if TYPE_CHECKING:
    import selectors
    from collections.abc import Callable

    from orchestrator.supervise.probes.result import Probe
    from orchestrator.supervise.service import ProbeSpec, ServiceSpec


def make_probe(probe: ProbeSpec, service: ServiceSpec, selector: selectors.BaseSelector) -> Probe:
    """Return the probe that `probe` declares for `service`."""
    kinds: dict[str, Callable[[], Probe]] = {
        "redis": lambda: RedisProbe(probe, selector),
        "mark": lambda: MarkProbe(probe),
        "tcp": lambda: TcpProbe(probe, selector),
        "http": lambda: HttpProbe(probe, selector),
        "exec": lambda: CommandProbe(probe, selector, service.env, service.cwd),
        "file": lambda: FileProbe(probe),
        "alive": lambda: AliveProbe(probe),
        "end": EndProbe,
    }
    return kinds[probe.kind]()
