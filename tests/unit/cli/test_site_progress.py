"""Ctrl+C while site jobs are followed."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.cli import site_progress
from orchestrator.facade import Orchestrator


class Jobs:
    """Jobs of which none stops: each wait for one is answered by another Ctrl+C."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def current(self, _site: str) -> Any:
        return SimpleNamespace(active=True)

    def status(self, _sites: list[str]) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return []

    def stop(self, site: str, *, timeout: float = 8.0) -> Any:
        self.told.append(f"{site}: {timeout:g}")
        if timeout:
            os.kill(os.getpid(), signal.SIGINT)
        return SimpleNamespace(state="stopping")


def test_all_are_told_to_stop_at_the_first_one_and_a_second_one_waits_for_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    jobs = Jobs()
    orch = cast("Orchestrator", SimpleNamespace(sites=jobs))

    def start(site: str) -> Any:
        return SimpleNamespace(ref=SimpleNamespace(id=site), state="running")

    try:
        code = site_progress.follow(orch, ["a", "b"], start, wait=True)
    except KeyboardInterrupt:
        pytest.fail("the second one was not expected")

    assert code == 130
    assert jobs.told == ["a: 0", "b: 0", "a: 8"]
    assert "not waiting; the jobs stop by themselves" in capsys.readouterr().err
