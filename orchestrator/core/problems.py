"""What pydantic found wrong, in our words: where, which value, what is allowed."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, get_args, get_origin

from orchestrator.core.mask import masked

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel, ValidationError

#: Tables whose values are not shown.
SECRET = frozenset({"env"})


def describe(
    error: ValidationError, origin: Callable[[str], str], model: type[BaseModel]
) -> list[str]:
    """One line for each problem: `origin: key = value: what is wrong and what is allowed`."""
    lines: list[str] = []
    for item in error.errors():
        words = [str(word) for word in item["loc"]]
        key = ".".join(word for word in words if not _is_branch(word))
        line = f"{origin('.'.join(words))}: {_explain(key, words, dict(item), model)}"
        if line not in lines:
            lines.append(line)
    return lines


def _explain(key: str, words: list[str], item: dict[str, Any], model: type[BaseModel]) -> str:
    if item["type"] == "extra_forbidden":
        known = _siblings(model, words)
        close = difflib.get_close_matches(words[-1], known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"allowed here: {', '.join(known)}"
        return f"{key}: no such key; {hint}"
    if item["type"] == "missing":
        return f"{key}: is missing"
    message = str(item["msg"]).removeprefix("Value error, ")
    value = item["input"]
    plain = isinstance(value, str | int | float | bool | list) and not SECRET & set(words)
    shown = f" = {masked(value)!r}" if plain else ""
    return f"{key}{shown[:120]}: {message[:1].lower()}{message[1:]}"


def _is_branch(word: str) -> bool:
    """Whether `word` is pydantic's name of a branch of a union and no key of the user's."""
    return "[" in word or word in {"int", "str", "float", "bool"}


def _siblings(model: type[BaseModel], words: list[str]) -> list[str]:
    name_follows = False  # a table of tables: its keys are the user's own
    for word in words[:-1]:
        field = None if name_follows else model.model_fields.get(word)
        name_follows = field is not None and get_origin(field.annotation) is dict
        inner = _inner_model(field.annotation) if field else None
        model = inner or model
    return list(model.model_fields)


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    """Return the model that a field is of, or holds many of."""
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        return annotation
    found = (_inner_model(inner) for inner in get_args(annotation))
    return next((model for model in found if model), None)
