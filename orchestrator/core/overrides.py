"""Settings from the environment and from `--set`, put over what a file says."""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING, Any

from orchestrator.core.proxies_section import FieldNames, SourceTable
from orchestrator.core.service_table import ProbeTable, ServiceTable
from orchestrator.core.settings import Worker
from orchestrator.core.source import RESERVED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PROBE_KEYS = [f"{key}.{name}" for key in ("ready", "alive") for name in ProbeTable.model_fields]
_FIELD_KEYS = [f"fields.{name}" for name in FieldNames.model_fields]
#: What stands behind a name of the user's, in the sections and tables that have such.
_BEHIND_A_NAME = {
    "worker": list(Worker.model_fields),
    "service": [*ServiceTable.model_fields, *_PROBE_KEYS],
    "proxies.source": [*SourceTable.model_fields, *_FIELD_KEYS],
}
#: The tables of a section whose keys are names of the user's.
_BEFORE_A_NAME = {"queue": ["max_per_resolver"]}


def from_environment(raw: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (key, text, origin) of each `ORCH_SECTION_KEY`; `raw` tells the names that there are."""
    for variable, text in sorted(os.environ.items()):
        if not variable.startswith("ORCH_") or variable in RESERVED:
            continue
        section, _, rest = variable.removeprefix("ORCH_").lower().partition("_")
        yield f"{section}.{_dotted(section, rest, raw)}", text, f"${variable}"


def from_set(overrides: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield (key, text, origin) of each `--set`."""
    for key, text in overrides.items():
        yield key, text, f"--set {key}"


def variables(overrides: Mapping[str, str]) -> dict[str, str]:
    """Return `overrides` as the variables that `from_environment` reads."""
    return {
        f"ORCH_{key.replace('.', '_').replace('-', '_').upper()}": text
        for key, text in overrides.items()
    }


def put(raw: dict[str, Any], key: str, text: str) -> bool:
    """Write a value over what `raw` says; False when a table would have to be where a value is."""
    *tables, last = key.split(".")
    for name in tables:
        raw = raw.setdefault(name, {})
        if not isinstance(raw, dict):
            return False
    raw[last] = _value(text)
    return True


def leaves(raw: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of everything in nested tables that is no table itself."""
    for name, value in raw.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _dotted(section: str, rest: str, raw: Mapping[str, Any]) -> str:
    """`heavy_concurrency` of the section `worker` is `heavy.concurrency`; names keep their spelling."""
    for table in _BEFORE_A_NAME.get(section, []):
        if rest.startswith(f"{table}_"):
            names = _table(_table(raw, section), table)
            return f"{table}.{_spelt(rest.removeprefix(f'{table}_'), names)}"
    if section == "proxies" and rest.startswith("source_"):
        tables = _table(_table(raw, section), "source")
        named = _named("proxies.source", rest.removeprefix("source_"), tables)
        return f"source.{named}" if named else rest
    return _named(section, rest, _table(raw, section)) or rest


def _named(table: str, rest: str, names: Mapping[str, Any]) -> str:
    """A name of the user's and a key behind it, dotted; "" when `rest` is not that."""
    keys = _BEHIND_A_NAME.get(table, [])
    ends = [key for key in keys if rest.endswith("_" + key.replace(".", "_"))]
    if not ends:
        return ""
    longest = max(ends, key=len)
    return f"{_spelt(rest[: -len(longest) - 1], names)}.{longest}"


def _table(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = raw.get(name)
    return table if isinstance(table, dict) else {}


def _spelt(name: str, names: Mapping[str, Any]) -> str:
    """Return a name as `names` has it: a variable has no dashes and no small letters."""
    return next((each for each in names if each.replace("-", "_").lower() == name), name)


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
