"""`[proxies]` of `orch.toml`: where candidates come from and how they are judged."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from orchestrator.core.section import Duration, Section
from orchestrator.core.service_table import Path, Size, Words  # noqa: TC001  (pydantic reads them)
from orchestrator.core.variables import names, require_names

Scheme = Literal["http", "https", "socks4", "socks5"]

#: What a proxy of a list is made of. `proxy` is all of it, like `socks5://10.0.0.1:1080`.
PARTS = ("proxy", "scheme", "host", "port", "username", "password")


def is_url(source: str) -> bool:
    """Whether a source is fetched and not read; it may begin with a variable.

    >>> is_url("https://example.org/list.txt"), is_url("${LIST}"), is_url("lists/mine.txt")
    (True, True, False)
    """
    return source.lower().startswith(("http://", "https://", "${"))


def _url(text: str) -> str:
    require_names(text)
    if not is_url(text):
        raise ValueError("must start with http:// or https://")
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        raise ValueError("blanks must be written like %20")
    if not text.startswith("${"):
        try:
            parts = urlsplit(re.sub(r"\$\{\w*\}", "1", text))
            _ = parts.port
            there = parts.hostname
        except ValueError:
            there = None
        if not there:
            raise ValueError("must be a URL like https://example.org/list.txt")
    return text


def _source(text: str) -> str:
    if is_url(text):
        return _url(text)
    if "://" in text:
        raise ValueError("each must be a file or an http(s) URL")
    if not text.strip() or "\0" in text:
        raise ValueError("none can be empty, or hold a zero byte")
    return text


def _list(value: object) -> object:
    if isinstance(value, str):
        raise ValueError(f'must be a list: ["{value}"]')  # noqa: TRY004  (pydantic wants it so)
    items = value if isinstance(value, list | tuple) else ()
    if isinstance(value, dict) or any(isinstance(item, dict) for item in items):
        raise ValueError(
            "must be files and URLs; what needs a table is called [proxies.source.NAME]"
        )
    return value


def _plain_words(words: tuple[str, ...]) -> tuple[str, ...]:
    if any(names(word) for word in words):
        raise ValueError(
            "no ${NAME} is put into a command, where `ps` would show it: "
            "the command finds the variable in its environment"
        )
    return words


def _pattern(text: str) -> str:
    try:
        groups = set(re.compile(text, re.MULTILINE).groupindex)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is no regular expression: {error}") from None
    unknown = sorted(groups - set(PARTS))
    if unknown:
        raise ValueError(f"no such group: {unknown[0]}; there are {', '.join(PARTS)}")
    if "proxy" not in groups and not {"host", "port"} <= groups:
        raise ValueError("needs the groups (?P<host>…) and (?P<port>…), or (?P<proxy>…)")
    return text


def _variables(value: str) -> str:
    require_names(value)
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        raise ValueError("cannot hold line breaks or control characters")
    return value


def _header_names(headers: dict[str, str]) -> dict[str, str]:
    wrong = [name for name in headers if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} cannot be the name of a header")
    return headers


Url = Annotated[str, AfterValidator(_url)]
Variables = Annotated[str, AfterValidator(_variables)]
Column = Annotated[str, Field(min_length=1, max_length=256)]


class FieldNames(Section):
    """How a JSON or CSV list calls the parts of a proxy; None: one of the usual names."""

    proxy: Column | None = None
    scheme: Column | None = None
    host: Column | None = None
    port: Column | None = None
    username: Column | None = None
    password: Column | None = None


class SourceTable(Section):
    """`[proxies.source.NAME]`: one list. What may go together is checked by `declared_sources`."""

    file: Path | None = None
    url: Url | None = None
    command: Annotated[Words, AfterValidator(_plain_words)] | None = None
    shell: Path | None = None

    format: Literal["text", "json", "csv"] | None = None
    pattern: Annotated[str, AfterValidator(_pattern)] | None = None
    path: str | None = None
    fields: FieldNames | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    scheme: Scheme | None = None

    headers: Annotated[dict[str, Variables], AfterValidator(_header_names)] | None = None
    user: Variables | None = None
    password: Variables | None = None
    proxy_user: Variables | None = None
    proxy_password: Variables | None = None

    timeout: Annotated[Duration, Field(gt=0, le=600)] | None = None
    max_size: Annotated[Size, Field(ge=1, le=1_000_000_000)] | None = None
    keep: Annotated[Duration, Field(ge=0)] | None = None

    def said(self) -> dict[str, Any]:
        """What was said, as it could stand in a TOML file."""
        return self.model_dump(mode="json", exclude_none=True)

    def templates(self) -> list[str]:
        """Every text in which variables are filled in."""
        texts = (self.url, self.user, self.password, self.proxy_user, self.proxy_password)
        return [text for text in (*texts, *(self.headers or {}).values()) if text]


class ProxiesSection(Section):
    """Where candidates come from and how they are judged."""

    sources: Annotated[
        tuple[Annotated[str, AfterValidator(_source)], ...], BeforeValidator(_list)
    ] = ()
    source: dict[str, SourceTable] = Field(default_factory=dict)
    #: Of addresses without one; None: each is tried as all that it may be.
    default_scheme: Scheme | None = None
    #: The first with http that answers, and the first with https, which sees whether TLS is left alone.
    judges: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "http://httpbin.org/get",
        "https://httpbin.org/get",
    )
    #: A file with authorities that judges' certificates may be from, besides the system's.
    judge_ca: Path | None = None
    check_timeout: Annotated[Duration, Field(gt=0, le=120)] = 8.0
    min_usable: Annotated[int, Field(ge=0)] = 10
    #: Beat refreshes so often; None: only people, cron and too few usable proxies do.
    refresh_every: Annotated[Duration, Field(ge=60)] | None = None
    fresh_for: Annotated[Duration, Field(gt=0)] = 1800.0
    #: Whether users and passwords are in `live_proxies.json` and `.txt`, for programs that read these.
    credentials_in_file: bool = False
    #: For one source, all in all.
    source_timeout: Annotated[Duration, Field(gt=0, le=600)] = 20.0
    #: No list may be larger, in bytes, as it was sent and when it is unpacked.
    source_max_size: Annotated[Size, Field(ge=1, le=1_000_000_000)] = 20_000_000
    #: The last good list of a source that fails counts for so long.
    source_keep: Annotated[Duration, Field(ge=0)] = 86_400.0
    #: Checks at once in one worker child; as many as its open files allow.
    in_flight: Annotated[int, Field(ge=1, le=10_000)] = 4000

    @field_validator("judges")
    @classmethod
    def _http(cls, judges: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [judge for judge in judges if urlsplit(judge).scheme not in {"http", "https"}]
        if wrong:
            raise ValueError(f"{wrong[0]!r} must start with http:// or https://")
        return judges

    @property
    def has_sources(self) -> bool:
        """Whether candidates come from anywhere but people's hands."""
        return bool(self.sources or self.source)
