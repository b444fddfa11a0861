"""What is done with a job: a function from a `Task` to an `Outcome`, loaded by name."""

from __future__ import annotations

import importlib
import json
import threading
from dataclasses import dataclass, field
from importlib import metadata
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

from orchestrator.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from orchestrator.queue.model import Lease, NewJob

#: The group of entry points by which packages offer pipelines.
GROUP = "orch.pipelines"


@dataclass(frozen=True, slots=True)
class Task:
    """A job in the hands of a pipeline.

    `over` is set when there is no use in going on: the lease is lost, the time is up, or the runner
    stops and its grace is over. From then on it does not count what the pipeline returns. `folder` is
    the home's `data/`. `shared` is the URL of the Redis that the queue is in, "" for one in a file.
    """

    lease: Lease
    folder: Path
    over: threading.Event = field(default_factory=threading.Event)
    shared: str = field(default="", repr=False)  # it may hold a password

    @property
    def id(self) -> str:
        """The id of the job."""
        return self.lease.id

    @property
    def payload(self) -> Any:
        """Its payload, parsed."""
        return json.loads(self.lease.payload)


@dataclass(frozen=True, slots=True)
class Done:
    """It is done; `result` is any JSON value, `new_jobs` are enqueued in the same step."""

    result: Any = None
    new_jobs: Sequence[NewJob] = ()


@dataclass(frozen=True, slots=True)
class Skip:
    """There is nothing to be done."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """It may work later: not before `after` seconds, if the other side asked for that."""

    error: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """It will never work."""

    error: str


Outcome = Done | Skip | Retry | Failure


class Pipeline(Protocol):
    """Called in a thread of the runner, several at once.

    Whatever it returns that is no `Outcome` is the result of a job that is done. An exception lets the
    job be tried again, as `Retry` does.
    """

    def __call__(self, task: Task, /) -> Outcome | Any:
        """Do it; stop early when `task.over` is set."""


def load(name: str) -> Pipeline:
    """Find a pipeline: `module:function`, or the name of an entry point of the group `orch.pipelines`.

    Raises:
        ConfigError: there is none of that name; those there are, are listed.
    """
    offered = {point.name: point.value for point in metadata.entry_points(group=GROUP)}
    module, _, function = offered.get(name, name).partition(":")
    if not (module and function):
        there = ", ".join(sorted(offered))
        raise ConfigError((f"no such pipeline: {name}; there are: {there}, or module:function",))
    try:
        found: Pipeline = attrgetter(function)(importlib.import_module(module))
    except (Exception, SystemExit) as error:  # whatever a module raises while it is imported
        why = f"{type(error).__name__}: {error}"
        raise ConfigError((f"the pipeline {name} cannot be loaded: {why}",)) from error
    if not callable(found):
        raise ConfigError((f"the pipeline {name} is no function",))
    return found


@dataclass(frozen=True, slots=True)
class Pipelines:
    """Those that a runner has; a job may name one of them in its payload as `pipeline`."""

    by_name: Mapping[str, Pipeline]
    default: str

    @classmethod
    def named(cls, names: Sequence[str]) -> Pipelines:
        """Load them; the first is for jobs that name none. A single name is one, and not its letters.

        Raises:
            ConfigError: there is no name, or some cannot be loaded; all of them are told.
        """
        names = [names] if isinstance(names, str) else names
        if not names:
            raise ConfigError(("a runner needs a pipeline: `fetch`, `exec` or module:function",))
        found: dict[str, Pipeline] = {}
        problems: list[str] = []
        for name in names:
            try:
                found[name] = load(name)
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(tuple(problems))
        return cls(found, names[0])

    def name_for(self, payload: Any) -> str:
        """Which one a job with this payload is for; the runner need not have it.

        Raises:
            ValueError: what the payload has as `pipeline` is no name.
        """
        name = payload.get("pipeline") if isinstance(payload, dict) else None
        if name is not None and not isinstance(name, str):
            raise ValueError(f"pipeline must be a name, not {json.dumps(name)}")
        return name or self.default
