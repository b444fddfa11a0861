"""Where candidates come from: files and URLs of lists, one proxy a line.

A line that is no proxy is counted, a URL that fails is noted. A file that is not there, or no
source that can be read, is a mistake of the configuration.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from orchestrator.core.errors import ConfigError
from orchestrator.core.mask import mask_url
from proxies.model import Proxy, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.core.settings import ProxiesSection

#: A list may not be larger, in bytes.
LARGEST_LIST = 20_000_000
#: How many bad lines of a source are named.
BAD_LINES_NAMED = 3

_WAYS_OUT = "make the file, or take it out of proxies.sources; `orch config show` shows them"


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What one source gave; `source` has no credentials in it."""

    source: str
    candidates: int = 0
    bad_lines: int = 0
    first_bad: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Every proxy of all sources once, and what each source gave."""

    proxies: tuple[Proxy, ...] = ()
    reports: tuple[SourceReport, ...] = ()


def is_url(source: str) -> bool:
    """Whether a source is fetched and not read.

    >>> is_url("https://example.org/list.txt"), is_url("lists/mine.txt")
    (True, False)
    """
    return source.startswith(("http://", "https://"))


def require_files(sources: Iterable[str], home: Path) -> None:
    """See that every file is there and can be read, before anything starts.

    Raises:
        ConfigError: naming each one that is not.
    """
    problems = []
    for source in sources:
        path = _path(source, home)
        if is_url(source):
            continue
        if "://" in source:
            problems.append(
                f"proxies.sources: {mask_url(source)!r} is neither a file nor an http(s) URL"
            )
        elif not path.is_file():
            problems.append(f"proxies.sources: {path} is not there")
        elif error := _unreadable(path):
            problems.append(f"proxies.sources: {path} cannot be read: {error}")
    if problems:
        raise ConfigError(tuple(problems), hint=_WAYS_OUT)


async def load(settings: ProxiesSection, home: Path, seconds: float) -> Candidates:
    """Read all sources at once, each URL for at most `seconds`.

    Raises:
        ConfigError: a file is not there, or no source at all could be read.
    """
    require_files(settings.sources, home)
    scheme = settings.default_scheme
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds)) as session:
        found = await asyncio.gather(
            *(_one(source, home, scheme, session) for source in settings.sources)
        )
    reports = tuple(report for _, report in found)
    if reports and all(report.error for report in reports):
        problems = (f"proxies.sources: {report.source}: {report.error}" for report in reports)
        raise ConfigError(tuple(problems), hint="no source could be read")
    return Candidates(unique(proxy for proxies, _ in found for proxy in proxies), reports)


def unique(proxies: Iterable[Proxy]) -> tuple[Proxy, ...]:
    """Each identity once; the first one's password counts."""
    kept: dict[str, Proxy] = {}
    for proxy in proxies:
        kept.setdefault(proxy.key, proxy)
    return tuple(kept.values())


def read_list(text: str, source: str, scheme: str) -> tuple[Sequence[Proxy], SourceReport]:
    """Read a list: one proxy a line, `#` starts a comment, what is no proxy is counted."""
    proxies, bad = [], []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        content = "" if line.lstrip().startswith("#") else line.partition(" #")[0].strip()
        if not content:
            continue
        try:
            proxies.append(parse(content, scheme))
        except ValueError as error:
            bad.append(f"line {number}: {error}")
    named = tuple(bad[:BAD_LINES_NAMED])
    return proxies, SourceReport(source, len(proxies), len(bad), named)


async def _one(
    source: str, home: Path, scheme: str, session: aiohttp.ClientSession
) -> tuple[Sequence[Proxy], SourceReport]:
    name = mask_url(source)
    try:
        raw = await _fetch(source, session) if is_url(source) else _read(_path(source, home))
    except TimeoutError:
        return (), SourceReport(name, error="no answer in time")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return (), SourceReport(name, error=str(error).replace(source, name))
    return read_list(raw.decode("utf-8", "replace"), name, scheme)


async def _fetch(url: str, session: aiohttp.ClientSession) -> bytes:
    async with session.get(url, max_redirects=5) as answer:
        if not answer.ok:
            raise ValueError(f"answered {answer.status} {answer.reason}")
        body = bytearray()
        async for piece in answer.content.iter_any():
            body += piece
            _require_small(len(body))
        return bytes(body)


def _path(source: str, home: Path) -> Path:
    return home / Path(source).expanduser()


def _read(path: Path) -> bytes:
    _require_small(path.stat().st_size)
    return path.read_bytes()


def _require_small(size: int) -> None:
    if size > LARGEST_LIST:
        raise ValueError(f"the list is larger than {LARGEST_LIST // 1_000_000} MB")


def _unreadable(path: Path) -> str:
    try:
        path.open("rb").close()
    except OSError as error:
        return error.strerror or str(error)
    return ""
