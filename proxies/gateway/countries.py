"""Which country an address is in, by a table that the user has.

No such table comes with orch: they age within months, and their licences differ. The usual free ones are
CSV files whose lines begin with the first and the last address of a range and the country's two letters.
"""

from __future__ import annotations

import csv
import ipaddress
import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_COUNTRY = re.compile(r"[A-Za-z]{2}")
_LEAST = 3
#: So many lines that are none are told, and then no more of them.
_TOLD = 5


@dataclass(frozen=True, slots=True)
class Countries:
    """Ranges that do not overlap, in their order."""

    first: list[tuple[int, int]]
    last: list[tuple[int, int]]
    names: list[str]

    @classmethod
    def read(cls, path: Path) -> Countries:
        """Read a table.

        Raises:
            ConfigError: it cannot be read, or is none.
        """
        try:
            with path.open(encoding="utf-8", newline="") as file:
                return cls.of(csv.reader(file), f"{path}")
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            told = getattr(error, "strerror", None) or error
            raise ConfigError((f"gateway.countries: {path} cannot be read: {told}",)) from error

    @classmethod
    def of(cls, lines: Iterable[list[str]], origin: str) -> Countries:
        """Make it of lines of `first, last, country`; a first line may name the columns."""
        found: list[tuple[tuple[int, int], tuple[int, int], str]] = []
        problems: list[str] = []
        for number, words in enumerate(lines, 1):
            try:
                found.append(_range(words))
            except ValueError as error:
                if number > 1:
                    problems.append(f"gateway.countries: {origin}, line {number}: {error}")
        if problems or not found:
            raise ConfigError(tuple(problems[:_TOLD]) or (f"gateway.countries: {origin} is empty",))
        found.sort()
        return cls([one[0] for one in found], [one[1] for one in found], [one[2] for one in found])

    def of_address(self, address: str) -> str:
        """The country of an address in lower case; empty when the table does not know."""
        try:
            number = _number(address)
        except ValueError:
            return ""
        place = bisect_right(self.first, number) - 1
        return self.names[place] if place >= 0 and number <= self.last[place] else ""


def _range(words: list[str]) -> tuple[tuple[int, int], tuple[int, int], str]:
    if len(words) < _LEAST or not _COUNTRY.fullmatch(words[2].strip()):
        raise ValueError("must be first address, last address, country in two letters")
    return _number(words[0]), _number(words[1]), words[2].strip().lower()


def _number(text: str) -> tuple[int, int]:
    """An address as something that can be compared: its version, and its number."""
    address = ipaddress.ip_address(text.strip())
    return address.version, int(address)
