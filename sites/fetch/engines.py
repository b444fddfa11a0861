"""Which engine asks for the pages of a site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sites.fetch.extras import need_engine
from sites.fetch.lean.engine import LeanEngine

if TYPE_CHECKING:
    from sites.definition.definition import Definition
    from sites.fetch.exchange import Engine


def engine_of(definition: Definition) -> Engine:
    """Return the engine that the site's file wants, made in the running event loop.

    Raises:
        ConfigError: it is not installed.
    """
    if not definition.impersonate:
        return LeanEngine(definition)
    need_engine(definition)
    from sites.fetch.impersonating.engine import ImpersonatingEngine  # noqa: PLC0415 (an extra)

    return ImpersonatingEngine(definition)
