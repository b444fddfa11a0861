"""A list on a server: asked whether it has changed, bounded in time and size, packed or not."""

from __future__ import annotations

import base64
import hashlib
import threading
from typing import TYPE_CHECKING
from urllib.parse import unquote

from orchestrator.core.clock import SYSTEM
from orchestrator.core.unpack import ACCEPTED_ENCODINGS, TooBig, Unreadable, unpacker
from orchestrator.core.variables import filled, filled_url
from orchestrator.core.version import VERSION
from orchestrator.pipelines import address, answer
from orchestrator.pipelines.answer import Moved
from orchestrator.pipelines.line import SHARED, Patience, Trouble
from proxies.sources.body import Body, Proof, require_small
from proxies.sources.failure import TOO_LATE, SourceFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yarl import URL

    from orchestrator.pipelines.line import Reply
    from proxies.sources.source import Source, Surroundings

MOST_REDIRECTS = 5
#: Bytes of a header that proves something; a longer one is not worth keeping.
_LONGEST_PROOF = 1000
_NOT_MODIFIED = 304

_OURS = {
    "User-Agent": f"orch/{VERSION}",
    "Accept": "*/*",
    "Accept-Encoding": ACCEPTED_ENCODINGS,
}


def fetch(source: Source, here: Surroundings, known: Proof | None) -> Body | None:
    """Fetch it, following redirects; None when it is the same as what `known` is the proof of.

    Raises:
        SourceFailed: no whole list came; the text has nothing of the URL in it.
    """
    url = _address(source.table.url or "", here.environment)
    patience = Patience(here.deadline, threading.Event())
    place = hashlib.sha256(str(url).encode()).hexdigest()
    same = known if known and known.place == place else Proof()
    headers = _headers(source, here.environment, url) | _if_changed(same)
    try:
        return _follow(source, url.with_user(None), headers, patience, place)
    except Trouble as error:
        raise SourceFailed(TOO_LATE if here.deadline.passed else str(error)) from None
    except ValueError:  # its text may have a secret in it
        raise SourceFailed("its URL or a header cannot be sent") from None


def _address(template: str, environment: Mapping[str, str]) -> URL:
    try:
        return address.parse(filled_url(template, environment))
    except UnicodeError:
        raise SourceFailed("a variable in its URL is no text") from None
    except ValueError as error:
        raise SourceFailed(f"its URL {error}") from None


def _follow(
    source: Source, url: URL, headers: Mapping[str, str], patience: Patience, place: str
) -> Body | None:
    first = address.origin(url)
    for _ in range(MOST_REDIRECTS + 1):
        # Elsewhere than at home nobody is told more than anybody may know.
        told = dict(headers) if address.origin(url) == first else _public(headers)
        with SHARED.get().ask(url, told, patience) as reply:
            if reply.status == _NOT_MODIFIED and _asks(headers):
                return None
            verdict = answer.judge(reply.status, reply.headers, now=SYSTEM.wall())
            if verdict is None:
                return _body(reply, source.max_size, place)
        if not isinstance(verdict, Moved):
            raise SourceFailed(f"answered {answer.named(reply.status)}")
        try:
            url = address.parse(verdict.target, url).with_user(None)
        except ValueError as error:
            raise SourceFailed(f"redirected to what {error}") from None
    raise SourceFailed(f"more than {MOST_REDIRECTS} redirects")


def _body(reply: Reply, most: int, place: str) -> Body:
    require_small(answer.length(reply.headers) or 0, most)
    parts: list[bytes] = []
    sent = size = 0
    try:
        unpack = unpacker(reply.headers.get("Content-Encoding", ""))
        while piece := reply.read():
            sent += len(piece)
            part = unpack(piece, most + 1 - size)
            size += len(part)
            require_small(max(sent, size), most)
            parts.append(part)
        unpack.finish()
    except (TooBig, Unreadable) as error:
        raise SourceFailed(str(error)) from None
    etag, modified = (_proof(reply, name) for name in ("ETag", "Last-Modified"))
    return Body(b"".join(parts), _charset(reply), Proof(place, etag, modified))


def _headers(source: Source, environment: Mapping[str, str], url: URL) -> dict[str, str]:
    """Ours, under the user's own; who has a password is told so, unless a header does."""
    given = (source.table.headers or {}).items()
    wanted = {name: filled(text, environment) for name, text in given}
    return (
        _OURS | _login(source, environment, url) | wanted
    )  # of two spellings the last one is sent


def _login(source: Source, environment: Mapping[str, str], url: URL) -> dict[str, str]:
    user, password = url.user or "", url.password or ""
    if source.table.user:
        said = (source.table.user, source.table.password or "")
        user, password = (filled(text, environment) for text in said)
    secret = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {secret}"} if user or password else {}


def _if_changed(proof: Proof) -> dict[str, str]:
    conditions = {"If-None-Match": proof.etag, "If-Modified-Since": proof.modified}
    return {name: value for name, value in conditions.items() if value}


def _asks(headers: Mapping[str, str]) -> bool:
    return "If-None-Match" in headers or "If-Modified-Since" in headers


def _public(headers: Mapping[str, str]) -> dict[str, str]:
    public = {"user-agent", "accept", "accept-encoding", "if-none-match", "if-modified-since"}
    return {name: value for name, value in headers.items() if name.lower() in public}


def _proof(reply: Reply, name: str) -> str:
    value = reply.headers.get(name, "").strip()
    plain = value.isascii() and value.isprintable() and len(value) <= _LONGEST_PROOF
    return value if plain else ""


def _charset(reply: Reply) -> str:
    kind = reply.headers.get("Content-Type", "")
    _, _, rest = kind.lower().partition("charset=")
    return unquote(rest.partition(";")[0]).strip(" \"'")[:40]
