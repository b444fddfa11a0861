"""`[gateway]` of `orch.toml`: the local address through which any program uses the pool."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from orchestrator.core.section import Duration, Section
from orchestrator.core.service_table import HIGHEST_PORT, Path
from orchestrator.core.variables import require_names

#: Where `orch proxies serve` listens when nothing is said.
LISTEN = "127.0.0.1:8118"


def an_address(text: str) -> str:
    """Return `text` when it is an address to listen on.

    Raises:
        ValueError: it is not.
    """
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isascii() or not re.fullmatch(r"[0-9]{1,5}", port):
        raise ValueError(f"must be ADDRESS:PORT, like {LISTEN}")
    if int(port) > HIGHEST_PORT:
        raise ValueError(f"the port must be a number from 0 to {HIGHEST_PORT}")
    if bare != "localhost":
        try:
            ipaddress.ip_address(bare)
        except ValueError:
            raise ValueError(
                "the address must be an IP address of this machine, or localhost"
            ) from None
    return text


def parts(text: str) -> tuple[str, int]:
    """The host and the port of an address that `an_address` has let pass."""
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]").replace("localhost", "127.0.0.1"), int(port)


def is_open(text: str) -> bool:
    """Whether others than this machine's own programs reach an address."""
    return not ipaddress.ip_address(parts(text)[0]).is_loopback


class GatewaySection(Section):
    """Where the gateway listens, who may use it, and how long it tries."""

    #: With an address, `orch up` runs the service `gateway`.
    listen: Annotated[str, AfterValidator(an_address)] | None = None
    #: What clients must give; `${NAME}` is taken from the environment.
    password: Annotated[str, AfterValidator(require_names), Field(min_length=1)] | None = None
    #: So many upstreams are tried for one request.
    tries: Annotated[int, Field(ge=1, le=16)] = 4
    connect_timeout: Annotated[Duration, Field(gt=0, le=120)] = 5.0
    answer_timeout: Annotated[Duration, Field(gt=0, le=3600)] = 30.0
    max_clients: Annotated[int, Field(ge=1, le=100_000)] = 4096
    #: Statuses by which a site says that it has had enough of an upstream.
    banned: tuple[Annotated[int, Field(ge=400, le=599)], ...] = (429,)
    #: A CSV table `first address,last address,country`, without which no country can be asked for.
    countries: Path | None = None
    #: None: `data/logs/gateway-access.log`; empty: none is written.
    access_log: str | None = None

    @model_validator(mode="after")
    def _closed(self) -> GatewaySection:
        if self.listen is not None and is_open(self.listen) and self.password is None:
            raise ValueError(
                "listen is not a loopback address, so anybody could use your proxies: set password too"
            )
        return self
