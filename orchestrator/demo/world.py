"""What `orch demo` runs against, on loopback: a web site, a judge and a dozen forward proxies."""

from __future__ import annotations

import contextlib
import os
import socket
from importlib.util import find_spec
from typing import TYPE_CHECKING, Self

from orchestrator.core.clock import Deadline
from orchestrator.core.errors import Unavailable
from orchestrator.demo.child import Child
from orchestrator.demo.upstream import PLANS, Kind, Plan, Upstream, require_addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

#: How long the processes of the world may take until all of them listen; here it is a second.
START_TIMEOUT_S = 20.0

#: The packages of the extra `orch[demo]`, by the modules they bring.
PACKAGES = {"pproxy": "pproxy", "proxy": "proxy.py"}

#: What runs as the proxy of each kind; a closed port needs nothing that runs.
PROGRAMS = {
    Kind.HONEST: "orchestrator.demo.forward",
    Kind.OWN_ADDRESS: "orchestrator.demo.forward",
    Kind.ANNOUNCING: "orchestrator.demo.announcing",
    Kind.SILENT: "orchestrator.demo.silent",
    Kind.ALTERING: "orchestrator.demo.altering",
}


def require_packages() -> None:
    """Make sure that the extra `orch[demo]` is installed.

    Raises:
        Unavailable: it is not; the hint says how to install it.
    """
    missing = [package for module, package in PACKAGES.items() if find_spec(module) is None]
    if missing:
        raise Unavailable(
            f"the demo needs {' and '.join(missing)}, which orch alone does not bring",
            hint="pip install 'orch[demo]'",
        )


def nothing() -> None:
    """Do not break off."""


class World:
    """Started on entering, all of it gone on leaving, however that comes about.

    Every process leads its own group, is ended by its pid, and ends by itself when we are gone.

    Args:
        folder: where the processes write their output; it becomes their `$HOME`.
        pages: the folder that the web site serves.
        check: called while we wait; raises to break off.
        mark: variables for the environment of every process, by which it can be known.
    """

    def __init__(
        self,
        folder: Path,
        pages: Path,
        check: Callable[[], None] = nothing,
        mark: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.access_log = folder / "access.log"
        self.site_port = 0
        self.judge_port = 0
        self.upstreams: tuple[Upstream, ...] = ()
        self._pages = pages
        self._check = check
        self._mark = dict(mark or {})
        self._children: list[Child] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Start everything at once, then wait until all of it listens.

        Raises:
            Unavailable: a package or an address is missing.
            ServiceFailed: a process ended before it listened.
            DeadlinePassed: one did not listen in time.
        """
        require_packages()
        require_addresses()
        with contextlib.ExitStack() as stack:
            self._stack = stack
            self._start()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def site_url(self) -> str:
        """The first page of the site."""
        return f"http://127.0.0.1:{self.site_port}/"

    @property
    def judge_url(self) -> str:
        """Where proxies are judged."""
        return f"http://127.0.0.1:{self.judge_port}/"

    @property
    def pids(self) -> dict[str, int]:
        """The process behind each label."""
        return {child.label: child.pid for child in self._children}

    @property
    def ports(self) -> dict[str, int]:
        """Every port of the world, by label; on the one called closed nobody listens."""
        servers = {"site": self.site_port, "judge": self.judge_port}
        return servers | {upstream.label: upstream.port for upstream in self.upstreams}

    def clients(self) -> dict[str, int]:
        """How many requests came to the site from each address."""
        counts: dict[str, int] = {}
        for line in self.access_log.read_text("utf-8").splitlines():
            address, _, rest = line.partition(" ")
            if '"' in rest:
                counts[address] = counts.get(address, 0) + 1
        return counts

    def _start(self) -> None:
        site = self._child(
            "site", "orchestrator.demo.site", str(self._pages), "--log", str(self.access_log)
        )
        judge = self._child("judge", "proxies.check.judge", "--port", "0")
        proxies = [(plan, self._proxy(plan)) for plan in PLANS]
        deadline = Deadline.after(START_TIMEOUT_S)
        self.site_port = self._port(site, deadline)
        self.judge_port = self._port(judge, deadline)
        self.upstreams = tuple(
            Upstream(plan, self._port(child, deadline) if child else self._closed_port())
            for plan, child in proxies
        )

    def _proxy(self, plan: Plan) -> Child | None:
        if plan.kind is Kind.CLOSED:
            return None
        where = ("--leave-from", plan.leave_from) if plan.leave_from else ()
        return self._child(plan.label, PROGRAMS[plan.kind], *where)

    def _child(self, label: str, module: str, *arguments: str) -> Child:
        child = Child(label, module, *arguments, folder=self.folder)
        self._stack.callback(child.stop)
        self._children.append(child.start(self._environment()))
        return child

    def _port(self, child: Child, deadline: Deadline) -> int:
        return int(child.announcement(deadline, self._check)["port"])

    def _closed_port(self) -> int:
        """Return a port that refuses connections while the world lasts: bound, not listening."""
        holder = self._stack.enter_context(socket.socket())
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        return {"HOME": str(self.folder), "LC_ALL": "C.UTF-8", **kept, **self._mark}
