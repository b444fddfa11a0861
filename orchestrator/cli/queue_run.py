"""`orch queue run`: work off a queue, until it is empty or until Ctrl+C."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from orchestrator.cli.console import invocation
from orchestrator.cli.later import later
from orchestrator.cli.queue_drive import Events, drive
from orchestrator.cli.queue_given import Given
from orchestrator.cli.queue_limits import put, tell_overruled, typed
from orchestrator.cli.queue_options import PerHost, PerKey, shared, sharing
from orchestrator.cli.queue_place import Place, opened
from orchestrator.core import config, problems
from orchestrator.core.home import Home
from orchestrator.queue.config import RunnerConfig
from orchestrator.queue.pipeline import Pipelines
from orchestrator.queue.runner import Runner

if TYPE_CHECKING:
    from orchestrator.core.config import Config
    from orchestrator.queue.pipeline import Pipeline

exec_with = later("orchestrator.pipelines.exec", "exec_with")

EXEC = "exec"
#: The setting of the one that is for jobs that name none.
_PIPELINE = "queue.pipeline"
#: Setting -> the option that goes over it.
OPTIONS = {
    "max_workers": "--workers",
    "grace_seconds": "--grace",
}

Workers = Annotated[
    str | None, typer.Option("--workers", metavar="N", help="So many jobs at once; 8 by default.")
]
Grace = Annotated[
    str | None,
    typer.Option("--grace", metavar="DURATION", help="A stop waits so long for what runs; 10s."),
]


def add_to(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("run")(run)


@sharing(workers=Workers, max_per_resolver=PerKey, max_per_host=PerHost, grace=Grace)
def run(
    pipelines: Annotated[
        list[str] | None,
        typer.Option(
            "--pipeline",
            metavar="NAME",
            help="fetch, exec, or module:function; the first is for jobs that name none. Default: "
            "queue.pipeline of orch.toml, or fetch.",
        ),
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(
            "--exec", metavar="CMD", help="Run this for jobs that name none; payload on its stdin."
        ),
    ] = None,
    drain: Annotated[bool, typer.Option("--drain", help="End when all is done.")] = False,
    wait_delayed: Annotated[
        bool,
        typer.Option(
            "--wait-delayed/--no-wait-delayed", help="A drain also waits for delayed jobs."
        ),
    ] = True,
) -> None:
    """Work off the queue.

    A drain leaves what a limit of 0 holds back, and jobs for a pipeline that is not here; it says so. Its
    exit code: 0 all done, 6 when jobs ended as error or are for such a pipeline. Ctrl+C lets what runs
    finish within the grace, or hands it back; once more ends at once.
    """
    current, given = invocation.get(), Given()
    loaded = config.load(Home.find(current.home), current.overrides, services=False)
    settings = _settings(given, loaded)
    does = _pipelines(given, loaded, pipelines, _own(given, command, settings))
    caps = typed(given, shared("max_per_resolver"), shared("max_per_host"))
    place = given.place()
    with opened(place, create=True) as work:
        tell_overruled(loaded, put(work, caps))
        runner = Runner(
            work,
            does,
            settings,
            folder=loaded.home.data,
            drain=drain,
            wait_delayed=wait_delayed,
            on_event=Events(),
        )
        grace, log = settings.grace_seconds, loaded.home.log("queue")
        code = drive(runner, work, grace=grace, log=log, place=_words(place))
    raise typer.Exit(code)


def _words(place: Place) -> str:
    """By which another command finds the queue."""
    return "" if place.ours else f" --queue {shlex.quote(str(place))}"


def _settings(given: Given, loaded: Config) -> RunnerConfig:
    """The settings of the home, with what was typed over them; limits that were typed are the queue's."""
    try:
        return RunnerConfig.of(
            loaded.settings.queue,
            max_workers=shared("workers"),
            grace_seconds=shared("grace"),
        )
    except ValidationError as error:
        given.problems += problems.describe(error, _origin, RunnerConfig)
        return RunnerConfig()


def _origin(key: str) -> str:
    return OPTIONS.get(key.partition(".")[0], "orch.toml")


def _own(given: Given, command: str | None, settings: RunnerConfig) -> Pipeline | None:
    # The runner's own limit rules: it tells more than a command that was killed.
    runs = partial(exec_with, timeout=settings.max_run_seconds + 60)
    found: Pipeline | None = given.of("--exec", command, runs)
    return found


def _pipelines(
    given: Given, loaded: Config, typed_ones: list[str] | None, own: Pipeline | None
) -> Pipelines:
    # A module that lies beside orch.toml, or here, is found; it cannot hide one that is installed.
    sys.path += [str(loaded.home.path), str(Path.cwd())]
    origin, wanted = "--pipeline", typed_ones
    if not wanted and own is None:
        origin = f"{loaded.origins.get(_PIPELINE, 'default')}: {_PIPELINE}:"
        wanted = [loaded.settings.queue.pipeline]
    found = Pipelines({}, EXEC)
    if wanted:
        found = given.of(origin, wanted, Pipelines.named, found)
    if own is None:
        return found
    return Pipelines({**found.by_name, EXEC: own}, EXEC)
