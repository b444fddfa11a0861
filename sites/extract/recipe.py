"""What decides what a page gives: by another recipe, a page that has not changed is read anew."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from orchestrator.core.version import VERSION
from sites.extract.own_class import source_of

if TYPE_CHECKING:
    from sites.definition.definition import Definition
    from sites.scraper import Scraper

_DECIDES: dict[str, Any] = {
    "item": True,
    "follow": True,
    "python": True,
    "allowed_hosts": True,
    "limits": {"links_per_page"},
}


def recipe_of(definition: Definition, own: Scraper | None) -> str:
    """Return a digest of it; `own` is the site's class of the user's, whose own file counts."""
    parts = f"{VERSION}\n{definition.model_dump_json(include=_DECIDES)}\n".encode()
    return hashlib.blake2b(parts + source_of(own), digest_size=12).hexdigest()
