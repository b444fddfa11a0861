"""A home in which sites are crawled without Redis, by children that tests may kill."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from orchestrator.core.context import Context
from sites.definition.definition import Definition
from sites.local.crawl import LocalCrawl
from sites.local.jobs import LocalJobs
from sites.local.place import LocalPlace
from sites.local.run import LocalRun
from sites.local.status import rows
from sites.results.output import Results
from tests.support.orch import eventually
from tests.support.site_home import shop
from tests.support.site_server import Site

#: No page fails for having been killed with its crawler: no test kills as often.
LIMITS = {"timeout": "5s", "attempts": 20}


class LocalHome:
    """One site, `shop`."""

    def __init__(self, folder: Path, site: Site, *, settings: str = "", **more: Any) -> None:
        (folder / "sites").mkdir(mode=0o700, parents=True)
        (folder / "orch.toml").write_text(settings)
        self.site = site
        self.context = Context.load(folder)
        self.jobs = LocalJobs(self.context)
        self.place = LocalPlace(self.context.home, "shop")
        self.define(**more)

    def define(self, **more: Any) -> None:
        given = shop(self.site, limits=LIMITS, **more)
        Definition.model_validate(given)
        (self.context.home.path / "sites/shop.toml").write_text(toml(given))

    def start(self) -> LocalRun:
        return self._run(self.jobs.started(["shop"]))

    def resume(self) -> LocalRun:
        return self._run(self.jobs.resumed(["shop"]))

    def row(self) -> dict[str, Any]:
        (found,) = rows(self.context.home, ["shop"])
        return found

    def items(self) -> list[str]:
        """What the newest job has, line by line."""
        with Results(self.place.results) as results:
            return [json.dumps(item) for item in results.items(results.newest_job() or "")]

    def _run(self, held: AbstractContextManager[list[LocalCrawl]]) -> LocalRun:
        with held as crawls:
            return LocalRun(self.context.home, crawls)


def kill(run: LocalRun) -> None:
    """SIGKILL, whatever it is doing; it may have ended before."""
    if not run.wait(0):
        os.kill(run.pid, signal.SIGKILL)
    finish(run)


def finish(run: LocalRun) -> None:
    eventually(lambda: run.wait(0.5), 60)


def toml(given: dict[str, Any]) -> str:
    """The file of a site."""
    return "\n".join(f"{name} = {_value(value)}" for name, value in given.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_value(each)}" for name, each in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    return json.dumps(value)
