"""One attempt at a download: the requests it takes, and the file that grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.clock import SYSTEM
from orchestrator.core.version import VERSION
from orchestrator.pipelines import address, answer
from orchestrator.pipelines.answer import Moved, Part
from orchestrator.pipelines.line import CalledOff, Trouble
from orchestrator.pipelines.partial import Origin, boot_id
from orchestrator.queue.pipeline import Done, Failure, Outcome, Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from yarl import URL

    from orchestrator.pipelines.line import Line, Patience, Reply
    from orchestrator.pipelines.partial import Partial

MOST_REDIRECTS = 5
PARTIAL_CONTENT = 206
RANGE_NOT_SATISFIABLE = 416

#: What another host may be told that a redirect leads to: nothing in it is a secret.
_FOR_ANYBODY = frozenset({"accept", "accept-encoding", "accept-language", "user-agent"})
_OURS = {
    "User-Agent": f"orch/{VERSION}",
    "Accept": "*/*",
    # Ranges count bytes as they are sent, and so do lengths.
    "Accept-Encoding": "identity",
}


class Download:
    """`order` is a digest of all that was asked for; `polite` waits for our turn at a host."""

    def __init__(
        self,
        line: Line,
        partial: Partial,
        patience: Patience,
        *,
        order: str,
        most: int,
        polite: Callable[[URL], bool],
    ) -> None:
        self._line = line
        self._partial = partial
        self._patience = patience
        self._order = order
        self._most = most
        self._polite = polite

    def run(self, url: URL, headers: Mapping[str, str]) -> Outcome:
        """Download `url`, following redirects.

        Raises:
            Trouble: the network failed; what came is kept where it can be gone on with.
            CalledOff: the job is over.
            OrchError: the file cannot be written.
        """
        origin = self._partial.origin
        if (
            origin and origin.total == self._partial.size
        ):  # it was killed between the last byte and the name
            self._partial.go_on(self._patience.over)
            return self._whole(origin)
        first, redirects = address.origin(url), 0
        while redirects <= MOST_REDIRECTS:
            told = _headers(headers, at_home=address.origin(url) == first)
            found = self._ask(url, told)
            if found is None:
                self._partial.again()
            elif isinstance(found, Moved):
                redirects += 1
                try:
                    url = address.parse(found.target, url)
                except ValueError as error:
                    return Failure(f"redirected to what {error}")
            else:
                return found
        return Failure(f"more than {MOST_REDIRECTS} redirects")

    def _ask(self, url: URL, headers: dict[str, str]) -> Outcome | Moved | None:
        """Make one request; None: what we have is of no use, ask again from zero."""
        origin = self._partial.origin
        resuming = origin is not None and origin.place == address.place(url)
        if origin and resuming:
            headers |= {"Range": f"bytes={self._partial.size}-", "If-Range": origin.proof}
        if not self._polite(url):
            raise CalledOff
        with self._line.ask(url, headers, self._patience) as reply:
            if resuming and reply.status == RANGE_NOT_SATISFIABLE:
                return None
            verdict = answer.judge(reply.status, reply.headers, now=SYSTEM.wall())
            if verdict is not None:
                return verdict
            if reply.status == PARTIAL_CONTENT:
                return self._go_on(reply) if resuming else Retry("a part was sent, unasked")
            return self._begin(url, reply)

    def _begin(self, url: URL, reply: Reply) -> Outcome:
        total = answer.length(reply.headers)
        if total is not None and total > self._most:
            return self._too_big()
        origin = Origin(
            boot=boot_id(),
            order=self._order,
            place=address.place(url),
            url=address.shown(url),
            proof=answer.validator(reply.headers),
            total=total,
            status=reply.status,
            content_type=_text(reply, "Content-Type"),
            content_encoding=_text(reply, "Content-Encoding"),
        )
        self._partial.begin(origin)
        return self._receive(reply, total) or self._whole(origin)

    def _go_on(self, reply: Reply) -> Outcome | None:
        origin, size = self._partial.origin, self._partial.size
        assert origin  # noqa: S101  (without it nobody asks for a part)
        told = answer.continues(reply.headers, size=size, proof=origin.proof, total=origin.total)
        if told is None:
            return None
        self._partial.go_on(self._patience.over)
        return self._receive(reply, told.last + 1) or self._ended(origin, told)

    def _ended(self, origin: Origin, told: Part) -> Outcome:
        if told.total is None or told.last + 1 < told.total:
            raise Trouble("the server sent only a part of the rest")
        return self._whole(origin)

    def _receive(self, reply: Reply, until: int | None) -> Failure | None:
        """Append what comes; it must bring us to `until` bytes exactly, where that is known."""
        while piece := reply.read():
            if self._partial.size + len(piece) > self._most:
                return self._too_big()
            self._partial.append(piece)
        if until is not None and self._partial.size != until:
            size = self._partial.size
            if size > until:
                self._partial.again()
            raise Trouble(f"{size} bytes came where {until} were announced")
        return None

    def _whole(self, origin: Origin) -> Outcome:
        if self._patience.over.is_set():
            raise CalledOff
        size = self._partial.size
        path, digest = self._partial.publish()
        result = {
            "path": str(path),
            "sha256": digest,
            "bytes": size,
            "status": origin.status,
            "content_type": origin.content_type,
            "url": origin.url,
        }
        if origin.content_encoding:  # of a server that does not care what it was asked for
            result["content_encoding"] = origin.content_encoding
        return Done(result)

    def _too_big(self) -> Failure:
        return Failure(f"more than max_mb = {self._most / 1_000_000:g} MB")


def _headers(given: Mapping[str, str], *, at_home: bool) -> dict[str, str]:
    """Ours, under those of the payload; elsewhere than at home only what anybody may know."""
    wanted = {
        name: value for name, value in given.items() if at_home or name.lower() in _FOR_ANYBODY
    }
    theirs = {name.lower() for name in wanted}
    return {name: value for name, value in _OURS.items() if name.lower() not in theirs} | wanted


def _text(reply: Reply, name: str) -> str:
    """A header for a record; aiohttp lets odd bytes be surrogates, which nobody can store."""
    return reply.headers.get(name, "").encode("utf-8", "replace").decode()[:200]
