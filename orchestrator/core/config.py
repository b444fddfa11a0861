"""The configuration: one frozen object from `orch.toml`, the environment and `--set`.

Read once at the edge and passed down. Every problem is found and listed in one `ConfigError`.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote, unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from orchestrator.core import duration
from orchestrator.core.errors import ConfigError
from orchestrator.core.keys import Keys
from orchestrator.core.mask import masked
from orchestrator.core.problems import describe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.core.home import Home

Duration = Annotated[float, BeforeValidator(duration.parse)]
Scheme = Literal["http", "https", "socks4", "socks5"]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", ""})

#: Variables that say where and what a process is; they are no configuration.
RESERVED = frozenset({"ORCH_HOME", "ORCH_SERVICE", "ORCH_LAUNCH", "ORCH_REDIS", "ORCH_PREFIX"})


class Section(BaseModel):
    """A table of `orch.toml`: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RedisSection(Section):
    """Where Redis is. Without `url` a private one is started on a Unix socket in `data/run/`."""

    url: str | None = None
    binary: str | None = None
    prefix: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.:-]{1,64}$")

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: str | None) -> str | None:
        if url is None:
            return url
        parts = urlsplit(url)
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("must start with redis://, rediss:// or unix://")
        if parts.scheme == "unix" and not parts.path:
            raise ValueError("needs the path of the socket: unix:///path/redis.sock")
        if parts.query and not re.fullmatch(r"db=\d{1,4}", parts.query):
            raise ValueError("behind the ? only db=NUMBER is allowed")
        try:
            _ = parts.port
        except ValueError:
            raise ValueError("the port must be a number from 1 to 65535") from None
        return url


class WorkerSection(Section):
    """The Celery worker; `auto` is one child for each processor."""

    concurrency: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = 8

    def slots(self) -> int:
        """How many tasks run at once."""
        return (os.cpu_count() or 1) if self.concurrency == "auto" else self.concurrency


class ProxiesSection(Section):
    """Where candidates come from and how they are judged."""

    sources: tuple[str, ...] = ()
    default_scheme: Scheme = "http"
    judges: Annotated[tuple[str, ...], Field(min_length=1)] = ("http://httpbin.org/get",)
    check_timeout: Annotated[Duration, Field(gt=0, le=120)] = 8.0
    min_usable: Annotated[int, Field(ge=0)] = 10
    fresh_for: Annotated[Duration, Field(gt=0)] = 1800.0
    source_timeout: Annotated[Duration, Field(gt=0, le=600)] = 20.0
    in_flight: Annotated[int, Field(ge=1, le=5000)] = 500

    @field_validator("judges")
    @classmethod
    def _http(cls, judges: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [judge for judge in judges if urlsplit(judge).scheme not in {"http", "https"}]
        if wrong:
            raise ValueError(f"{wrong[0]!r} must start with http:// or https://")
        return judges


class SitesSection(Section):
    """What holds for the jobs of all sites."""

    slice: Annotated[Duration, Field(ge=1, le=600)] = 60.0
    max_undrained_mb: Annotated[int, Field(ge=1, le=4096)] = 64
    shards_per_job: Annotated[int, Field(ge=1, le=64)] = 2


class Settings(Section):
    """The whole of `orch.toml`."""

    redis: RedisSection = RedisSection()
    worker: WorkerSection = WorkerSection()
    proxies: ProxiesSection = ProxiesSection()
    sites: SitesSection = SitesSection()


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
        rows: list[tuple[str, object, str]] = []
        for section, values in self.settings.model_dump(mode="json").items():
            for name, value in values.items():
                key = f"{section}.{name}"
                rows.append((key, masked(value), self.origins.get(key, "default")))
        return rows


def load(home: Home, overrides: Mapping[str, str] | None = None) -> Config:
    """Read `orch.toml`, then `ORCH_SECTION_KEY` variables, then `overrides` (`a.b` -> text).

    Raises:
        ConfigError: with all problems at once, each naming file, key, value and what is allowed.
    """
    raw = read_toml(home.config_file) if home.config_file.exists() else {}
    origins = _origins(raw, home.config_file.name)
    problems: list[str] = []
    for key, text, origin in [*_environment(), *_set(overrides or {})]:
        section, _, name = key.partition(".")
        if section not in Settings.model_fields or not name:
            problems.append(f"{origin}: no such setting: {key}; `orch config show` lists them all")
            continue
        raw.setdefault(section, {})[name] = _value(text)
        origins[key] = origin
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        problems += describe(error, lambda key: origins.get(key, home.config_file.name), Settings)
    if problems:
        raise ConfigError(tuple(problems), hint="`orch config init` writes a commented example")
    return Config(home, settings, origins, dict(overrides or {}))


def _origins(raw: Mapping[str, Any], name: str) -> dict[str, str]:
    return {
        f"{section}.{key}": name
        for section, values in raw.items()
        if isinstance(values, dict)
        for key in values
    }


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


def _environment() -> list[tuple[str, str, str]]:
    found = []
    for name, text in sorted(os.environ.items()):
        if not name.startswith("ORCH_") or name in RESERVED:
            continue
        section, _, key = name.removeprefix("ORCH_").lower().partition("_")
        found.append((f"{section}.{key}", text, f"${name}"))
    return found


def _set(overrides: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [(key, text, f"--set {key}") for key, text in overrides.items()]


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
