"""What proves a lease: `ATTEMPT.FENCE.JOB`, opaque to everybody but the stores and the retry policy."""

from __future__ import annotations

from typing import NamedTuple

from orchestrator.core.errors import LeaseLost

#: Digits of a number that every store can hold.
_DIGITS = 18


class Token(NamedTuple):
    """`fence` is a number that no other lease of the queue ever has; `job` finds the job in its store."""

    attempt: int
    fence: int
    job: str

    def __str__(self) -> str:
        return f"{self.attempt}.{self.fence}.{self.job}"


def parse(text: str) -> Token:
    """Return the parts of a token.

    Raises:
        LeaseLost: nothing that a store ever gave out.
    """
    words = text.split(".", 2)
    if len(words) != 3 or not (_is_number(words[0]) and _is_number(words[1])):  # noqa: PLR2004
        raise LeaseLost(f"{text!r} is no token of a lease")
    return Token(int(words[0]), int(words[1]), words[2])


def attempt_of(text: str) -> int:
    """Which attempt the lease stands for, from 1.

    >>> attempt_of("2.17.report-7")
    2
    """
    return parse(text).attempt


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) <= _DIGITS
