"""What a caller gives to `WorkQueue`, checked: what is wrong is told by a ValueError that names it."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.queue.model import ENDED, LONGEST_DELAY_S, QueueState
from orchestrator.queue.texts import json_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_Word = TypeVar("_Word", bound=StrEnum)

_ENDS = [state for state in QueueState if state in ENDED]


def result_text(value: Any) -> str | None:
    """A result as JSON; None: there is none."""
    return None if value is None else json_text("result", value)


def any_state(state: QueueState | str | None) -> QueueState | None:
    """One of the states; None: any."""
    return None if state is None else one_of(QueueState, state, list(QueueState))


def end_state(state: QueueState | str) -> QueueState:
    """One of the states in which a job has ended."""
    return one_of(QueueState, state, _ENDS)


def several(names: Iterable[str]) -> Iterable[str]:
    """One is meant as one, and not as its letters."""
    return [names] if isinstance(names, str) else names


def one_of(kind: type[_Word], value: _Word | str, allowed: Sequence[_Word]) -> _Word:
    """A word that is allowed."""
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {', '.join(allowed)}")
    return kind(value)


def whole(what: str, number: int) -> int:
    """A whole number, not below 0."""
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ValueError(f"{what} must be a whole number from 0, not {number!r}")
    return number


def finite(what: str, number: float) -> float:
    """A number of seconds."""
    fine = isinstance(number, int | float) and not isinstance(number, bool)
    if not fine or not math.isfinite(number):
        raise ValueError(f"{what} must be a number of seconds, not {number!r}")
    return float(number)


def length(what: str, number: float) -> float:
    """A length of time: one that is over is none, and ten years are for ever."""
    return min(max(0.0, finite(what, number)), LONGEST_DELAY_S)
