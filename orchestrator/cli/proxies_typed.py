"""Proxies as they are typed behind a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.core.errors import ConfigError
from proxies.model import SCHEMES, Proxy, candidates_of, parse

if TYPE_CHECKING:
    from collections.abc import Callable

Json = Annotated[bool, typer.Option("--json", help="One JSON value on standard output.")]
Proxies = Annotated[
    list[str],
    typer.Argument(help="scheme://[user:pass@]host:port, or host:port.", metavar="PROXY"),
]


def parsed(
    texts: list[str],
    scheme: str | None,
    bare: Callable[[str], tuple[Proxy, ...]] = candidates_of,
) -> list[tuple[Proxy, ...]]:
    """Read them all; of those without a scheme, and without a default one, `bare` says what they are.

    Raises:
        ConfigError: naming every one that is wrong by its place, as it may hold a password.
    """
    found, problems = [], []
    for place, text in enumerate(texts, 1):
        try:
            found.append((parse(text, scheme),) if scheme else bare(text))
        except ValueError as error:
            problems.append(f"proxy {place}: {error}")
    if problems:
        raise ConfigError(tuple(problems))
    return found


def any_scheme(text: str) -> tuple[Proxy, ...]:
    """Read it as whatever it may be listed as.

    Raises:
        ValueError: as `parse` does.
    """
    if "://" in text:
        return (parse(text),)
    return tuple(parse(f"{scheme}://{text.strip()}") for scheme in SCHEMES)


def typed(meant: tuple[Proxy, ...]) -> str:
    """What was typed of a proxy, masked: without a scheme if it may be several."""
    shown = meant[0].masked
    return shown.partition("://")[2] if len(meant) > 1 else shown
