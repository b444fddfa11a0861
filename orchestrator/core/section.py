"""What every table of `orch.toml` is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from orchestrator.core import duration


def _duration(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be a length of time like 30s, 10m, 6h or 1h30m")  # noqa: TRY004
    return duration.parse(value)


#: Seconds, written as a number or like `1h30m`.
Duration = Annotated[float, BeforeValidator(_duration)]


class Section(BaseModel):
    """A table of `orch.toml`: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
