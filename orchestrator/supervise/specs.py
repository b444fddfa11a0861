"""From the configuration to the services: the only place that knows both."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from orchestrator.core.built_in import GATEWAY, WORKER
from orchestrator.core.built_in import kind as kind_of
from orchestrator.core.files import private_folder, write_atomically
from orchestrator.core.gateway_section import parts
from orchestrator.core.overrides import variables
from orchestrator.core.queues import CONTROL
from orchestrator.core.settings import Worker
from orchestrator.core.version import VERSION
from orchestrator.supervise import declared, redis_binary
from orchestrator.supervise.order import in_order
from orchestrator.supervise.service import LogSpec, ProbeSpec, ServiceSpec

if TYPE_CHECKING:
    from orchestrator.core.config import Config

#: The first version whose process title can be switched off.
TITLES_OPTIONAL = (6, 2)

#: How long a worker's heartbeat may be silent, or its canary on its way, in seconds.
WORKER_SILENCE_S = 10.0


def build(config: Config) -> list[ServiceSpec]:
    """Return every service of the home, in the order of starting: each after what it needs.

    Raises:
        ConfigError: a command that the user declared is not there; all such are listed.
        BinaryMissing: Redis must be started here and there is no server.
        IncompatibleData: the server cannot read the data that is there.
    """
    config.require_commands()
    tables = config.settings.service
    ours = {
        spec.name: declared.tuned(spec, tables[spec.name], config.home.path)
        if spec.name in tables
        else spec
        for spec in _built_in(config)
    }
    own = {
        name: declared.service(config, name, table)
        for name, table in tables.items()
        if name not in ours
    }
    return in_order(ours | own)


def of_celery(config: Config) -> list[str]:
    """Name the services that tasks need: every worker that is started by itself, beat and results."""
    workers = [name for name in config.settings.worker.named if _auto(config, name)]
    return [*workers, "beat", "results"]


def _built_in(config: Config) -> list[ServiceSpec]:
    workers = config.settings.worker.named
    # Ticks are short work. Whoever takes it is up before beat, and stops after it.
    ticked = [name for name in workers if CONTROL in workers[name].queues and _auto(config, name)]
    return [
        _redis(config),
        # It writes down what the workers bring until their last word.
        replace(
            _python(config, "results", ("redis",), "sites.shared.drain", start=20.0, silence=30.0),
            outlives=tuple(workers),
        ),
        *(
            _python(config, name, ("redis",), "orchestrator.celery_app", "worker")
            for name in workers
        ),
        _python(
            config, "beat", ("redis", *ticked[:1]), "orchestrator.celery_app", "beat", start=20.0
        ),
        *_gateway(config),
    ]


def _gateway(config: Config) -> list[ServiceSpec]:
    listen = config.settings.gateway.listen
    if listen is None:
        return []
    spec = _python(config, GATEWAY, ("redis",), "proxies.gateway", start=20.0)
    return [replace(spec, probe=ProbeSpec("http", _health(*parts(listen)), every_s=2.0))]


def _health(host: str, port: int) -> str:
    """Where the gateway is asked how it is: one that listens everywhere, at its loopback address."""
    if ipaddress.ip_address(host).is_unspecified:
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://[{host}]:{port}/health" if ":" in host else f"http://{host}:{port}/health"


def _auto(config: Config, name: str) -> bool:
    table = config.settings.service.get(name)
    return table is None or table.auto is not False


def _redis(config: Config) -> ServiceSpec:
    home = config.home
    return ServiceSpec(
        name="redis",
        command=_redis_command(config) if config.redis_is_local else (),
        env=_environment(config, "redis"),
        cwd=str(home.path),
        log=_log(config, "redis"),
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
    halt = (sys.executable, "-m", "sites.shared.halt")
    return ServiceSpec(
        name=name,
        command=(sys.executable, "-m", *module),
        needs=needs,
        # The URL may hold a password: the environment of a process is its owner's only.
        env=_environment(config, name)
        | {"ORCH_REDIS": config.redis_url, "ORCH_PREFIX": config.keys.prefix}
        | variables(_given(config, name)),
        # Celery imports with the current folder first, and a home has a folder `sites` of its own.
        cwd=str(home.run),
        log=_log(config, name),
        probe=ProbeSpec("mark", str(home.mark(name)), every_s=2.0, threshold=2, max_age_s=silence),
        # A worker ends warm on TERM (its shards end their slices), cold on QUIT.
        stop=(("TERM", 8.0), ("QUIT", 2.0)) if kind_of(name) == WORKER else (("TERM", 8.0),),
        start_timeout_s=start,
        # One stops the sites for all: another worker that stops alone leaves them to the rest.
        before_stop=halt if name == WORKER else (),
        settings=_settings_digest(config, name),
    )


def _settings_digest(config: Config, name: str) -> str:
    """Changes with any setting that the service reads, and with the version of orch."""
    settings = config.settings
    read = settings.model_dump(mode="json", include={"proxies", "sites"})
    read["redis"] = settings.redis.model_dump(include={"url", "prefix"})
    if name == GATEWAY:
        read[GATEWAY] = settings.gateway.model_dump(mode="json")
    if name in settings.worker.named:
        worker = settings.worker.named[name]
        read["worker"] = worker.model_dump(mode="json", include=set(Worker.model_fields))
    facts = VERSION + json.dumps(read, sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def _given(config: Config, name: str) -> dict[str, str]:
    """What `--set` changed for this `up` holds for its services too, as far as they read it."""
    own = name.replace(f"{WORKER}-", f"{WORKER}.", 1)
    mine = {f"{own}.{field}" for field in Worker.model_fields} if kind_of(name) == WORKER else set()
    return {
        key: text
        for key, text in config.overrides.items()
        if key in mine or not key.startswith((f"{WORKER}.", "service."))
    }


def _log(config: Config, name: str) -> LogSpec:
    return LogSpec(str(config.home.log(name)), declared.LOG_BYTES, declared.LOGS_KEPT)


def _environment(config: Config, name: str) -> dict[str, str]:
    return {
        "ORCH_HOME": str(config.home.path),
        "ORCH_SERVICE": name,
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }
