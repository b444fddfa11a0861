"""What was declared last time is used again only while nothing has changed that it was made from."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.core.home import Home
from orchestrator.operate import remembered
from orchestrator.operate.declaration import declare

TOML = """
[redis]
binary = "{home}/bin/redis-server"

[service.web]
command = ["serve", "--port", "8080"]
cwd = "web"
alive = {{ exec = ["look"] }}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """One whose services were declared and kept; its programs are first on the PATH."""
    (tmp_path / "web").mkdir()
    program(tmp_path / "bin" / "serve")
    program(tmp_path / "bin" / "look")
    program(tmp_path / "bin" / "redis-server", "echo Redis server v=7.0.15 sha=0")
    monkeypatch.setenv("PATH", f"{tmp_path}/empty:{tmp_path}/bin:{os.environ['PATH']}")
    (tmp_path / "empty").mkdir()
    (tmp_path / "orch.toml").write_text(TOML.format(home=tmp_path))
    home = Home(tmp_path)
    remembered.keep(home, {}, declare(home, {}))
    return home


def program(path: Path, does: str = "exit 0") -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)


def test_an_unchanged_home_is_declared_as_before(home: Home) -> None:
    kept = remembered.recall(home, {})
    assert kept == json.loads(json.dumps(declare(home, {})))


def test_what_is_kept_is_private(home: Home) -> None:
    assert stat.S_IMODE((home.run / "declared.json").stat().st_mode) == 0o600


def test_folders_that_are_gone_are_made_again(home: Home) -> None:
    home.logs.rmdir()
    assert remembered.recall(home, {})
    assert home.logs.is_dir()


CHANGES: dict[str, Callable[[Path, pytest.MonkeyPatch], object]] = {
    "the configuration": lambda home, _: (home / "orch.toml").write_text("[worker]\n"),
    "a variable": lambda _, env: env.setenv("ORCH_WORKER_CONCURRENCY", "3"),
    "the PATH": lambda home, env: env.setenv("PATH", f"{home}/bin"),
    "a program": lambda home, _: program(home / "bin" / "serve", "exit 1"),
    "a program's right": lambda home, _: (home / "bin" / "serve").chmod(0o644),
    "the program of a probe": lambda home, _: (home / "bin" / "look").unlink(),
    "a program earlier on the PATH": lambda home, _: program(home / "empty" / "serve"),
    "another Redis": lambda home, _: program(
        home / "bin" / "redis-server", "echo Redis server v=7.2.0 sha=00000000"
    ),
    "the record of the Redis": lambda home, _: (home / "data/redis/server.json").unlink(),
    "a service's folder": lambda home, _: (home / "web").rmdir(),
    "the place of the sockets": lambda home, _: (home / "data/run/sockets").write_text("/else"),
    "our own Python": lambda _, env: env.setattr(sys, "executable", "/usr/bin/another-python"),
    "what was kept, half written": lambda home, _: (home / "data/run/declared.json").write_text(
        '{"specs": ['
    ),
    "what was kept, of another shape": lambda home, _: (home / "data/run/declared.json").write_text(
        '{"stamp": 1, "specs": [{"name": 3}]}'
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_after_a_change_nothing_is_remembered(
    home: Home,
    change: Callable[[Path, pytest.MonkeyPatch], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change(home.path, monkeypatch)
    assert remembered.recall(home, {}) is None


def test_other_settings_by_hand_are_not_remembered(home: Home) -> None:
    assert remembered.recall(home, {"worker.concurrency": "3"}) is None


def test_a_home_that_was_moved_is_declared_anew(home: Home, tmp_path: Path) -> None:
    moved = home.path.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    assert remembered.recall(Home(moved), {}) is None
