"""What a source said, before anybody has read it, and what proves later that it is still the same."""

from __future__ import annotations

from dataclasses import dataclass, field

from proxies.sources.failure import SourceFailed


@dataclass(frozen=True, slots=True)
class Proof:
    """What a server can be asked with whether its list has changed; `place` is a digest of its URL."""

    place: str = ""
    etag: str = ""
    modified: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """A list as bytes, unpacked; `charset` is what was declared."""

    raw: bytes = field(repr=False)
    charset: str = ""
    proof: Proof = field(default_factory=Proof)


def require_small(size: int, most: int) -> None:
    """See that a list is not too large.

    Raises:
        SourceFailed: it is.
    """
    if size > most:
        shown = f"{most / 1_000_000:g} MB" if most >= 100_000 else f"{most} bytes"  # noqa: PLR2004
        raise SourceFailed(f"the list is larger than {shown}")
