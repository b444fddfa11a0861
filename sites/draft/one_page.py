"""One page, for somebody who looks at it now: no job, no gate, no proxy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from orchestrator.core.errors import ConfigError, OrchError
from sites.fetch.answer import Failed, Moved, Page
from sites.fetch.transport import Transport
from sites.url import canonical

if TYPE_CHECKING:
    from pathlib import Path

    from sites.definition.definition import Definition

_MEDIA = {
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "application/xhtml+xml",
    ".json": "application/json",
    ".xml": "application/xml",
    ".txt": "text/plain",
    ".gz": "application/gzip",
}


def from_file(path: Path) -> Page:
    """Return a page that somebody saved.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        body = path.read_bytes()
    except OSError as error:
        raise ConfigError((f"{path}: {error.strerror or error}",)) from error
    return Page(200, body, _MEDIA.get(path.suffix.lower(), "text/html"), size=len(body))


def address(url: str) -> str:
    """Return the canonical spelling of a URL that somebody typed.

    Raises:
        ConfigError: it is none.
    """
    found = canonical(url) or (None if "://" in url else canonical(f"https://{url}"))
    if found is None or (canonical(url) is None and "." not in url):
        raise ConfigError((f"{url}: is no URL; it starts with http:// or https://",))
    return found


def fetch(definition: Definition, url: str) -> tuple[Page, str]:
    """Ask for a page as a job of the site would, following redirects; return it and where it was.

    Raises:
        ConfigError: the site is asked through proxies only, which this would not be.
        OrchError: no page came.
    """
    if definition.proxies == "require":
        raise ConfigError(
            (f"{definition.name}: proxies = 'require', and this would ask without one",),
            hint="save the page, then --file it",
        )
    return asyncio.run(_fetch(definition, url))


async def _fetch(definition: Definition, url: str) -> tuple[Page, str]:
    async with Transport(definition) as transport:
        for _ in range(definition.limits.redirects + 1):
            answer = await transport.get(url, None)
            if isinstance(answer, Page):
                return answer, url
            if isinstance(answer, Failed):
                raise OrchError(f"{url}: {answer.reason}", hint=_hint(answer))
            if isinstance(answer, Moved):
                url = _target(answer, url)
    raise OrchError(f"{url}: more than {definition.limits.redirects} redirects")


def _target(moved: Moved, url: str) -> str:
    target = canonical(moved.target, url)
    if target is None:
        raise OrchError(f"{url}: redirects to {moved.target[:200]!r}, which is no page")
    return target


def _hint(failed: Failed) -> str:
    inside = failed.kind == "forbidden"
    return "allow_private = true in the site file, if that is meant" if inside else ""
