"""JSON-LD: what a page says about itself to search engines, inside `<script>`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sites.extract.json_path import read_json, scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selectolax.lexbor import LexborNode

    from sites.extract.values import Raw

_STEP = r"[@\w:-]+"
_PATH = re.compile(rf"{_STEP}(?:\.{_STEP})*")
#: What people wrap around it so that old browsers, or XML, are content.
_WRAPPING = re.compile(r"^\s*(?:<!--|(?://\s*)?<!\[CDATA\[)|(?:(?://\s*)?\]\]>|-->)\s*$")
#: Objects inside of objects are looked through so deep.
DEEPEST = 50


@dataclass(frozen=True, slots=True)
class JsonLd:
    """`Product.offers.price`: a type, and the way from there; lists on the way are gone through."""

    type: str
    steps: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, *, inside: bool = False) -> JsonLd:
        """Read a path; `inside` an object that was found already, it has no type in front.

        Raises:
            ValueError: it cannot be understood.
        """
        if not _PATH.fullmatch(text):
            raise ValueError("must be names with dots between them, like Product.offers.price")
        first, *steps = text.split(".")
        return cls("", (first, *steps)) if inside else cls(first, tuple(steps))

    def matches(self, scope: Any) -> list[Any]:
        """Return what the way leads to, in the order of the page."""
        found = (
            [node for node in objects_of(scope) if _is(node, self.type)] if self.type else [scope]
        )
        for step in self.steps:
            found = [
                value
                for node in found
                if isinstance(node, dict)
                for value in _members(node.get(step))
            ]
        return found

    def read(self, match: Any) -> Raw | None:
        """Return a match as a value."""
        return scalar(match.get("@value", match) if isinstance(match, dict) else match)


def json_ld_of(root: LexborNode) -> list[Any]:
    """Return every object of JSON-LD on the page; what cannot be read is left out."""
    found: list[Any] = []
    for script in root.css('script[type="application/ld+json" i]'):
        text = _WRAPPING.sub("", script.text(deep=True)).rstrip("; \r\n\t")
        try:
            found.append(read_json(text))
        except ValueError:
            continue
    return found


def objects_of(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """Every object in a value, those outside first."""
    if depth > DEEPEST:
        return
    if isinstance(value, list):
        for member in value:
            yield from objects_of(member, depth + 1)
    elif isinstance(value, dict):
        yield value
        for member in value.values():
            yield from objects_of(member, depth + 1)


def _is(node: dict[str, Any], name: str) -> bool:
    """Tell whether `node` is of the type, whether it is written Product or http://schema.org/Product."""
    kinds = node.get("@type")
    return any(
        isinstance(kind, str) and re.split("[/#:]", kind)[-1] == name for kind in _members(kinds)
    )


def _members(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [member for member in value if member is not None]
    return [] if value is None else [value]
