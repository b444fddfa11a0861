"""What a page would give, for people: `orch sites check --url`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from orchestrator.cli.console import out

if TYPE_CHECKING:
    from sites.draft.findings import FieldFinding, Findings, LinkFinding

#: Reasons of one field, and links, that are shown; --json has all of them.
MOST_REASONS = 3
MOST_LINKS = 5
#: A value is cut behind so many characters.
LONGEST_VALUE = 60


def show(found: Findings) -> None:
    """Print everything about a page."""
    out.print(f"{found.url}: {found.status} {found.media}, {found.size} bytes", markup=False)
    if found.problem:
        out.print(f"no item: {found.problem}", markup=False)
    elif found.of:
        dropped = found.extracted.dropped
        less = f", {dropped} more without a required field are none" if dropped else ""
        out.print(f"{_count(len(found.extracted.items), 'item')}{less}")
    else:
        out.print("no item is looked for here: item.match does not find this URL")
    if found.fields:
        out.print(fields(found.fields, found.of))
    elif found.extracted.items:
        out.print(json.dumps(found.extracted.items[0], ensure_ascii=False), markup=False)
    for rule in found.follow:
        out.print(_rule(rule), markup=False)
    _links("leads to", found.extracted.links)
    _links("next", found.extracted.further)


def fields(rows: list[FieldFinding], of: int) -> Table:
    """The fields: in how many items each is, its first value, and why it is not in the others."""
    table = Table()
    for name in ("field", "type"):
        table.add_column(name, no_wrap=True)
    table.add_column("in", justify="right", no_wrap=True)
    for name in ("first value", "missing"):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(
            escape(row.name) + ("*" if row.required else ""),
            row.type,
            f"{row.found}/{of}",
            escape(_value(row.value)),
            escape("\n".join(_reasons(row.missing))),
        )
    table.caption = "* required" if any(row.required for row in rows) else None
    return table


def _reasons(missing: list[str]) -> list[str]:
    more = len(missing) - MOST_REASONS
    return [*missing[:MOST_REASONS], *([f"and {more} more"] if more > 0 else [])]


def _value(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _rule(rule: LinkFinding) -> str:
    left_out = "".join(f"; {count} {why}" for why, count in rule.left_out.items())
    return f"follow {rule.rule}: {rule.found} found, {rule.followed} followed{left_out}"


def _links(word: str, links: list[str]) -> None:
    if links:
        more = len(links) - MOST_LINKS
        shown = [*links[:MOST_LINKS], *([f"and {more} more"] if more > 0 else [])]
        out.print(f"{word}:", *shown, sep="\n  ", markup=False)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
