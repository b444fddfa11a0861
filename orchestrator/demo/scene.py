"""What the demo has to tell, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """The next thing begins; with `command`, it is what a user would type."""

    number: int
    title: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """It ended well, after so many seconds."""

    text: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text."""

    text: str


@dataclass(frozen=True, slots=True)
class Rows:
    """A short table."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Scene = Step | Done | Line | Rows
