"""JSON by JMESPath (jmespath.org): what a page of an API says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jmespath
from jmespath.exceptions import JMESPathError

if TYPE_CHECKING:
    from sites.extract.values import Raw


@dataclass(frozen=True, slots=True)
class JsonPath:
    """An expression that was compiled once."""

    expression: Any

    @classmethod
    def parse(cls, text: str) -> JsonPath:
        """Read an expression.

        Raises:
            ValueError: it cannot be understood.
        """
        try:
            return cls(jmespath.compile(text))
        except JMESPathError as error:
            said = str(error).partition("\n")[0]
            raise ValueError(f"this JSON path cannot be understood: {said}") from None

    def matches(self, scope: Any) -> list[Any]:
        """Return what it finds: the members of a list, or the one value; nothing for null."""
        try:
            found = self.expression.search(scope)
        except JMESPathError:  # a function was given what it does not take
            return []
        if isinstance(found, list):
            return [member for member in found if member is not None]
        return [] if found is None else [found]

    def read(self, match: Any) -> Raw | None:
        """Return a match as a value: an object is its own JSON."""
        return scalar(match)


def scalar(value: Any) -> Raw | None:
    """Return a value of JSON as text, number or truth; a list or an object as its JSON."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return json.dumps(value, ensure_ascii=False)


def read_json(text: str) -> Any:
    """Return what a text of JSON says.

    Raises:
        ValueError: it is no JSON, or nested too deep.
    """
    try:
        # Not strict: line breaks inside of strings are what sites get wrong most.
        return json.loads(text, parse_constant=_no_number, strict=False)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _no_number(name: str) -> None:
    """NaN and Infinity are no JSON, and no value of anything."""
