"""The configuration: one frozen object from `orch.toml`, the environment and `--set`.

Read once at the edge and passed down. Every problem is found and listed in one `ConfigError`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from pydantic import ValidationError

from orchestrator.core import declared, declared_sources, overrides, problems
from orchestrator.core.errors import ConfigError
from orchestrator.core.keys import Keys
from orchestrator.core.mask import masked
from orchestrator.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.core.home import Home

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", ""})
HINT = "`orch config init` writes a commented example"


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a home, with the origin of each value that is not a default."""

    home: Home
    settings: Settings = field(default_factory=Settings)
    origins: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def redis_url(self) -> str:
        """The URL of Redis in redis-py's spelling; a private one has a socket."""
        return self.settings.redis.url or f"unix://{quote(str(self.home.socket('redis.sock')))}"

    @property
    def broker_url(self) -> str:
        """The same in the spelling that Celery understands (FACTS: it does not know unix://)."""
        parts = urlsplit(self.redis_url)
        database = parts.query.removeprefix("db=") or parts.path.strip("/") or "0"
        if parts.scheme == "unix":
            user = f":{quote(unquote(parts.password), safe='')}@" if parts.password else ""
            database = parts.query.removeprefix("db=") or "0"
            return f"redis+socket://{user}{parts.path}?virtual_host={database}"
        tls = "?ssl_cert_reqs=required" if parts.scheme == "rediss" else ""
        return f"{parts.scheme}://{parts.netloc}/{database}{tls}"

    @property
    def redis_is_private(self) -> bool:
        """Whether Redis is this home's own, on a socket in `data/run/`."""
        return self.settings.redis.url is None

    @property
    def redis_is_local(self) -> bool:
        """Whether Redis runs on this machine, so that we may start it."""
        url = self.settings.redis.url
        if url is None or urlsplit(url).scheme == "unix":
            return True
        # A server with TLS needs certificates that are not ours to make.
        return urlsplit(url).scheme == "redis" and is_loopback(url)

    @property
    def keys(self) -> Keys:
        """The keys of this home: with a prefix when Redis may be shared with others."""
        if self.redis_is_private:
            return Keys()
        return Keys(self.settings.redis.prefix or f"orch-{self.home.identity()[:8]}:")

    def flat(self) -> list[tuple[str, object, str]]:
        """(key, value, origin) of every setting, secrets masked, in the order of the model."""
        shown = self.settings.model_dump(mode="json", exclude={"service"})
        tables = {name: table.said() for name, table in self.settings.service.items()}
        sources = {name: table.said() for name, table in self.settings.proxies.source.items()}
        shown["proxies"]["source"] = sources
        rows = overrides.leaves(shown | {"service": tables} if tables else shown)
        return [(key, _shown(key, value), self.origins.get(key, "default")) for key, value in rows]

    def require_commands(self) -> None:
        """Look up what the services of the user's own would start.

        Raises:
            ConfigError: listing every command and folder that is not there.
        """
        tables = {name: table.said() for name, table in self.settings.service.items()}
        missing = declared.commands_missing(tables, self.home.path)
        if missing:
            origins = _Origins(dict(self.origins), self.home.config_file.name)
            raise ConfigError(tuple(origins.line(problem) for problem in missing))


def load(home: Home, given: Mapping[str, str] | None = None, *, services: bool = True) -> Config:
    """Read `orch.toml`, then `ORCH_SECTION_KEY` variables, then `given` (`a.b` -> text, by `--set`).

    A service itself has no use for how services are declared: without `services` none of that is read,
    so that a table being written does not keep a worker from starting again.

    Raises:
        ConfigError: with all problems at once, each naming file, key, value and what is allowed.
    """
    raw = read_toml(home.config_file) if home.config_file.exists() else {}
    origins = _Origins(
        {key: home.config_file.name for key, _ in overrides.leaves(raw)}, home.config_file.name
    )
    found = _override(raw, origins, given or {})
    if not services:
        raw.pop("service", None)
    settings = Settings()
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        found += problems.keyed(error, origins.of, Settings)
    told = _together(raw, home, services=services, complete=bool(found))
    found += [(problem.key, origins.line(problem)) for problem in told]
    if found:
        found.sort(key=lambda problem: _place(raw, problem[0]))
        raise ConfigError(tuple(line for _, line in found), hint=HINT)
    return Config(home, settings, origins.known, dict(given or {}))


@dataclass(frozen=True, slots=True)
class _Origins:
    """Where each value comes from: dotted key -> file, variable or option."""

    known: dict[str, str]
    default: str

    def of(self, key: str) -> str:
        """The origin of `key`, of the table it is in, or of something in it."""
        words = key.split(".")
        for end in range(len(words), 1, -1):
            table = ".".join(words[:end])
            inside = (where for name, where in self.known.items() if name.startswith(f"{table}."))
            origin = self.known.get(table) or next(inside, None)
            if origin:
                return origin
        return self.default

    def line(self, problem: declared.Problem) -> str:
        """As one line for people."""
        return f"{self.of(problem.key)}: {problem.key}: {problem.text}"


def _place(raw: object, key: str) -> list[int]:
    """Where a key stands in the file: the problems of a table are told together, in its order."""
    place = []
    for word in key.split(".") if key else ():
        names = list(raw) if isinstance(raw, dict) else []
        place.append(names.index(word) if word in names else len(names))
        raw = raw.get(word) if isinstance(raw, dict) else None
    return place


def _override(
    raw: dict[str, Any], origins: _Origins, given: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Put what beats the file over it; return what is no setting at all."""
    found = []
    for key, text, origin in [*overrides.from_environment(raw), *overrides.from_set(given)]:
        section, _, name = key.partition(".")
        if section not in Settings.model_fields or not all(name.split(".")):
            wrong = f"{origin}: no such setting: {key}; `orch config show` lists them all"
            found.append(("", wrong))
        elif overrides.put(raw, key, text):
            origins.known[key] = origin
    return found


def _together(
    raw: Mapping[str, Any], home: Home, *, services: bool, complete: bool
) -> list[declared.Problem]:
    """What is wrong in tables as a whole, and between them.

    Commands are looked up when something is started (`Config.require_commands`): a command that only
    reads must not fail in cron, where the PATH is another one. When there is something to tell anyway,
    it shall be everything.
    """
    found = declared_sources.problems(raw)
    found += declared.problems(raw) if services else []
    if services and (found or complete):
        found += declared.commands_missing(raw.get("service"), home.path)
    return found


def _shown(key: str, value: object) -> object:
    """What people may see: some tables and keys are where passwords go."""
    return "***" if problems.is_secret(key.split(".")) else masked(value)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; a syntax error becomes one clear problem with its line."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError((f"{path}: this is not TOML: {error}",)) from error
    except UnicodeDecodeError as error:
        raise ConfigError((f"{path}: this is not UTF-8 text (byte {error.start})",)) from error
    except OSError as error:
        raise ConfigError((f"{path}: cannot be read: {error.strerror}",)) from error


def is_loopback(url: str) -> bool:
    """Whether `url` names this machine."""
    host = urlsplit(url).hostname or ""
    return host in LOOPBACK or host.startswith("127.")
