"""What a person says about a site: one TOML file, validated as a whole, never changed."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from orchestrator.core import duration
from sites.selector import Selector, check_css
from sites.url import canonical, canonical_host, host_of

Duration = Annotated[float, BeforeValidator(duration.parse)]

#: Also what a folder name and a part of a Redis key may be.
NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"

_RATE = re.compile(r"(\d+(?:\.\d+)?)/([smh])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse_rate(value: object) -> float:
    """Requests per second of `5`, `"5/s"`, `"120/m"` or `"600/h"`.

    >>> parse_rate("120/m")
    2.0
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    found = _RATE.fullmatch(str(value).replace(" ", ""))
    if not found:
        raise ValueError("write requests per time, like 5/s, 120/m or 600/h")
    return float(found[1]) / _SECONDS[found[2]]


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"this regular expression cannot be understood: {error}") from None
    return text


def _selector(text: str) -> str:
    Selector.parse(text)
    return text


def _css(text: str) -> str:
    if "::" in text:
        raise ValueError("must be plain CSS, without ::text or ::attr(): it chooses elements")
    check_css(text)
    return text


def _start(url: str) -> str:
    found = canonical(url)
    if found is None:
        raise ValueError("must start with http:// or https:// and name a host")
    return found


def _host(host: str) -> str:
    # Looked at as a URL, so that a port may be named; the default one goes either way.
    found = canonical(f"http://{host}/") if "/" not in host and "@" not in host else None
    if found is None:
        raise ValueError("must be a host name like example.com, without http:// and path")
    named = host_of(found)
    # The key of an https page has no :443; whoever names it means that page.
    return named.removesuffix(":443")


Expression = Annotated[str, AfterValidator(_expression)]
SelectorText = Annotated[str, AfterValidator(_selector)]
Css = Annotated[str, AfterValidator(_css)]
StartUrl = Annotated[str, AfterValidator(_start)]
Host = Annotated[str, AfterValidator(_host)]
Rate = Annotated[float, BeforeValidator(parse_rate), Field(gt=0, le=10_000)]


class Part(BaseModel):
    """A table of a site file: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Follow(Part):
    """Which links of a page lead on: plain CSS means the `href`, `match` and `exclude` see the URL."""

    css: SelectorText = "a::attr(href)"
    match: Expression | None = None
    exclude: Expression | None = None


class FieldRule(Part):
    """Where the value of a field is. `match` cuts it out of the text, by its first group if any."""

    css: SelectorText
    type: Literal["text", "int", "float", "money", "url", "list", "count"] = "text"
    match: Expression | None = None
    required: bool = False


class Item(Part):
    """What is taken from a page: one item of each element that `css` matches, else of the page.

    `match` is a regular expression: only pages whose URL it finds have items. An item without a
    required field is none.
    """

    css: Css | None = None
    match: Expression | None = None
    fields: Annotated[dict[str, FieldRule], Field(min_length=1)]

    @field_validator("fields", mode="before")
    @classmethod
    def _short_form(cls, fields: Any) -> Any:
        """Read `title = "h1::text"` as `title = { css = "h1::text" }`."""
        if not isinstance(fields, dict):
            return fields
        return {
            name: {"css": rule} if isinstance(rule, str) else rule for name, rule in fields.items()
        }

    @field_validator("fields")
    @classmethod
    def _names(cls, fields: dict[str, FieldRule]) -> dict[str, FieldRule]:
        wrong = [name for name in fields if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_]*", name)]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no field name: letters, digits and _ only")
        return fields


class Limits(Part):
    """Bounds, so that no site and no mistake makes a job endless."""

    pages: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    depth: Annotated[int, Field(ge=0, le=1000)] = 50
    links_per_page: Annotated[int, Field(ge=1, le=5000)] = 1000
    redirects: Annotated[int, Field(ge=0, le=20)] = 5
    attempts: Annotated[int, Field(ge=1, le=20)] = 5
    timeout: Annotated[Duration, Field(ge=0.1, le=300)] = 20.0
    body_mb: Annotated[float, Field(gt=0, le=100)] = 5.0
    proxy_wait: Annotated[Duration, Field(ge=0, le=600)] = 15.0


class Definition(Part):
    """A site. Its name decides which file is meant; the home's wins over the one shipped."""

    name: Annotated[str, Field(pattern=NAME)]
    start_urls: Annotated[tuple[StartUrl, ...], Field(min_length=1, max_length=1000)]
    allowed_hosts: tuple[Host, ...] = ()
    follow: tuple[Follow, ...] = ()
    item: Item
    rate: Rate = 2.0
    burst: Annotated[int, Field(ge=1, le=1000)] = 1
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    proxies: Literal["never", "prefer", "require"] = "never"
    user_agent: Annotated[str, Field(min_length=1, pattern=r"^[\x20-\x7e]+$")] = "orch"
    contact: Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")] = ""
    allow_private: bool = False
    limits: Limits = Limits()

    @model_validator(mode="before")
    @classmethod
    def _hosts_of_the_start(cls, raw: Any) -> Any:
        """Without `allowed_hosts`, those of the start URLs are meant."""
        if isinstance(raw, dict) and not raw.get("allowed_hosts"):
            urls = raw.get("start_urls")
            found = [canonical(url) for url in urls if isinstance(url, str)] if urls else []
            hosts = dict.fromkeys(host_of(url) for url in found if url)
            return {**raw, "allowed_hosts": tuple(hosts)}
        return raw

    @property
    def agent(self) -> str:
        """What we call ourselves to the site: who we are, and whom to write to."""
        return f"{self.user_agent} (+{self.contact})" if self.contact else self.user_agent

    def allows(self, url: str) -> bool:
        """Tell whether the canonical `url` is on an allowed host; one without a port means any."""
        parts = urlsplit(url)
        return (
            parts.netloc in self.allowed_hosts
            or canonical_host(parts.hostname or "") in self.allowed_hosts
        )
