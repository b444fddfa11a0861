"""`[service.NAME]`: a service of the user's own, or what is tuned of one of ours.

Every key is optional here and None means that nothing was said: what a service of the user's own must
have, and what of ours cannot be changed, is checked over all tables together (`core.declared`).
"""

from __future__ import annotations

import ipaddress
import json
import re
import shlex
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from orchestrator.core import size
from orchestrator.core.section import Duration, Section

#: Signals that a service may be sent to end.
SIGNALS = ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "ABRT", "ALRM", "WINCH", "KILL")
#: Signals that programs take to open their logs anew; another would end it at every rotation.
REOPEN_SIGNALS = ("HUP", "USR1", "USR2", "WINCH")

#: The keys of a probe of which each names a way to ask.
TARGETS = ("http", "tcp", "exec", "file", "after")

HIGHEST_PORT = 65_535


def _words(value: object) -> object:
    if isinstance(value, str):
        try:
            meant: list[str] = shlex.split(value)
        except ValueError:
            meant = value.split()
        text = f"must be a list of words: {json.dumps(meant)}"
        raise ValueError(text)  # noqa: TRY004  (pydantic wants it so)
    if isinstance(value, list) and (not value or value[0] == ""):
        raise ValueError("must name a program")
    if isinstance(value, list) and any("\0" in word for word in value if isinstance(word, str)):
        raise ValueError("no word can hold a zero byte")
    return value


def _signal(value: object) -> str:
    name = str(value).upper().removeprefix("SIG")
    if name not in SIGNALS:
        raise ValueError(f"no such signal; there are {', '.join(SIGNALS)}")
    return name


def _reopen(value: object) -> str:
    name = str(value).upper().removeprefix("SIG")
    if name not in REOPEN_SIGNALS:
        raise ValueError(f"no signal to open a log on; there are {', '.join(REOPEN_SIGNALS)}")
    return name


def _yes_or_no(value: object) -> object:
    if not isinstance(value, bool):
        raise ValueError("must be true or false, without quotes")  # noqa: TRY004  (pydantic wants it so)
    return value


def _http(value: object) -> str:
    text = str(value)
    parts = urlsplit(text)
    if parts.scheme == "https":
        raise ValueError('https is not spoken here; use exec = ["curl", "-fs", URL]')
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("must be a URL like http://127.0.0.1:8080/health")
    if parts.username or parts.password:
        raise ValueError("no user and password are sent; use exec")
    if not re.fullmatch(r"[!-~]*", text):
        raise ValueError("blanks, and what is not ASCII, must be written like %20")
    _port(parts.netloc.rpartition(":")[2] if _names_port(parts.netloc) else "80")
    _host(parts.hostname)
    return text


def _tcp(value: object) -> str:
    text = str(value)
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise ValueError("must be HOST:PORT, like 127.0.0.1:5555")
    _port(port)
    _host(host.removeprefix("[").removesuffix("]"))
    return text


def _names_port(netloc: str) -> bool:
    return ":" in netloc.rpartition("]")[2]


def _port(text: str) -> None:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= HIGHEST_PORT):
        raise ValueError(f"the port must be a number from 1 to {HIGHEST_PORT}")


def _host(name: str) -> None:
    """A lookup would make the supervisor wait for a name server, and its services with it."""
    if name == "localhost":
        return
    try:
        ipaddress.ip_address(name)
    except ValueError:
        raise ValueError("the host must be an IP address or localhost") from None


def _environment(value: object) -> object:
    if not isinstance(value, dict):
        return value
    ours = sorted(name for name in value if name.startswith("ORCH_"))
    if ours:
        raise ValueError(f"variables that begin with ORCH_ are set by orch alone: {ours[0]}")
    if any(not name or "=" in name or "\0" in f"{name}{text}" for name, text in value.items()):
        raise ValueError("a name cannot be empty or hold a =, and nothing can hold a zero byte")
    return value


def _text(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f'write it as "{str(value).lower()}"')  # noqa: TRY004  (pydantic wants it so)
    return str(value) if isinstance(value, int | float) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Signal = Annotated[str, BeforeValidator(_signal)]
ReopenSignal = Annotated[str, BeforeValidator(_reopen)]
Text = Annotated[str, BeforeValidator(_text)]
Size = Annotated[int, BeforeValidator(size.parse)]
Path = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$")]


class ProbeTable(Section):
    """`ready` or `alive`: one way to ask, and how often."""

    http: Annotated[str, BeforeValidator(_http)] | None = None
    tcp: Annotated[str, BeforeValidator(_tcp)] | None = None
    exec: Words | None = None
    file: Path | None = None
    after: Annotated[Duration, Field(ge=0, le=3600)] | None = None
    every: Annotated[Duration, Field(ge=0.05, le=3600)] | None = None
    timeout: Annotated[Duration, Field(ge=0.01, le=600)] | None = None
    threshold: Annotated[int, Field(ge=1, le=1000)] | None = None
    max_age: Annotated[Duration, Field(ge=0, le=86_400)] | None = None

    @property
    def asks(self) -> bool:
        """Whether it names a way to ask."""
        return any(getattr(self, name) is not None for name in TARGETS)


class ServiceTable(Section):
    """One `[service.NAME]`."""

    command: Words | None = None
    needs: tuple[str, ...] | None = None
    ready: ProbeTable | None = None
    alive: ProbeTable | None = None
    start_timeout: Annotated[Duration, Field(gt=0, le=3600)] | None = None
    grace: Annotated[Duration, Field(ge=0, le=3600)] | None = None
    stop_signal: Signal | None = None
    restart: Literal["always", "on-failure", "never"] | None = None
    restart_limit: Annotated[int, Field(ge=1, le=1000)] | None = None
    restart_window: Annotated[Duration, Field(gt=0, le=86_400)] | None = None
    env: Annotated[dict[str, Text], BeforeValidator(_environment)] | None = None
    cwd: Path | None = None
    memory_limit: Size | None = None
    log_size: Size | None = None
    log_keep: Annotated[int, Field(ge=1, le=100)] | None = None
    log_reopen: ReopenSignal | None = None
    auto: Annotated[bool, BeforeValidator(_yes_or_no)] | None = None

    def said(self) -> dict[str, Any]:
        """What was said, as it could stand in a TOML file; lengths in seconds, sizes in bytes."""
        return self.model_dump(mode="json", exclude_none=True)
