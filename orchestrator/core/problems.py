"""What pydantic found wrong, in our words: where, which value, what is allowed."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, get_args, get_origin

from orchestrator.core.dialects import instead, translated
from orchestrator.core.mask import masked

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel, ValidationError

#: Keys in tables with a name whose values are not shown.
SECRET = frozenset({"env", "headers", "user", "password", "proxy_user", "proxy_password"})
#: A key like them in a table without a name.
_SECRET_KEY = ("gateway", "password")
#: What pydantic calls a value that stands where a table must be.
_NO_TABLE = frozenset({"model_type", "model_attributes_type", "dict_type"})
_PROBE = '{ http = "http://127.0.0.1:8080/" }'
#: Tables that are mostly written in one line.
_IN_LINE = {"ready": _PROBE, "alive": _PROBE, "env": '{ NAME = "value" }'}


def is_secret(words: list[str]) -> bool:
    """Whether a key, in its words, is where a secret goes."""
    return bool(SECRET & set(words[2:])) or tuple(words[:2]) == _SECRET_KEY


def describe(
    error: ValidationError, origin: Callable[[str], str], model: type[BaseModel]
) -> list[str]:
    """One line for each problem: `origin: key = value: what is wrong and what is allowed`."""
    return list(dict.fromkeys(line for _, line in keyed(error, origin, model)))


def keyed(
    error: ValidationError, origin: Callable[[str], str], model: type[BaseModel]
) -> list[tuple[str, str]]:
    """The same lines, each behind the dotted key that it is about."""
    found: dict[tuple[str, str], None] = {}
    for item in error.errors():
        words = [str(word) for word in item["loc"]]
        key = ".".join(word for word in words if not _is_branch(word))
        found[key, f"{origin('.'.join(words))}: {_explain(key, words, dict(item), model)}"] = None
    return list(found)


def _explain(key: str, words: list[str], item: dict[str, Any], model: type[BaseModel]) -> str:
    if item["type"] == "extra_forbidden":
        return f"{key}: no such key; {_offer(words[-1], _siblings(model, words))}"
    if item["type"] == "missing":
        return f"{key}: is missing"
    value = item["input"]
    if item["type"] in _NO_TABLE:
        return f"{key}{_shown(value, words)}: {_no_table(key, words[-1], value)}"
    message = str(item["msg"]).removeprefix("Value error, ").replace("tuple", "list")
    return f"{key}{_shown(value, words)}: {message[:1].lower()}{message[1:]}"


def _offer(word: str, known: list[str]) -> str:
    ours = translated(word)
    close = [ours] if ours in known else difflib.get_close_matches(word, known, n=1)
    if "command" in known and instead(word):
        return instead(word)
    return f"did you mean {close[0]}?" if close else f"allowed here: {', '.join(known)}"


def _shown(value: object, words: list[str]) -> str:
    """A value that is short enough and nobody's secret: in a list there may be whole tables."""
    tables = isinstance(value, list) and any(isinstance(item, dict) for item in value)
    plain = isinstance(value, str | int | float | bool | list) and not is_secret(words)
    return f" = {masked(value)!r}"[:120] if plain and not tables else ""


def _no_table(key: str, word: str, value: object) -> str:
    if word in _IN_LINE:
        return f"must be a table, like {_IN_LINE[word]}"
    if isinstance(value, list):
        return f"must be one table: [{_heading(key)}] in single brackets"
    return "must be a table" if word.isdigit() else f"must be a table, like [{_heading(key)}]"


def _heading(key: str) -> str:
    if key.startswith("proxies.source"):
        return "proxies.source.NAME"
    return "service.NAME" if key == "service" else key


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
