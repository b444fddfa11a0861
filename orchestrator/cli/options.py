"""Options that several commands share, or of which there are too many for one function."""

from __future__ import annotations

import functools
import inspect
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_shared: ContextVar[dict[str, Any] | None] = ContextVar("shared", default=None)


def sharing(**options: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command `options` (name -> annotation), which it reads by `shared`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters.values()

        @functools.wraps(command)
        def run(**given: Any) -> None:
            _shared.set({name: given.pop(name) for name in options})
            command(**given)

        parameters = [
            *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own),
            *(_option(name, annotation) for name, annotation in options.items()),
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def shared(name: str) -> Any:
    """What was typed for an option of `sharing`; None when it was not."""
    return (_shared.get() or {}).get(name)


def _option(name: str, annotation: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=None, annotation=annotation)
