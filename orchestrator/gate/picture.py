"""What is told of a gate, in the shape of its JSON; times in seconds."""

from __future__ import annotations

from typing import TypedDict


class RateView(TypedDict):
    """Requests a second; `now` is the one that holds. None: unknown, or none is set.

    `configured`: by the site's file; `set`: by a person, in place of it; `adaptive`: while the site is
    spared, which goes down to `lowest`. `slowed_for`: limited, ban, or slow (answers take longer).
    """

    now_per_s: float | None
    configured_per_s: float | None
    set_per_s: float | None
    adaptive_per_s: float | None
    lowest_per_s: float | None
    slowed_for: str | None
    slowed_ago_s: float | None


class BreakerView(TypedDict):
    """`rest_s` counts down while it is open, for the reason `why`; `trips` are those in a row.

    While it is closed, `failed` of `judged` requests failed within its window.
    """

    state: str
    why: str
    rest_s: float
    trips: int
    trials: int
    failed: int
    judged: int


class HolderView(TypedDict):
    """Who has a slot. `due_in_s`: until its request may be made; `trial`: it decides the breaker."""

    who: str
    host: str
    lease_left_s: float
    due_in_s: float
    trial: bool


class WaiterView(TypedDict):
    """Who stands in line for a slot."""

    who: str
    host: str
    waited_s: float


class HostView(TypedDict):
    """A host of a site whose hosts have limits of their own."""

    host: str
    next_in_s: float
    slots_held: int
    waiting: int


class GateView(TypedDict):
    """The gate of one site. `known`: somebody used it lately; else all is at rest.

    `next_in_s`: when one more request would be due, a pause included, if breaker and slots let it pass.
    Limits of 0 are none, those of None unknown; `host_*` are what each host has besides, `hosts` those
    that were asked for. So many `processes` use this gate now.
    """

    site: str
    known: bool
    rate: RateView
    next_in_s: float
    pause_s: float
    breaker: BreakerView
    slot_limit: int | None
    slots: list[HolderView]
    waiting: list[WaiterView]
    host_per_s: float | None
    host_slot_limit: int | None
    hosts: list[HostView]
    processes: int


class Glance(TypedDict):
    """The little that a row about something else says of a gate."""

    breaker: str
    retry_in_s: float
    pause_s: float
    set_per_s: float | None
