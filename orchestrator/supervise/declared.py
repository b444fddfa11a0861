"""From a `[service.NAME]` table to a service: one of the user's own, or one of ours tuned."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestrator.core import which
from orchestrator.core.declared import placed
from orchestrator.core.overrides import variables
from orchestrator.supervise.service import LogSpec, ProbeSpec, ServiceSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.core.config import Config
    from orchestrator.core.service_table import ProbeTable, ServiceTable

#: A service that nobody can ask is ready when it has run for so long, in seconds.
SETTLE_S = 1.0
#: One that does something once is ready when it has ended with 0: it has so long, in seconds.
ONCE_S = 600.0
#: A command costs more than a connection: it is started less often, and may take longer, in seconds.
EXEC_EVERY_S, EXEC_TIMEOUT_S = 5.0, 3.0

#: Logs are rotated at this size, in bytes; so many old ones are kept.
LOG_BYTES, LOGS_KEPT = 10_000_000, 5

#: Sections that mean nothing to a service of the user's own.
_OF_SERVICES = ("service.", "worker.")


def service(config: Config, name: str, table: ServiceTable) -> ServiceSpec:
    """Return the service that the user declared as `name`; its commands have been looked up before."""
    home = config.home.path
    folder = placed(home, table.cwd or ".")
    env = _environment(config, name) | (table.env or {})
    path = (table.env or {}).get("PATH")
    once = table.restart == "never" and table.ready is None
    bare = ServiceSpec(
        name=name,
        probe=ProbeSpec("end") if once else ProbeSpec("alive", settle_s=SETTLE_S),
        command=_found(table.command or (), folder, path),
        needs=table.needs or (),
        env=env,
        cwd=str(folder),
        log=LogSpec(str(config.home.log(name)), LOG_BYTES, LOGS_KEPT),
    )
    if once:
        bare = replace(bare, start_timeout_s=ONCE_S)
    ready = _probe(table.ready, bare.probe, folder, path) if table.ready else bare.probe
    return _limits(replace(bare, probe=ready, alive=_alive(table, ready, folder, path)), table)


def tuned(spec: ServiceSpec, table: ServiceTable, home: Path) -> ServiceSpec:
    """Return `spec`, a service of orch's own, with what `table` says of it."""
    ready = _timing(spec.probe, table.ready) if table.ready else spec.probe
    alive = _alive(table, spec.alive or ready, home, (table.env or {}).get("PATH"))
    changed = replace(spec, probe=ready, alive=alive, env=spec.env | (table.env or {}))
    return _limits(changed, table)


def _environment(config: Config, name: str) -> dict[str, str]:
    """The environment of the project: whatever speaks to Redis or Celery finds this home's."""
    given = {
        key: text for key, text in config.overrides.items() if not key.startswith(_OF_SERVICES)
    }
    return {
        "ORCH_HOME": str(config.home.path),
        "ORCH_SERVICE": name,
        "PYTHONUNBUFFERED": "1",  # or its log lags behind it
        # A URL may hold a password: the environment of a process is its owner's only.
        "REDIS_URL": config.redis_url,
        "CELERY_BROKER_URL": config.broker_url,
        **variables(given),
    }


def _alive(
    table: ServiceTable, ready: ProbeSpec, folder: Path, path: str | None
) -> ProbeSpec | None:
    """What is asked once it is ready; None: as before."""
    if table.alive is None:
        return None
    return _probe(table.alive, ready, folder, path)


def _probe(table: ProbeTable, otherwise: ProbeSpec, folder: Path, path: str | None) -> ProbeSpec:
    """Return the probe that `table` names, or `otherwise` when it names none, with its timing."""
    probe = otherwise
    if table.http is not None:
        probe = ProbeSpec("http", table.http)
    elif table.tcp is not None:
        probe = ProbeSpec("tcp", table.tcp)
    elif table.exec is not None:
        words = _found(table.exec, folder, path)
        probe = ProbeSpec("exec", command=words, every_s=EXEC_EVERY_S, timeout_s=EXEC_TIMEOUT_S)
    elif table.file is not None:
        probe = ProbeSpec("file", str(placed(folder, table.file)), max_age_s=0.0)
    elif table.after is not None:
        probe = ProbeSpec("alive", settle_s=table.after)
    return _timing(probe, table)


def _timing(probe: ProbeSpec, table: ProbeTable) -> ProbeSpec:
    return replace(
        probe,
        **_said(
            {
                "every_s": table.every,
                "timeout_s": table.timeout,
                "threshold": table.threshold,
                "max_age_s": table.max_age,
            }
        ),
    )


def _limits(spec: ServiceSpec, table: ServiceTable) -> ServiceSpec:
    """How it is started again, stopped, limited and logged."""
    policy = _said(
        {"when": table.restart, "limit": table.restart_limit, "window_s": table.restart_window}
    )
    log = _said({"max_bytes": table.log_size, "keep": table.log_keep, "reopen": table.log_reopen})
    limits = _said(
        {
            "start_timeout_s": table.start_timeout,
            "memory_limit_bytes": table.memory_limit,
            "auto": table.auto,
        }
    )
    return replace(
        spec,
        stop=_stop(spec, table),
        restart=replace(spec.restart, **policy),
        log=replace(spec.log, **log),
        **limits,
    )


def _stop(spec: ServiceSpec, table: ServiceTable) -> tuple[tuple[str, float], ...]:
    """The first step is the user's to say; what comes after it (a worker's QUIT) stays."""
    (signal, grace), *harder = spec.stop
    grace = grace if table.grace is None else table.grace
    return ((table.stop_signal or signal, grace), *harder)


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _found(words: tuple[str, ...], folder: Path, path: str | None) -> tuple[str, ...]:
    """The program's own path, so that a supervisor with another PATH starts the same one."""
    return (which.find(words[0], folder, path), *words[1:])
