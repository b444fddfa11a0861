"""What a list says: text, JSON or CSV becomes proxies, and what is no proxy is counted."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from proxies.model import Proxy, candidates_of, parse
from proxies.sources import matching
from proxies.sources.failure import SourceFailed, clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orchestrator.core.clock import Deadline
    from orchestrator.core.proxies_section import FieldNames, SourceTable

#: How many bad lines of a source are named.
BAD_LINES_NAMED = 3
#: A list may not name more proxies.
MOST_ENTRIES = 500_000
#: No line that names a proxy is longer, in characters.
_LONGEST = 2048
#: What the parts of a proxy are called when nobody says it, without regard to letter case.
_USUAL = {
    "proxy": ("proxy", "url"),
    "scheme": ("scheme", "protocol", "protocols"),
    "host": ("host", "ip", "address", "addr", "ip_address", "proxy_address"),
    "port": ("port",),
    "username": ("username", "user", "login"),
    "password": ("password", "pass"),
}
#: So many names of columns or fields are told.
_NAMES_TOLD = 12

#: Parts of a proxy by the names in `core.proxies_section.PARTS`; a list may be of any kind.
Parts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Manner:
    """How a list is read: as its table says, with the scheme of what names none; None: all it may be."""

    table: SourceTable
    scheme: str | None = None
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(slots=True)
class Listing:
    """The proxies of a list, each once, and how many lines (or entries) are none."""

    proxies: dict[str, Proxy] = field(default_factory=dict)
    bad: int = 0
    first_bad: list[str] = field(default_factory=list)

    @property
    def addresses(self) -> int:
        """How many it names; one that may be http and socks5 is one."""
        return len({(proxy.username, proxy.address) for proxy in self.proxies.values()})


def read(text: str, manner: Manner, deadline: Deadline) -> Listing:
    """Read a list.

    Raises:
        SourceFailed: it is not of the form that its table says, or a pattern took too long.
    """
    form = manner.table.format or "text"
    if form == "json":
        rows = _json(text, manner.table)
    elif form == "csv":
        rows = _csv(text, manner.table)
    elif manner.table.pattern:
        found = matching.find(manner.table.pattern, text, MOST_ENTRIES + 1, deadline)
        rows = ((f"match {number}", parts) for number, parts in enumerate(found, 1))
    else:
        rows = _lines(text)
    return _taken(rows, manner)


def _taken(rows: Iterable[tuple[str, Parts]], manner: Manner) -> Listing:
    listing = Listing()
    for where, parts in rows:
        try:
            for proxy in _proxies(parts, manner):
                listing.proxies.setdefault(proxy.key, proxy)
        except ValueError as error:
            listing.bad += 1
            if len(listing.first_bad) < BAD_LINES_NAMED:
                listing.first_bad.append(f"{where}: {error}")
        if len(listing.proxies) > MOST_ENTRIES:
            raise SourceFailed(f"names more than {MOST_ENTRIES} proxies")
    return listing


def decode(body: bytes, charset: str = "") -> str:
    r"""Text of a list: by its byte order mark, as UTF-8, as it was declared, or as Latin-1.

    What names a proxy is ASCII, so that a wrong declaration does no harm.

    >>> decode("10.0.0.1:80".encode("utf-16")), decode(b"caf\xe9", "nonsense")
    ('10.0.0.1:80', 'café')
    """
    for mark, name in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if body.startswith(mark):
            return body[2:].decode(name, "replace")
    if body[1:2] == b"\0":  # Windows writes UTF-16 also without a mark
        return body.decode("utf-16-le", "replace")
    for name in ("utf-8-sig", charset):
        try:
            if name and "16" not in name and "32" not in name:
                return body.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    return body.decode("latin-1")


def _lines(text: str) -> Iterator[tuple[str, Parts]]:
    for number, line in enumerate(text.splitlines(), 1):
        content = "" if line.lstrip().startswith("#") else line.partition(" #")[0].strip()
        if content:
            yield f"line {number}", {"proxy": content}


def _json(text: str, table: SourceTable) -> Iterator[tuple[str, Parts]]:
    try:
        found = json.loads(text)
    except RecursionError:
        raise SourceFailed("is no JSON that can be read: nested too deeply") from None
    except ValueError as error:
        raise SourceFailed(f"is no JSON: {error}") from None
    steps = table.path.split(".") if table.path else []
    for place, step in enumerate(steps):
        found = _step(found, step, ".".join(steps[:place]))
    if not isinstance(found, list):
        where = f"at {table.path!r}" if table.path else "as a whole"
        raise SourceFailed(f"is no list {where}, but {_kind(found)}; `path` says where the list is")
    for number, entry in enumerate(found, 1):
        yield f"entry {number}", _entry(entry, table.fields)


def _step(found: Any, step: str, before: str) -> Any:
    """Go one step of a path: into an object by its key, into a list by its number."""
    where = f"at {before!r}" if before else "as a whole"
    if isinstance(found, dict):
        if step in found:
            return found[step]
        raise SourceFailed(f"has no {step!r} {where}; there are {_told(found)}")
    if isinstance(found, list) and step.isascii() and step.isdigit() and int(step) < len(found):
        return found[int(step)]
    raise SourceFailed(f"has no {step!r} {where}: that is {_kind(found)}")


def _entry(entry: Any, fields: FieldNames | None) -> Parts:
    if isinstance(entry, str):
        return {"proxy": entry}
    if not isinstance(entry, dict):
        return {}
    lower = {name.lower(): name for name in entry}
    found = {}
    for part, usual in _USUAL.items():
        said = getattr(fields, part) if fields else None
        if said:
            found[part] = _deep(entry, said)
        else:
            found[part] = next((entry[lower[name]] for name in usual if name in lower), None)
    return _sure(found, fields)


def _sure(parts: Parts, fields: FieldNames | None) -> Parts:
    """What is merely called `url` may be anything: host and port beat it."""
    said = fields is not None and fields.proxy
    if parts.get("host") is not None and parts.get("port") is not None and not said:
        parts.pop("proxy", None)
    return parts


def _deep(entry: dict[str, Any], name: str) -> Any:
    """A field by its name, or by names with dots in between for one inside another."""
    if name in entry:
        return entry[name]
    outer, _, inner = name.partition(".")
    inside = entry.get(outer)
    return _deep(inside, inner) if inner and isinstance(inside, dict) else None


def _csv(text: str, table: SourceTable) -> Iterator[tuple[str, Parts]]:
    reader = csv.reader(io.StringIO(text), delimiter=table.delimiter or ",")
    try:
        header = next((row for row in reader if any(cell.strip() for cell in row)), None)
        if header is None:
            return
        columns = _columns(header, table.fields)
        for row in reader:
            if any(cell.strip() for cell in row):
                cells = {part: row[at].strip() for part, at in columns.items() if at < len(row)}
                yield f"line {reader.line_num}", cells
    except csv.Error as error:
        raise SourceFailed(f"is no CSV: line {reader.line_num}: {error}") from None


def _columns(header: list[str], fields: FieldNames | None) -> dict[str, int]:
    """Which column each part of a proxy is in."""
    names = [cell.strip().lower() for cell in header]
    found = {}
    for part, usual in _USUAL.items():
        said = getattr(fields, part) if fields else None
        wanted = (said.strip().lower(),) if said else usual
        at = next((names.index(name) for name in wanted if name in names), None)
        if at is not None:
            found[part] = at
        elif said:
            raise SourceFailed(f"has no column {said!r}; there are {_told(header)}")
    if "proxy" not in found and not {"host", "port"} <= found.keys():
        text = f"has no columns for host and port; `fields` names them; there are {_told(header)}"
        raise SourceFailed(text)
    return _sure(found, fields)


def _proxies(parts: Mapping[str, Any], manner: Manner) -> Iterator[Proxy]:
    """Make proxies of the parts of one, for each scheme that it names."""
    texts = {name: _text(value) for name, value in parts.items() if name != "scheme"}
    line = texts.get("proxy") or _address(texts)
    if len(line) > _LONGEST:
        raise ValueError(f"longer than {_LONGEST} characters")
    schemes = [] if "://" in line else _schemes(parts.get("scheme"))
    for proxy in _read(line, schemes, manner):
        if manner.username and not proxy.username:
            yield Proxy(proxy.scheme, proxy.host, proxy.port, manner.username, manner.password)
        else:
            yield proxy


def _read(line: str, schemes: list[str], manner: Manner) -> Iterator[Proxy]:
    if schemes:
        yield from (parse(f"{scheme}://{line}") for scheme in schemes)
    elif manner.scheme:
        yield parse(line, manner.scheme)
    else:
        yield from candidates_of(line)


def _address(texts: Mapping[str, str]) -> str:
    host, port = texts.get("host", ""), texts.get("port", "")
    if not host or not port:
        raise ValueError(f"has no {'port' if host else 'host'}")
    if re.search(r"[\s@/]", host):
        raise ValueError("that is not the name of a host")
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    user, secret = (quote(texts.get(name, ""), safe="") for name in ("username", "password"))
    return f"{user}:{secret}@{host}:{port}" if user else f"{host}:{port}"


def _schemes(value: Any) -> list[str]:
    """The schemes that an entry names, in whatever way; one or several."""
    words = [_text(item) for item in value] if isinstance(value, list) else [_text(value)]
    return [name for word in words for name in re.split(r"[\s,;/|]+", word.lower()) if name]


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    plain = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value).strip() if plain else ""


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object with {_told(value)}"
    names = {list: "a list", str: "a text", type(None): "null", bool: "true or false"}
    return names.get(type(value), "a number")


def _told(names: Iterable[str]) -> str:
    told = [clean(name, 40) for name in names]
    more = f" and {len(told) - _NAMES_TOLD} more" if len(told) > _NAMES_TOLD else ""
    return (", ".join(told[:_NAMES_TOLD]) or "none") + more
