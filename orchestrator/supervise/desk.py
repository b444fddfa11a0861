"""Takes the requests that come over the control socket, and answers when what they ask for holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import Busy, ConfigError, OrchError, ServiceFailed
from orchestrator.supervise.comparison import differences
from orchestrator.supervise.service import ServiceSpec, ServiceState

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

    A start with `"again": true` also starts what is done; a status with `"memory": true` has it
    measured; one with `"declared": {service: [digest, fingerprint]}` also tells what `differs`. After
    `{"do": "reload", "order": …}` another program takes over.
    Answers: `{"ok": true, …status}` or `{"ok": false, "error", "hint", "exit", "log_tail"}`.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._waiters: list[Waiter] = []
        self._actions: dict[str, Callable[[Request, frozenset[str]], frozenset[str] | None]] = {
            "status": lambda *_: None,
            "reload": self._reload,
            "wait": lambda _, names: names,
            "start": lambda what, names: supervisor.want(names, again=bool(what.get("again"))),
            "restart": lambda _, names: supervisor.restart(names),
            "stop": self._stop,
        }

    def take(self, request: Request, reply: Reply) -> None:
        """Take one request; the answer may come later, by `answer`."""
        known = self._supervisor.keepers
        what = str(request.get("do"))
        names = frozenset(request.get("services") or self._supervisor.meant(what))
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
            status = self._supervisor.status(measured=bool(request.get("memory")))
            reply({"ok": True, **status, **self._differs(request)})
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

    def _differs(self, request: Request) -> dict[str, Any]:
        if "declared" not in request:
            return {}
        known = self._supervisor.keepers.items()
        there = {name: (keeper.spec, keeper.process is not None) for name, keeper in known}
        return {"differs": differences(there, request["declared"])}

    def _reload(self, request: Request, _: frozenset[str]) -> None:
        """The order is read here already: who takes over must not fail over it."""
        order = request.get("order")
        try:
            assert isinstance(order, dict)  # noqa: S101  (said below, with all else that is wrong)
            specs = [ServiceSpec.from_json(raw) for raw in order["specs"]]
            order = {**order, "specs": [spec.to_json() for spec in specs]}
        except (AssertionError, KeyError, TypeError, ValueError) as error:
            raise ConfigError((f"reload: this is no order: {error!r}",)) from error
        self._supervisor.request_reload({**order, "home": self._supervisor.home})

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
