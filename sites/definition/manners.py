"""How politely a site is asked: the keys of a site file that say so."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from sites.definition.part import Duration, Part
from sites.fetch.block import THRESHOLD
from sites.fetch.block_evidence import NAMES
from sites.politeness.manners import windows


def _hours(texts: tuple[str, ...]) -> tuple[str, ...]:
    windows(texts)
    return texts


def _signs(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if name.partition(":")[0].strip().lower() not in NAMES]
    if unknown:
        raise ValueError(
            f"{' and '.join(map(repr, unknown))} is no sign; there are: {', '.join(NAMES)}"
        )
    return names


Text = Annotated[str, Field(min_length=3, max_length=200)]


class Block(Part):
    """By what a soft block of this site is known, beside what all of them have in common.

    `markers`: texts that only its blocks have. `ignore`: signs that do not count here, as they stand in
    the reason of a page that was taken for one. `threshold`: what signs must weigh together.
    """

    markers: Annotated[tuple[Text, ...], Field(max_length=50)] = ()
    ignore: Annotated[tuple[str, ...], Field(max_length=50), AfterValidator(_signs)] = ()
    threshold: Annotated[int, Field(ge=1, le=1000)] = THRESHOLD


class Manners(Part):
    """The part of a site file about manners; its keys stand at the top of the file.

    `delay`: the least time between two requests, whatever `rate` says. `jitter`: gaps between requests
    are up to twice this share longer, by chance.
    """

    robots: bool = True
    delay: Annotated[Duration, Field(ge=0, le=86_400)] = 0.0
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.0
    quiet: Annotated[tuple[str, ...], Field(max_length=20), AfterValidator(_hours)] = ()
    block: Block = Block()
