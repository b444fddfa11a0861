"""From the configuration to the services: the only place that knows both."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from orchestrator.core.files import private_folder, write_atomically
from orchestrator.core.version import VERSION
from orchestrator.supervise import redis_binary
from orchestrator.supervise.service import LogSpec, ProbeSpec, ServiceSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.core.config import Config

#: In the order of starting; stopping is the other way round.
ORDER = ("redis", "results", "worker", "beat")

#: The first version whose process title can be switched off.
TITLES_OPTIONAL = (6, 2)

#: How long a worker's heartbeat may be silent, or its canary on its way, in seconds.
WORKER_SILENCE_S = 12.0


def build(config: Config) -> list[ServiceSpec]:
    """Return every service of the home, in the order of starting.

    Raises:
        BinaryMissing: Redis must be started here and there is no server.
        IncompatibleData: the server cannot read the data that is there.
    """
    return [
        _redis(config),
        _python(config, "results", ("redis",), "sites.drain", start=20.0, silence=30.0),
        _python(config, "worker", ("redis",), "orchestrator.celery_app", "worker"),
        _python(config, "beat", ("redis", "worker"), "orchestrator.celery_app", "beat", start=20.0),
    ]


def in_order(recorded: Mapping[str, ServiceSpec]) -> list[ServiceSpec]:
    """The specs, each after what it needs."""
    ordered: dict[str, ServiceSpec] = {}
    while len(ordered) < len(recorded):
        left = [spec for name, spec in recorded.items() if name not in ordered]
        free = [s for s in left if not any(n in recorded and n not in ordered for n in s.needs)]
        ordered |= {spec.name: spec for spec in free or left}
    return list(ordered.values())


def _redis(config: Config) -> ServiceSpec:
    home = config.home
    return ServiceSpec(
        name="redis",
        command=_redis_command(config) if config.redis_is_local else (),
        env=_environment(config, "redis"),
        cwd=str(home.path),
        log=LogSpec(str(home.log("redis"))),
        # The write changes nothing, and is refused by a server that is full.
        probe=ProbeSpec(
            "redis", config.redis_url, command=("SETRANGE", config.keys.probe(), "0", "")
        ),
        stop=(("TERM", 10.0),),
        start_timeout_s=10.0,
        adopt_stranger=True,
    )


def _redis_command(config: Config) -> tuple[str, ...]:
    home, parts = config.home, urlsplit(config.redis_url)
    binary = redis_binary.choose(home, config.settings.redis.binary)
    if parts.scheme == "unix":
        address = ["--port", "0", "--unixsocket", unquote(parts.path), "--unixsocketperm", "700"]
    else:
        address = ["--port", str(parts.port or 6379), "--bind", parts.hostname or "127.0.0.1"]
    return (
        binary.path,
        *_password(config),
        *address,
        # A title written over the environment would hide our launch token from the next supervisor.
        *(("--set-proc-title", "no") if binary.numbers >= TITLES_OPTIONAL else ()),
        *("--dir", str(home.redis_data), "--daemonize", "no", "--protected-mode", "yes"),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--loglevel", "notice"),
    )


def _password(config: Config) -> list[str]:
    """The URL's password goes by a private file: command lines are for everybody to read."""
    password = urlsplit(config.redis_url).password
    if not password:
        return []
    quoted = json.dumps(unquote(password), ensure_ascii=False)
    file = private_folder(config.home.redis_data) / "password.conf"
    write_atomically(file, f"requirepass {quoted}\n")
    return [str(file)]


def _python(
    config: Config,
    name: str,
    needs: tuple[str, ...],
    *module: str,
    start: float = 30.0,
    silence: float = WORKER_SILENCE_S,
) -> ServiceSpec:
    home = config.home
    halt = (sys.executable, "-m", "sites.halt")
    return ServiceSpec(
        name=name,
        command=(sys.executable, "-m", *module),
        needs=needs,
        # The URL may hold a password: the environment of a process is its owner's only.
        env=_environment(config, name)
        | {"ORCH_REDIS": config.redis_url, "ORCH_PREFIX": config.keys.prefix},
        # Celery imports with the current folder first, and a home has a folder `sites` of its own.
        cwd=str(home.run),
        log=LogSpec(str(home.log(name))),
        probe=ProbeSpec("mark", str(home.mark(name)), every_s=2.0, threshold=1, max_age_s=silence),
        # A worker ends warm on TERM (its shards end their slices), cold on QUIT.
        stop=(("TERM", 8.0), ("QUIT", 2.0)) if name == "worker" else (("TERM", 8.0),),
        start_timeout_s=start,
        before_stop=halt if name == "worker" else (),
        settings=_settings_digest(config),
    )


def _settings_digest(config: Config) -> str:
    """Changes with any setting, and with the version of orch."""
    facts = VERSION + config.settings.model_dump_json()
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def _environment(config: Config, name: str) -> dict[str, str]:
    return {
        "ORCH_HOME": str(config.home.path),
        "ORCH_SERVICE": name,
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        # What `--set` changed for this `up` holds for its services too.
        **{f"ORCH_{key.replace('.', '_').upper()}": text for key, text in config.overrides.items()},
    }
