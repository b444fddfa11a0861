"""An event of the supervisor in people's words."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from orchestrator.core import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


#: Event -> (what it means for people, colour); the words are about the service that it names.
_WORDS: dict[str, tuple[Callable[[Mapping[str, Any]], str], str]] = {
    "service.started": (lambda e: f"started{_pid(e)}", ""),
    "service.ready": (lambda e: f"ready{_pid(e)}{_adopted(e)}", "green"),
    "service.adopted": (lambda e: f"taken over from an earlier supervisor{_pid(e)}", ""),
    "service.differs": (lambda _: "declared otherwise since it was started: restarting", "yellow"),
    "service.unhealthy": (lambda e: f"unhealthy: {e.get('error', '')}", "red"),
    "service.ended": (lambda e: f"ended{_exit(e.get('exit'))}", ""),
    "service.restarting": (lambda e: f"restarting {_delay(e.get('delay'))}", "yellow"),
    "service.failed": (lambda e: f"failed: {_reason(e)}", "red"),
    "service.over_memory": (lambda e: f"over its memory limit: {_memory(e)}; restarting", "yellow"),
    "log.not_rotated": (lambda e: f"its log could not be rotated: {e.get('error', '')}", "red"),
    "orphan.ended": (lambda e: f"left over from an earlier run: ended{_pid(e)}", "yellow"),
    "gate.alone": (
        lambda e: (
            f"asks {e.get('site')} without the shared gate, at its part of the rate:"
            f" {e.get('reason', '')}"
        ),
        "red",
    ),
    "gate.shared": (lambda e: f"asks {e.get('site')} by the shared gate again", "green"),
    "refresh.began": (
        lambda e: f"checks {e.get('candidates')} proxies{_because(e)} (refresh {e.get('job')})",
        "",
    ),
    "refresh.ended": (
        lambda e: (
            f"refresh {e.get('job')}: {e.get('status')}, {e.get('usable')} proxies are usable"
        ),
        "",
    ),
    "site.scheduled": (lambda e: f"started by its schedule (job {e.get('job')})", ""),
    "site.skipped": (lambda e: f"not started by its schedule: {e.get('reason')}", "yellow"),
    "site.stalled": (lambda e: f"stalled: {e.get('reason')}", "red"),
    "site.recovered": (lambda _: "goes on again", "green"),
    "farewell.began": (lambda e: f"stopping {', '.join(map(str, e.get('services', ())))}", ""),
    "farewell.hook_late": (lambda _: "stopping the sites took too long; going on without", "red"),
    "farewell.hook_failed": (lambda e: f"the sites were not stopped: {e.get('error', '')}", "red"),
    "supervisor.reloads": (lambda _: "goes on with a new program and configuration", ""),
    "supervisor.lost_its_home": (lambda _: "its home is gone: stopping", "red"),
    "supervisor.state_not_written": (
        lambda e: f"cannot write its state: {e.get('error', '')}",
        "red",
    ),
}

#: What speaks of itself without being a service.
_PARTS = {"refresh": "proxies"}


def told(event: Mapping[str, Any]) -> tuple[str, str, str]:
    """Who it is about, what happened, and the colour that fits; on one line each.

    >>> told({"at": 0, "event": "service.ended", "service": "redis", "exit": -9})
    ('redis', 'ended by KILL', '')
    >>> told({"at": 0, "event": "moon.rose", "how": "slowly"})
    ('supervisor', 'moon.rose how=slowly', '')
    """
    name = str(event.get("event"))
    words, colour = _WORDS.get(name, (_as_it_is, ""))
    part = name.partition(".")[0]
    who = event.get("site") if part == "site" else event.get("service")
    return str(who or _PARTS.get(part, "supervisor")), " ".join(words(event).split()), colour


def _as_it_is(event: Mapping[str, Any]) -> str:
    fields = [
        f"{key}={value}" for key, value in event.items() if key not in {"at", "event", "service"}
    ]
    return " ".join([str(event.get("event")), *fields])


def _pid(event: Mapping[str, Any]) -> str:
    return f" (pid {event['pid']})" if event.get("pid") else ""


def _adopted(event: Mapping[str, Any]) -> str:
    if not event.get("adopted"):
        return ""
    return ", it was running" if event.get("pid") else ", somebody else's"


def _exit(code: object) -> str:
    if not isinstance(code, int):
        return ""
    if code < 0:
        names = {number.value: number.name.removeprefix("SIG") for number in signal.Signals}
        return f" by {names.get(-code, f'signal {-code}')}"
    return f" with exit code {code}"


def _delay(seconds: object) -> str:
    if not isinstance(seconds, int | float) or seconds <= 0:
        return "at once"
    return f"in {duration.show(float(seconds))}"


def _reason(event: Mapping[str, Any]) -> str:
    """The service's name stands before it already."""
    return str(event.get("reason", "")).removeprefix(f"{event.get('service')}: ")


def _because(event: Mapping[str, Any]) -> str:
    return f": {event['why']}" if event.get("why") else ""


def _memory(event: Mapping[str, Any]) -> str:
    used, limit = (float(event.get(key, 0)) / 1e6 for key in ("bytes", "limit"))
    return f"{used:.0f} of {limit:.0f} MB"
