"""Whether an answer is a challenge or a block that pretends to be a page: evidence is weighed.

A page is none for carrying a vendor's script, for having a form with a captcha, or for being about
them: what all challenges have in common is that there is next to nothing to read on them, and that they
speak to somebody who is taken for a robot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sites.fetch import block_evidence as evidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sites.definition.manners import Block
    from sites.fetch.block_evidence import Seen, Sign

#: So much of a body is looked at, in bytes: no challenge is longer before its signs come.
MOST_BYTES = 32 * 1024
#: From this weight on it is a block.
THRESHOLD = 100

#: Failures that challenges come with; 429 says by itself what it is.
_FAILURES = frozenset({401, 403, 405, 406, 418, 428, 503})
#: Signs that no ordinary page has.
_SURE = frozenset({"header", "vendor", "marker"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a block, and against it."""

    signs: tuple[Sign, ...] = ()
    threshold: int = THRESHOLD

    @property
    def score(self) -> int:
        """The weight of all."""
        return sum(sign.weight for sign in self.signs)

    @property
    def blocked(self) -> bool:
        """Whether it is a block, as far as the answer alone tells."""
        return self.score >= self.threshold

    @property
    def certain(self) -> bool:
        """Whether it is one even if something could be extracted from it."""
        return self.blocked and any(sign.name in _SURE for sign in self.signs)

    @property
    def detail(self) -> str:
        """Say why, for people.

        >>> from sites.fetch.block_evidence import Sign
        >>> Evidence((Sign("title", 50, "just a moment"), Sign("few links", 10))).detail
        'title: just a moment, few links (60 of 100)'
        """
        told = ", ".join(str(sign) for sign in self.signs if sign.weight > 0)
        return f"{told} ({self.score} of {self.threshold})"


_NONE = Evidence()


class Blocks:
    """Judges the answers of one site: by what all blocks have in common, and by what its file says.

    `markers`: texts that only its blocks have. `ignore`: signs that do not count, like `widget` or
    `title: access denied`.
    """

    def __init__(
        self,
        markers: Sequence[str] = (),
        ignore: Sequence[str] = (),
        threshold: int = THRESHOLD,
    ) -> None:
        self._markers = tuple(marker.lower().encode() for marker in markers)
        self._ignored = frozenset(" ".join(text.lower().split()) for text in ignore)
        self._threshold = threshold

    def judge(self, seen: Seen) -> Evidence:
        """Return what speaks for a block. Most pages are through with a few searches."""
        head = seen.body[:MOST_BYTES].lower()
        signs = [
            *evidence.of_headers(seen),
            *self._marked(head),
            *evidence.of_title(head, refused=seen.refused),
        ]
        if not signs and not evidence.worth_a_look(head):
            return _NONE
        prose, links = evidence.read(head)
        if not signs and len(prose) >= evidence.A_LOT:
            return _NONE
        signs += evidence.of_page(head, prose, links, seen)
        counted = tuple(sign for sign in signs if not {sign.name, str(sign)} & self._ignored)
        return Evidence(counted, self._threshold)

    def _marked(self, head: bytes) -> Iterator[Sign]:
        for marker in self._markers:
            if marker in head:
                yield evidence.Sign("marker", evidence.CERTAIN, marker.decode())


def blocks_of(said: Block) -> Blocks:
    """Return the judge of a site whose file says this."""
    return Blocks(said.markers, said.ignore, said.threshold)


def may_hide_a_block(status: int) -> bool:
    """Tell whether what a failure comes with is worth being looked at for signs of a challenge."""
    return status in _FAILURES
