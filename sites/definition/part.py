"""What the tables of a site file have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from orchestrator.core import duration

Duration = Annotated[float, BeforeValidator(duration.parse)]


class Part(BaseModel):
    """A table of a site file: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)
