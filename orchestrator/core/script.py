"""A Lua script with its arguments and the meaning of its reply, for sync and async clients."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from redis.exceptions import NoScriptError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from orchestrator.core.redis import Redis

T = TypeVar("T")


class AsyncScripts(Protocol):
    """What a client for an event loop runs scripts by."""

    def evalsha(self, sha: str, numkeys: int, /, *words: Any) -> Awaitable[Any]:
        """Run one that the server knows."""

    def eval(self, script: str, numkeys: int, /, *words: Any) -> Awaitable[Any]:
        """Run one."""


@dataclass(frozen=True, slots=True)
class Script:
    """A file `lua/<name>.lua`: its text and the digest that the server knows it by."""

    text: str
    sha: str


@cache
def load(package: str, *names: str) -> Script:
    """Read a script once for each process; of several files, those first hold what verbs share."""
    folder = resources.files(package).joinpath("lua")
    text = "\n".join(folder.joinpath(f"{name}.lua").read_text("utf-8") for name in names)
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One run of a script, as data: sync and async clients share all but the wait."""

    script: Script
    keys: Sequence[str]
    args: Sequence[str | int | float]
    parse: Callable[[Any], T]

    def run(self, client: Redis) -> T:
        """Run it and wait; a server that lost its scripts is given the text again."""
        words = (*self.keys, *self.args)
        try:
            reply = client.evalsha(self.script.sha, len(self.keys), *words)
        except NoScriptError:
            reply = client.eval(self.script.text, len(self.keys), *words)
        return self.parse(reply)

    async def run_async(self, client: AsyncScripts) -> T:
        """The same on an event loop."""
        words = (*self.keys, *self.args)
        asked = _cancellations()
        try:
            reply = await client.evalsha(self.script.sha, len(self.keys), *words)
        except NoScriptError:
            reply = await client.eval(self.script.text, len(self.keys), *words)
        if _cancellations() > asked:
            # Before Python 3.12, `asyncio.wait_for` (redis-py sends by it) may swallow one.
            raise asyncio.CancelledError
        return self.parse(reply)


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0
