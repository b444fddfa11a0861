"""Takes the requests that come over the control socket, and answers when what they ask for holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import Busy, ConfigError, OrchError, ServiceFailed
from orchestrator.supervise.service import ServiceState

if TYPE_CHECKING:
    from orchestrator.supervise.supervisor import Supervisor

Reply = Callable[[dict[str, Any]], None]
Request = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Waiter:
    """Somebody who wants to hear when `names` are where they shall be."""

    names: frozenset[str]
    reply: Reply
    for_stop: bool


class Desk:
    """Requests: `{"do": "status|wait|start|restart|stop", "services": [names, all by default]}`.

    Also `{"do": "compare", "digests": {service: digest}}`, answered with `differs`, and `{"do": "reload",
    "order": …}`, after which another program takes over.
    Answers: `{"ok": true, …status}` or `{"ok": false, "error", "hint", "exit", "log_tail"}`.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._waiters: list[Waiter] = []
        self._actions: dict[str, Callable[[Request, frozenset[str]], frozenset[str] | None]] = {
            "status": lambda *_: None,
            "reload": self._reload,
            "wait": lambda _, names: names,
            "start": lambda _, names: supervisor.want(names),
            "restart": lambda _, names: supervisor.restart(names),
            "stop": self._stop,
        }

    def take(self, request: Request, reply: Reply) -> None:
        """Take one request; the answer may come later, by `answer`."""
        known = self._supervisor.keepers
        what = str(request.get("do"))
        names = frozenset(request.get("services") or self._supervisor.meant(what))
        if what == "compare":
            reply({"ok": True, "differs": self._differences(request)})
            return
        action = self._actions.get(what)
        unknown = sorted(names - set(known))
        if action is None or unknown:
            wrong = f"no such service: {', '.join(unknown)}" if unknown else "no such request"
            reply(told(ConfigError((f"{wrong}; there are: {', '.join(known)}",))))
            return
        if self._supervisor.stopping and what not in ("status", "stop"):
            reply(told(Busy("the services are being stopped")))
            return
        try:
            awaited = action(request, names)
        except OrchError as error:
            reply(told(error))
            return
        if awaited is None:
            reply({"ok": True, **self._supervisor.status()})
        else:
            self._waiters.append(Waiter(awaited, reply, for_stop=what == "stop"))

    def dismiss(self) -> None:
        """All is being stopped: whoever waits for a start hears so."""
        for waiter in self._waiters:
            if not waiter.for_stop:
                waiter.reply(told(Busy("the services were stopped before they were ready")))
        self._waiters = [waiter for waiter in self._waiters if waiter.for_stop]

    def answer(self) -> None:
        """Answer everybody whose services are where they shall be, or have failed."""
        self._waiters = [waiter for waiter in self._waiters if not self._answered(waiter)]

    def _answered(self, waiter: Waiter) -> bool:
        keepers = [self._supervisor.keepers[name] for name in waiter.names]
        failed = [k.failure for k in keepers if k.state is ServiceState.FAILED and k.failure]
        if failed and not waiter.for_stop:
            waiter.reply(told(failed[0]))
        elif all(keeper.settled for keeper in keepers):
            waiter.reply({"ok": True, **self._supervisor.status()})
        else:
            return False
        return True

    def _differences(self, request: Request) -> dict[str, str]:
        """How the services that run differ from those that the digests in `request` are of."""
        digests = request.get("digests")
        declared = digests if isinstance(digests, dict) else {}
        known = self._supervisor.keepers
        changed = {
            name: "changed"
            for name, digest in declared.items()
            if name in known and known[name].process and known[name].spec.digest != digest
        }
        new = {name: "new" for name in declared if name not in known}
        gone = {name: "gone" for name, k in known.items() if name not in declared and k.process}
        return {**changed, **new, **gone}

    def _reload(self, request: Request, _: frozenset[str]) -> None:
        order = request.get("order")
        if not isinstance(order, dict):
            raise ConfigError(("reload: an order is missing",))
        self._supervisor.request_reload(order)

    def _stop(self, request: Request, names: frozenset[str]) -> frozenset[str]:
        if request.get("services"):
            return self._supervisor.stop_some(names)
        self._supervisor.request_stop()
        for name in names:
            self._supervisor.keepers[name].wanted = False
        return names


def told(error: OrchError) -> dict[str, Any]:
    """The error as an answer."""
    tail = list(error.log_tail) if isinstance(error, ServiceFailed) else []
    facts = {"error": str(error), "hint": error.hint, "exit": error.exit_code, "log_tail": tail}
    return {"ok": False, **facts}
