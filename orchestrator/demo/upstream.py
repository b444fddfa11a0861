"""The forward proxies of the demo's world: which there are, and how the bad ones are bad."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core.errors import Unavailable

#: What a direct connection comes from.
OUR_ADDRESS = "127.0.0.1"


class Kind(StrEnum):
    """What a proxy of the demo does, in the words of the table that people see."""

    HONEST = "honest"
    ANNOUNCING = "announces itself"
    CLOSED = "closed port"
    SILENT = "never answers"
    OWN_ADDRESS = "leaves from our own address"
    ALTERING = "alters pages"


@dataclass(frozen=True, slots=True)
class Plan:
    """A proxy to be started: the scheme it is listed with, and the address it leaves from."""

    label: str
    scheme: str
    kind: Kind
    leave_from: str = ""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A proxy that runs (or, for a closed port, does not)."""

    plan: Plan
    port: int

    @property
    def label(self) -> str:
        """Its name in tables and logs."""
        return self.plan.label

    @property
    def kind(self) -> Kind:
        """What it does."""
        return self.plan.kind

    @property
    def url(self) -> str:
        """What stands in the list of proxies."""
        return f"{self.plan.scheme}://127.0.0.1:{self.port}"

    @property
    def good(self) -> bool:
        """Whether it is honest: a check must find it usable and elite."""
        return self.kind is Kind.HONEST


#: Two thirds are good, each with its own exit address; the others are bad, each in its own way.
PLANS: tuple[Plan, ...] = (
    Plan("good-1", "http", Kind.HONEST, "127.0.0.11"),
    Plan("good-2", "http", Kind.HONEST, "127.0.0.12"),
    Plan("good-3", "http", Kind.HONEST, "127.0.0.13"),
    Plan("good-4", "https", Kind.HONEST, "127.0.0.14"),
    Plan("good-5", "socks4", Kind.HONEST, "127.0.0.15"),
    Plan("good-6", "socks5", Kind.HONEST, "127.0.0.16"),
    Plan("good-7", "socks5", Kind.HONEST, "127.0.0.17"),
    Plan("good-8", "socks5", Kind.HONEST, "127.0.0.18"),
    Plan("closed", "http", Kind.CLOSED),
    Plan("silent", "http", Kind.SILENT),
    Plan("announcing", "http", Kind.ANNOUNCING, "127.0.0.21"),
    Plan("own-address", "http", Kind.OWN_ADDRESS),
    Plan("altering", "http", Kind.ALTERING, "127.0.0.22"),
)


def require_addresses(plans: tuple[Plan, ...] = PLANS) -> None:
    """Make sure that this machine has the addresses that the proxies leave from.

    Raises:
        Unavailable: it has not. Linux has all of 127.0.0.0/8, macOS only 127.0.0.1 at first.
    """
    missing = [
        plan.leave_from for plan in plans if plan.leave_from and not _is_ours(plan.leave_from)
    ]
    if missing:
        raise Unavailable(
            f"this machine lacks addresses for the demo's proxies: {', '.join(missing)}",
            hint=f"for a in {' '.join(missing)}; do sudo ifconfig lo0 alias $a; done",
        )


def _is_ours(address: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
