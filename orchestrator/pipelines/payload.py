"""Payloads as people write them, made into orders: all that is wrong is said at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator.core.errors import ConfigError
from orchestrator.core.section import Duration

if TYPE_CHECKING:
    from orchestrator.queue.pipeline import Task

#: Keys whose values are not shown: they may hold secrets.
_SECRET = frozenset({"url", "headers", "env", "command"})
#: A timeout: more than nothing, at most a week.
Timeout = Annotated[Duration, Field(gt=0, le=604_800)]


class Order(BaseModel):
    """What a payload asks for. Keys that are not ours are the user's: a CSV may have more columns."""

    model_config = ConfigDict(extra="ignore", frozen=True)


_Order = TypeVar("_Order", bound=Order)


def ordered(task: Task, model: type[_Order], *, short: str = "") -> _Order:
    """Read the payload of a job; a plain string stands for a table that has it as `short`.

    Raises:
        ConfigError: with every problem.
    """
    try:
        payload = task.payload
    except ValueError:
        raise ConfigError(("payload: is no JSON",)) from None
    if short and isinstance(payload, str):
        payload = {short: payload}
    if not isinstance(payload, dict):
        allowed = f"a table or a string ({short})" if short else "a table"
        raise ConfigError((f"payload: must be {allowed}",))
    # The empty cell of a CSV is nothing that was said.
    said = {key: value for key, value in payload.items() if value != ""}
    try:
        return model.model_validate(said)
    except ValidationError as error:
        items = error.errors(include_url=False, include_context=False)
        raise ConfigError(tuple(_problem(dict(item)) for item in items)) from None


def _problem(item: dict[str, Any]) -> str:
    key = ".".join(str(word) for word in item["loc"])
    if item["type"] == "missing":
        return f"payload: {key}: is missing"
    plain = isinstance(item["input"], str | int | float) and item["loc"][0] not in _SECRET
    shown = f" = {item['input']!r}"[:80] if plain else ""
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"payload: {key}{shown}: {message[:1].lower()}{message[1:]}"
