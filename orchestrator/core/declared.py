"""What is wrong with the services and workers of `orch.toml` taken together.

It looks at the tables as they were written, because it must find its problems also where the model has
found others: whatever has the wrong shape is passed over here and told there.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.core import needs, which
from orchestrator.core.built_in import BUILT_IN, GATEWAY, WORKER
from orchestrator.core.queues import QUEUES
from orchestrator.core.service_table import TARGETS, ProbeTable
from orchestrator.core.settings import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Their logs would be others'.
RESERVED = ("supervisor", "events")
_OWN_NAMES = f"orch's own names are {', '.join(RESERVED)}"

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
#: The service of a worker has `worker-` before the name.
WORKER_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,55}")

#: What makes one of ours what it is. The folder too: Celery imports from it first.
FIXED = ("command", "needs", "cwd")


@dataclass(frozen=True, slots=True)
class Problem:
    """`key` is the dotted place in `orch.toml`."""

    key: str
    text: str


def problems(raw: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong in the tables of services and workers, whatever else is."""
    workers, services = _workers(raw), _tables(raw.get("service"))
    ours = [*BUILT_IN, *(f"{WORKER}-{name}" for name in workers)]
    if _listens(raw):
        ours.append(GATEWAY)
    found: list[Problem] = []
    found += _worker_names(workers)
    found += _queues(raw.get(WORKER), workers)
    for name, table in services.items():
        if name in ours:
            found += _tuned(name, table)
        else:
            found += [*_named(name), *_declared(name, table)]
    found += _needed(services, ours)
    return found


def commands_missing(services: object, home: Path) -> list[Problem]:
    """Return the commands of services and probes that are not there, and folders to run them in."""
    found: list[Problem] = []
    for name, table in _tables(services).items():
        folder = placed(home, table["cwd"]) if isinstance(table.get("cwd"), str) else home
        if not folder.is_dir():
            found.append(Problem(f"service.{name}.cwd", f"{folder} is not a folder"))
            continue
        variables = table.get("env")
        path = variables.get("PATH") if isinstance(variables, dict) else None
        for key, word in _programs(table):
            try:
                which.find(word, folder, path if isinstance(path, str) else None)
            except ValueError as error:
                found.append(Problem(f"service.{name}.{key}", f"{error}"))
    return found


def placed(folder: Path, text: str) -> Path:
    """The file or folder that `text` names from `folder`; `~` is the user's own."""
    # Of a user that is not there pathlib makes an error, and this leaves the name as it is.
    return Path(os.path.normpath(folder / os.path.expanduser(text)))  # noqa: PTH111


def _programs(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Key and first word of every command in a table."""
    commands = {
        "command": table.get("command"),
        **{f"{key}.exec": probe.get("exec") for key, probe in _probes(table).items()},
    }
    for key, command in commands.items():
        words = command if isinstance(command, list | tuple) else ()
        if words and isinstance(words[0], str) and words[0] and "\0" not in words[0]:
            yield key, words[0]


def _tables(raw: object) -> dict[str, dict[str, Any]]:
    if not isinstance(raw, dict):
        return {}
    return {name: table for name, table in raw.items() if isinstance(table, dict)}


def _workers(raw: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    tables = _tables(raw.get(WORKER))
    return {name: table for name, table in tables.items() if name not in Worker.model_fields}


def _listens(raw: Mapping[str, Any]) -> bool:
    table = raw.get(GATEWAY)
    return isinstance(table, dict) and table.get("listen") is not None


def _worker_names(workers: Mapping[str, Any]) -> list[Problem]:
    return [
        Problem(f"{WORKER}.{name}", f"a worker's name must match {WORKER_NAME.pattern}")
        for name in workers
        if not WORKER_NAME.fullmatch(name)
    ]


def _queues(default: object, workers: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    """Return the queues that no worker takes work from."""
    tables: list[Mapping[str, Any]] = [default if isinstance(default, dict) else {}]
    tables += workers.values()
    taken: set[str] = set()
    for table in tables:
        queues = table.get("queues", QUEUES)
        if not isinstance(queues, list | tuple):
            return []
        taken |= {str(queue) for queue in queues}
    if not taken <= set(QUEUES):
        return []
    return [
        Problem(f"{WORKER}.queues", f"no worker takes {queue}; name it here or in a [worker.NAME]")
        for queue in QUEUES
        if queue not in taken
    ]


def _named(name: str) -> list[Problem]:
    key = f"service.{name}"
    if name in RESERVED:
        return [Problem(key, f"this name is orch's own; {_OWN_NAMES}")]
    if not NAME.fullmatch(name):
        return [Problem(key, f"a service's name must match {NAME.pattern}")]
    if name.startswith(f"{WORKER}-"):
        table = name.removeprefix(f"{WORKER}-")
        text = f"names like this are those of more workers, and there is no [worker.{table}]"
        return [Problem(key, text)]
    return []


def _tuned(name: str, table: Mapping[str, Any]) -> list[Problem]:
    """What is said of a service of ours that cannot be changed."""
    key = f"service.{name}"
    found = [
        Problem(f"{key}.{word}", f"{name} is a service of orch's own: its {word} is fixed")
        for word in FIXED
        if word in table
    ]
    probes = _probes(table)
    found += [
        Problem(
            f"{key}.ready.{word}",
            f"{name} is a service of orch's own: how it is asked whether it is ready is fixed; "
            "every, timeout, threshold and max_age can be set",
        )
        for word in TARGETS
        if word in probes.get("ready", {})
    ]
    alive = probes.get("alive", {})
    if any(word in alive for word in TARGETS):
        found += _asked(f"{key}.alive", alive)
    return found


def _declared(name: str, table: Mapping[str, Any]) -> list[Problem]:
    """What a service of the user's own must have."""
    key = f"service.{name}"
    found: list[Problem] = []
    if "command" not in table:
        close = difflib.get_close_matches(name, BUILT_IN, n=1)
        hint = f"; did you mean [service.{close[0]}]?" if close else ""
        found.append(Problem(f"{key}.command", f"is missing{hint}"))
    for word, probe in _probes(table).items():
        found += _asked(f"{key}.{word}", probe)
    return found


def _probes(table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return _tables({word: table.get(word) for word in ("ready", "alive")})


def _asked(key: str, probe: Mapping[str, Any]) -> list[Problem]:
    targets = [target for target in TARGETS if target in probe]
    if len(targets) > 1:
        return [Problem(key, f"names {' and '.join(targets)}; only one can be asked")]
    if not targets and probe.keys() <= ProbeTable.model_fields.keys():  # else a target is misspelt
        return [Problem(key, f"needs a target: one of {_allowed(key)}")]
    if targets == ["after"] and "after" not in _allowed(key):
        text = f"proves nothing of one that runs; name one of {_allowed(key)}, or leave alive out"
        return [Problem(f"{key}.after", text)]
    if "max_age" in probe and targets and targets != ["file"]:
        return [Problem(f"{key}.max_age", "goes with file only")]
    return []


def _allowed(key: str) -> str:
    """What a service can be asked: once it runs, one that hangs must not pass for one that is well."""
    alive = key.endswith(".alive")
    return ", ".join(target for target in TARGETS if not (alive and target == "after"))


def _needed(services: Mapping[str, Mapping[str, Any]], ours: list[str]) -> list[Problem]:
    known = [*ours, *(name for name in services if name not in ours)]
    graph: dict[str, list[str]] = {}
    found: list[Problem] = []
    for name, table in services.items():
        if name in ours:
            continue
        listed = table.get("needs")
        words = listed if isinstance(listed, list | tuple) else ()
        names = [word for word in words if isinstance(word, str)]
        graph[name] = list(dict.fromkeys(names))
        key = f"service.{name}.needs"
        found += [Problem(key, f"{word} is named twice") for word in _twice(names)]
        found += [
            Problem(key, f"no such service: {word}; {_offer(word, known)}")
            for word in graph[name]
            if word not in known
        ]
    found += [
        Problem(f"service.{circle[0]}.needs", f"needs in a circle: {' -> '.join(circle)}")
        for circle in needs.circles(graph)
    ]
    return found


def _twice(names: list[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]


def _offer(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
