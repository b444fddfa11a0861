"""When a site is scraped, and what is kept of it: the keys of a site file that say so."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from sites.definition.part import Duration, Part
from sites.definition.schedule import read

#: What may be needed besides other sites.
PROXIES = "proxies"


def _expression(text: str) -> str:
    read(text)
    return text


def _list(value: object) -> object:
    if isinstance(value, str):
        raise ValueError(f'must be a list: ["{value}"]')  # noqa: TRY004  (pydantic wants it so)
    return value


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


class Runs(Part):
    """The part of a site file about its runs; its keys stand at the top of the file.

    `schedule`: when it is started by itself. `needs`: the sites that must have been scraped before, or
    `proxies`. `stall`: without a page that ends for so long, its job counts as stalled.
    """

    schedule: Annotated[str, AfterValidator(_expression)] | None = None
    needs: Annotated[
        tuple[str, ...], BeforeValidator(_list), Field(max_length=50), AfterValidator(_once)
    ] = ()
    stall: Annotated[Duration, Field(ge=1, le=7 * 86_400)] = 600.0

    def next_run(self, now: float) -> float | None:
        """Return the next moment of the schedule, in seconds since 1970 as `now`; None without one."""
        return read(self.schedule).following(now) if self.schedule else None
