"""What is typed behind `orch queue …`, checked: all problems are told at once."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.cli.queue_options import shared
from orchestrator.cli.queue_place import Place
from orchestrator.core import duration
from orchestrator.core.errors import ConfigError
from orchestrator.queue.given import BadJob, name
from orchestrator.queue.model import ENDED, LONGEST_DELAY_S, OnConflict, QueueState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Nobody means a higher limit.
MOST = 10_000


@dataclass(slots=True)
class Given:
    """Checks what was typed; `place` and `done` come last, and tell of all that was wrong."""

    problems: list[str] = field(default_factory=list)

    def of(
        self, option: str, value: Any, checked: Callable[[Any], Any], default: Any = None
    ) -> Any:
        """What `checked` makes of `value`; `default` when nothing was typed, or it is wrong."""
        if value is None:
            return default
        try:
            return checked(value)
        except (BadJob, ConfigError) as error:
            self.problems += [f"{option} {problem}".lstrip() for problem in error.problems]
        except ValueError as error:
            self.problems.append(f"{option} {error}".lstrip())
        return default

    def ids(self, typed: list[str] | None, **others: object) -> list[str]:
        """The ids that were typed, each once; with ids none of the other options may be."""
        for job_id in typed or ():
            self.of("", job_id, name)
        more = [f"--{option.replace('_', '-')}" for option in others if others[option] is not None]
        if typed and more:
            self.problems.append(f"name ID…, or use {', '.join(more)}: not both")
        return list(dict.fromkeys(typed or ()))

    def place(self) -> Place:
        """The queue that is meant.

        Raises:
            ConfigError: listing all that was wrong so far, and here.
        """
        place: Place | None = None
        try:
            place = Place.of(shared("queue"))
        except ValueError as error:
            self.problems.append(f"--queue {error}")
        if self.problems or place is None:
            raise ConfigError(tuple(self.problems))
        return place


def state(text: str) -> QueueState:
    """One of the states."""
    return QueueState(_one_of(text, QueueState))


def ended_state(text: str) -> QueueState:
    """One of the states in which a job has ended."""
    return QueueState(_one_of(text, [each for each in QueueState if each in ENDED]))


def on_conflict(text: str) -> OnConflict:
    """What becomes of a job whose id is known."""
    return OnConflict(_one_of(text, OnConflict))


def length(text: str) -> float:
    """A length of time, in seconds."""
    return duration.parse(text)


def age(text: str) -> float:
    """How long ago, in seconds."""
    seconds = duration.parse(text)
    if seconds > LONGEST_DELAY_S:
        raise ValueError(f"must be at most {duration.show(LONGEST_DELAY_S)}, not {text!r}")
    return seconds


def caps(text: str) -> dict[str, int | None]:
    """Limits by key, written `a:2,b:3`; `none` is no limit.

    >>> caps("a:2,urn:b:none")
    {'a': 2, 'urn:b': None}

    Raises:
        ValueError: listing every part that is wrong.
    """
    found: dict[str, int | None] = {}
    wrong = []
    for part in text.split(","):
        key, _, number = part.strip().rpartition(":")
        try:
            found[key] = cap(number)
        except ValueError:
            key = ""
        if not key:
            wrong.append(part)
    if wrong:
        told = ", ".join(map(repr, wrong))
        raise ValueError(f"{told}: write KEY:NUMBER, like a:2,b:3, from 0 to {MOST}, or none")
    return found


def cap(text: str) -> int | None:
    """How many at once; None: any number."""
    word = text.strip().lower()
    if word == "none":
        return None
    if not word.isdecimal() or int(word[:9]) > MOST:
        raise ValueError(f"{text!r}: must be a whole number from 0 to {MOST}, or none")
    return int(word)


def cap_of_host(text: str) -> int:
    """How many at once of each host; 0: any number."""
    return cap(text) or 0


def _one_of(text: str, allowed: Iterable[str]) -> str:
    words = [str(word) for word in allowed]
    wanted = text.strip().lower().replace("-", "_")
    if wanted in words:
        return wanted
    close = difflib.get_close_matches(wanted, words, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise ValueError(f"{text!r}: must be one of {', '.join(words)}{hint}")
