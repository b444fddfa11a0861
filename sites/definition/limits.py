"""The bounds of a job, and when a site that fails is left alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from sites.definition.part import Duration, Part


class Limits(Part):
    """Bounds, so that no site and no mistake makes a job endless.

    `time` counts from when the job was started, or resumed last.
    """

    pages: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    time: Annotated[Duration, Field(ge=1, le=30 * 86_400)] | None = None
    depth: Annotated[int, Field(ge=0, le=1000)] = 50
    links_per_page: Annotated[int, Field(ge=1, le=5000)] = 1000
    redirects: Annotated[int, Field(ge=0, le=20)] = 5
    attempts: Annotated[int, Field(ge=1, le=20)] = 5
    timeout: Annotated[Duration, Field(ge=0.1, le=300)] = 20.0
    body_mb: Annotated[float, Field(gt=0, le=100)] = 5.0
    proxy_wait: Annotated[Duration, Field(ge=0, le=600)] = 15.0


class Breaker(Part):
    """When a site that fails is left alone, and for how long.

    It opens when at least `failures` requests failed within `window`, and they are at least `ratio` of
    all; for `open`, twice that the next time in a row, up to `open_cap`. Then `trials` requests try.
    """

    failures: Annotated[int, Field(ge=1, le=10_000)] = 5
    window: Annotated[Duration, Field(ge=1, le=3600)] = 30.0
    ratio: Annotated[float, Field(gt=0, le=1)] = 0.5
    open: Annotated[Duration, Field(ge=0.1, le=86_400)] = 5.0
    open_cap: Annotated[Duration, Field(ge=0.1, le=86_400, validate_default=True)] = 300.0
    trials: Annotated[int, Field(ge=1, le=100)] = 1

    @field_validator("open_cap")
    @classmethod
    def _at_least_open(cls, cap: float, info: ValidationInfo) -> float:
        if cap < info.data.get("open", 0.0):
            raise ValueError("must be at least open")
        return cap
