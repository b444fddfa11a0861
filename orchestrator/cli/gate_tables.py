"""What people see of gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli.queue_tables import number, printable
from orchestrator.core import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.gate.picture import (
        BreakerView,
        GateView,
        HolderView,
        HostView,
        RateView,
        WaiterView,
    )

HEADING = ["site", "breaker", "rate", "of", "next", "slots", "waiting", "used by", "note"]
#: So many holders of slots, waiters and hosts are shown; `--json` has all.
SHOWN = 20
#: What is sooner is now, in seconds.
SOON_S = 0.05
#: From so many a second on, a rate is written as so many times that in this unit.
_UNITS = ((0.1, 1, "s"), (1 / 61, 60, "m"), (0.0, 3600, "h"))
_FOR = {
    "limited": "it said that it is too much",
    "ban": "it refused us",
    "slow": "its answers take longer",
}


def rows(views: Sequence[GateView]) -> list[list[str]]:
    """A heading, and a row for each gate."""
    return [HEADING, *(_row(view) for view in views)]


def line(view: GateView) -> str:
    """One gate as one line of plain text."""
    slots = f"{_slots(view)} slots" if view["slot_limit"] else number(len(view["slots"]), "slot")
    parts = [_breaker(view), _rate(view["rate"]), slots]
    if view["waiting"]:
        parts.append(f"{len(view['waiting'])} waiting")
    if view["pause_s"]:
        parts.append(f"paused for {duration.show(view['pause_s'])}")
    note = _note(view)
    return f"{view['site']}: {', '.join(parts)}" + (f": {note}" if note else "")


def changes(view: GateView) -> list[object]:
    """What must change to be worth a line: no countdown does."""
    breaker, rate = view["breaker"], view["rate"]
    facts = [view["site"], breaker["state"], breaker["why"], rate["now_per_s"], rate["set_per_s"]]
    counts = [len(view["slots"]), len(view["waiting"]), view["processes"], view["slot_limit"]]
    return [*facts, *counts, view["pause_s"] > 0]


def facts(view: GateView) -> str:
    """All about one gate, line by line."""
    return "\n".join(_facts(view))


def per_second(rate: float | None) -> str:
    """A rate as people write it.

    >>> per_second(5.0), per_second(2.5), per_second(1 / 60), per_second(1 / 7200), per_second(None)
    ('5/s', '2.5/s', '1/m', '0.5/h', '')
    """
    if rate is None:
        return ""
    times, unit = next((times, unit) for least, times, unit in _UNITS if rate >= least)
    return f"{rate * times:.4g}/{unit}"


def _row(view: GateView) -> list[str]:
    rate = view["rate"]
    now, usual = per_second(rate["now_per_s"]), per_second(rate["configured_per_s"])
    return [
        *(printable(view["site"]), _breaker(view), now or "?", usual if usual != now else ""),
        _next(view),
        *(_slots(view), str(len(view["waiting"]) or ""), str(view["processes"] or "")),
        _note(view),
    ]


def _breaker(view: GateView) -> str:
    breaker = view["breaker"]
    rest = f" {duration.show(breaker['rest_s'])}" if breaker["rest_s"] else ""
    return breaker["state"] + rest


def _slots(view: GateView) -> str:
    limit = view["slot_limit"]
    return f"{len(view['slots'])}/{limit}" if limit else str(len(view["slots"]))


def _rate(rate: RateView) -> str:
    now, usual = per_second(rate["now_per_s"]), per_second(rate["configured_per_s"])
    return f"{now} of {usual}" if usual not in ("", now) else now or "rate unknown"


def _note(view: GateView) -> str:
    parts = []
    if view["breaker"]["state"] != "closed":
        parts.append(printable(view["breaker"]["why"]))
    if view["pause_s"]:
        parts.append(f"paused for {duration.show(view['pause_s'])}")
    parts += _why(view["rate"])
    return ", ".join(part for part in parts if part)


def _why(rate: RateView) -> list[str]:
    """Why the rate is not the configured one."""
    told = []
    if rate["set_per_s"] is not None:
        told.append(f"rate set to {per_second(rate['set_per_s'])} by hand")
    if rate["adaptive_per_s"] is not None:
        reason = _FOR.get(rate["slowed_for"] or "", "")
        ago = f" {duration.show(rate['slowed_ago_s'] or 0.0)} ago" if reason else ""
        told.append(f"slowed down: {reason}{ago}" if reason else "slowed down")
    return told


def _facts(view: GateView) -> Iterator[str]:
    yield f"site: {printable(view['site'])}"
    yield f"breaker: {_breaker_whole(view['breaker'])}"
    yield f"rate: {_rate_whole(view['rate'])}"
    if view["pause_s"]:
        yield f"pause: {duration.show(view['pause_s'])} left"
    yield f"next turn: {_next(view)}"
    limit = view["slot_limit"]
    yield f"slots: {len(view['slots'])} held{f' of {limit}' if limit else ''}"
    yield from _some([_holder(one) for one in view["slots"]])
    waiting = [f"{_who(one)}  for {duration.show(one['waited_s'])}" for one in view["waiting"]]
    yield f"waiting: {len(waiting)}"
    yield from _some(waiting)
    own = _of_each_host(view)
    if own:
        yield f"each host: {own}"
        yield from _some([_host(one) for one in view["hosts"]])
    yield f"used by: {view['processes']} process{'' if view['processes'] == 1 else 'es'}"


def _breaker_whole(breaker: BreakerView) -> str:
    if breaker["state"] == "closed":
        judged = number(breaker["judged"], "request")
        return (
            f"closed, {breaker['failed']} of {judged} failed lately"
            if breaker["judged"]
            else "closed"
        )
    why = printable(breaker["why"])
    row = f" ({breaker['trips']} times in a row)" if breaker["trips"] > 1 else ""
    if breaker["state"] == "open":
        return f"open for {duration.show(breaker['rest_s'])}: {why}{row}"
    trials = number(breaker["trials"], "trial") if breaker["trials"] else "no trial yet"
    return f"half-open, {trials}: {why}{row}"


def _rate_whole(rate: RateView) -> str:
    parts = [_rate(rate), *_why(rate)]
    if rate["adaptive_per_s"] is not None and rate["lowest_per_s"] is not None:
        parts.append(f"down to {per_second(rate['lowest_per_s'])} at most")
    return "; ".join(parts)


def _next(view: GateView) -> str:
    return _soon(max(view["next_in_s"], view["breaker"]["rest_s"]))


def _soon(seconds: float) -> str:
    return f"in {duration.show(seconds)}" if seconds >= SOON_S else "now"


def _who(one: HolderView | WaiterView) -> str:
    return f"{printable(one['who'])}  {printable(one['host'])}"


def _holder(one: HolderView) -> str:
    doing = f"its turn is {_soon(one['due_in_s'])}" if one["due_in_s"] >= SOON_S else "at work"
    trial = ", a trial" if one["trial"] else ""
    return f"{_who(one)}  {doing}{trial}, lease for {duration.show(one['lease_left_s'])}"


def _of_each_host(view: GateView) -> str:
    rate, slots = view["host_per_s"], view["host_slot_limit"]
    parts = [per_second(rate) if rate else "", f"{slots} at once" if slots else ""]
    return ", ".join(part for part in parts if part)


def _host(one: HostView) -> str:
    counts = f"{number(one['slots_held'], 'slot')} held, {one['waiting']} waiting"
    return f"{printable(one['host'])}  next turn {_soon(one['next_in_s'])}, {counts}"


def _some(lines: Sequence[str]) -> Iterator[str]:
    yield from (f"  {line}" for line in lines[:SHOWN])
    if len(lines) > SHOWN:
        yield f"  and {len(lines) - SHOWN} more (--json has all)"
