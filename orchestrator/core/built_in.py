"""The names of orch's own services, for whoever must not import how they are declared."""

from __future__ import annotations

#: The service of `[worker]`; that of `[worker.NAME]` has the name behind it and a hyphen.
WORKER = "worker"

#: The service of `[gateway]`, there when that says where it listens.
GATEWAY = "gateway"

#: The services that are always there, each after what it needs.
BUILT_IN = ("redis", "results", WORKER, "beat")


def kind(name: str) -> str:
    """What a service is: `worker-NAME` is another worker, everything else is itself."""
    return WORKER if name.startswith(f"{WORKER}-") else name
