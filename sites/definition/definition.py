"""What a person says about a site: one TOML file, validated as a whole, never changed."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from orchestrator.core.host import canonical_host
from orchestrator.gate.limits import SLOWEST, parse_rate
from sites.definition.follow import Follow  # noqa: TC001  (pydantic reads it)
from sites.definition.item import Item  # noqa: TC001  (pydantic reads it)
from sites.definition.limits import Breaker, Limits
from sites.definition.manners import Manners
from sites.definition.runs import Runs
from sites.url import canonical, host_of

#: Also what a folder name and a part of a Redis key may be.
NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"


def _start(url: str) -> str:
    found = canonical(url)
    if found is None:
        raise ValueError("must start with http:// or https:// and name a host")
    if "@" in urlsplit(url.strip()).netloc:
        raise ValueError("must have no login before the host: none is ever sent")
    return found


def _host(host: str) -> str:
    # Looked at as a URL, so that a port may be named; the default one goes either way.
    found = canonical(f"http://{host}/") if "/" not in host and "@" not in host else None
    if found is None:
        raise ValueError("must be a host name like example.com, without http:// and path")
    named = host_of(found)
    # The key of an https page has no :443; whoever names it means that page.
    return named.removesuffix(":443")


def _rate(value: object) -> float:
    rate = parse_rate(value)
    if rate < SLOWEST:
        raise ValueError("must be at least one a day")
    return rate


StartUrl = Annotated[str, AfterValidator(_start)]
Host = Annotated[str, AfterValidator(_host)]
Rate = Annotated[float, BeforeValidator(_rate), Field(le=10_000)]
#: 0 is none of its own.
RateOrNone = Annotated[float, BeforeValidator(parse_rate), Field(ge=0, le=10_000)]


class Definition(Manners, Runs):
    """A site. Its name decides which file is meant; the home's wins over the one shipped."""

    name: Annotated[str, Field(pattern=NAME)]
    start_urls: Annotated[tuple[StartUrl, ...], Field(min_length=1, max_length=1000)]
    allowed_hosts: tuple[Host, ...] = ()
    follow: tuple[Follow, ...] = ()
    #: The name of a class in `sites/<name>.py` of the home.
    python: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    item: Item
    rate: Rate = 2.0
    burst: Annotated[int, Field(ge=1, le=1000)] = 1
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    adaptive: bool = True
    rate_min: RateOrNone = 0.0
    host_rate: RateOrNone = 0.0
    host_burst: Annotated[int, Field(ge=1, le=1000)] = 1
    host_concurrency: Annotated[int, Field(ge=0, le=256)] = 0
    merge_www: bool = False
    breaker: Breaker = Breaker()
    proxies: Literal["never", "prefer", "require"] = "never"
    user_agent: Annotated[str, Field(min_length=1, pattern=r"^[\x20-\x7e]+$")] = "orch"
    contact: Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")] = ""
    #: A browser, whose words and TLS are used in the place of ours.
    impersonate: Literal["chrome", "firefox", "safari"] | None = None
    #: Ask only for what has changed since a run before.
    changed_only: bool = False
    allow_private: bool = False
    limits: Limits = Limits()

    @field_validator("item")
    @classmethod
    def _with_fields(cls, item: Item, info: ValidationInfo) -> Item:
        """Fields come from the site file or from a class of the user's, which knows its own."""
        python = info.data.get("python")
        if not item.fields and not python:
            raise ValueError('must have fields, like [item.fields] title = "h1::text"')
        if python and (item.fields or item.language):
            raise ValueError(f"the class {python} says what the items are: remove it, or fields")
        return item

    @field_validator("rate_min")
    @classmethod
    def _at_most_rate(cls, slowest: float, info: ValidationInfo) -> float:
        if slowest > info.data.get("rate", slowest):
            raise ValueError("must be at most rate")
        return slowest

    @field_validator("host_burst")
    @classmethod
    def _with_a_rate(cls, burst: int, info: ValidationInfo) -> int:
        if burst > 1 and not info.data.get("host_rate", 1.0):
            raise ValueError("means nothing without host_rate")
        return burst

    @model_validator(mode="before")
    @classmethod
    def _no_item_of_its_own(cls, raw: Any) -> Any:
        """With a class of the user's, nothing need be said of items."""
        if isinstance(raw, dict) and raw.get("python"):
            return {"item": {}, **raw}
        return raw

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

    def told(self, *, changed_only: bool) -> Definition:
        """Return what holds for a run that somebody, or its file, wants to ask only for what changed."""
        return self.model_copy(update={"changed_only": self.changed_only or changed_only})

    def going_on(self, began: str) -> Definition:
        """Return what holds from now on for a run that began by another definition, as JSON."""
        return self.told(changed_only=bool(json.loads(began).get("changed_only")))

    def priority_of(self, url: str) -> int:
        """Return when a page has its turn: the lowest first, as the queue counts."""
        return next((-priority for wanted, priority in self._ranks if wanted.search(url)), 0)

    @cached_property
    def _ranks(self) -> list[tuple[re.Pattern[str], int]]:
        ranks = [(rule.match, rule.priority) for rule in self.follow if rule.priority]
        return [(re.compile(match), priority) for match, priority in ranks if match]

    def allows(self, url: str) -> bool:
        """Tell whether the canonical `url` is on an allowed host; one without a port means any."""
        parts = urlsplit(url)
        return (
            parts.netloc in self.allowed_hosts
            or canonical_host(parts.hostname or "") in self.allowed_hosts
        )
