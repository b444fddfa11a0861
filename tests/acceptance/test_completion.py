"""Tab in the shell: the completion that `orch --install-completion` sets up."""

from __future__ import annotations

import shutil
import subprocess
import time
from importlib import metadata
from typing import TYPE_CHECKING, Any, get_args

import pytest
import typer

from orchestrator.cli import names, words
from orchestrator.cli.gate_typed import VERBS
from orchestrator.cli.main import app
from orchestrator.queue.model import ENDED, OnConflict, QueueState
from orchestrator.queue.pipeline import GROUP
from sites.results.export import Format
from tests.support.orch import COMMAND, Orch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWN = """
[worker]
concurrency = 2
[worker.heavy]
queues = ["shards"]
[service.flower]
command = ["sleep", "1000"]
"""


@pytest.fixture
def home(tmp_path: Path) -> Orch:
    orch = Orch(tmp_path / "home", OWN)
    (orch.home / "sites").mkdir()
    (orch.home / "sites/shop.toml").write_text("name = 'shop'")
    return orch


def bash(orch: Orch, line: str) -> list[str]:
    typed = line.split(" ")
    orch.environment |= {
        "_ORCH_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(typed) - 1),
    }
    done = orch()
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def zsh(orch: Orch, line: str) -> str:
    orch.environment |= {"_ORCH_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line}
    done = orch()
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def fish(orch: Orch, line: str) -> tuple[int, list[str]]:
    orch.environment |= {"_ORCH_COMPLETE": "complete_fish", "_TYPER_COMPLETE_ARGS": line}
    asked = orch.environment | {"_TYPER_COMPLETE_FISH_ACTION": "is-args"}
    is_args = subprocess.run(COMMAND, cwd=orch.home, env=asked, check=False, timeout=30)
    orch.environment["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    return is_args.returncode, orch().stdout.splitlines()


EVERY_SERVICE = ["redis", "results", "worker", "beat", "worker-heavy", "flower"]

LINES = [
    ("orch res", ["restart"]),
    ("orch proxies re", ["refresh", "remove"]),
    ("orch sites st", ["start", "stop", "status"]),
    ("orch restart ", EVERY_SERVICE),
    ("orch restart worker", ["worker", "worker-heavy"]),
    ("orch restart redis flower res", ["results"]),
    ("orch up -d w", ["worker", "worker-heavy"]),
    ("orch events --service fl", ["flower"]),
    ("orch events -s be", ["beat"]),
    ("orch proxies list --site sh", ["shop"]),
    ("orch sites start ", ["books", "pydocs", "quotes", "shop"]),
    ("orch sites start shop bo", ["books"]),
    ("orch sites gate sh", ["shop"]),
    ("orch sites gate shop ", ["reset", "trip", "set"]),
    ("orch sites gate shop trip ", []),
    ("orch status --", ["--json", "--watch", "--help"]),
    ("orch --set worker.concurrency=2 stop be", ["beat"]),
    ("orch run -- ls ", []),
    ("orch sites export shop --output ", []),
    ("orch queue ca", ["cancel"]),
    ("orch queue list --state in", ["in_progress"]),
    ("orch queue run --pipeline ", ["fetch", "exec"]),
    ("orch queue stats --q", ["--queue"]),
    ("orch no-such-thing ", []),
]


@pytest.mark.parametrize(("line", "offered"), LINES)
def test_every_shell_is_offered_the_same(home: Orch, line: str, offered: list[str]) -> None:
    assert bash(home, line) == offered
    listed = "\n".join(f'"{name}"' for name in offered)
    assert zsh(home, line) == (f"_arguments '*: :(({listed}))'" if offered else "_files")
    assert fish(home, line) == (0 if offered else 1, offered)


def test_another_home_has_other_services(home: Orch, tmp_path: Path) -> None:
    elsewhere = Orch(tmp_path / "elsewhere", "")
    assert "flower" in bash(elsewhere, f"orch --home {home.home} restart ")
    assert "flower" not in bash(elsewhere, "orch restart ")
    assert bash(elsewhere, "orch --home /no/such/folder restart ") == []


def test_a_broken_configuration_offers_what_is_always_there(home: Orch) -> None:
    (home.home / "orch.toml").write_text("[[[")
    assert bash(home, "orch restart ") == ["redis", "results", "worker", "beat"]


def test_logs_offers_what_has_written_one(home: Orch) -> None:
    logs = home.home / "data/logs"
    logs.mkdir(parents=True)
    (logs / "old.log").touch()
    (logs / "events.jsonl").touch()
    assert bash(home, "orch logs ") == ["old"]


SITES = {
    "_ORCH_COMPLETE": "complete_bash",
    "COMP_WORDS": "orch sites start ",
    "COMP_CWORD": "3",
}


def test_it_imports_nothing_heavy(home: Orch) -> None:
    home.environment |= {"PYTHONPROFILEIMPORTTIME": "1", **SITES}
    imported = {line.rpartition("|")[2].strip() for line in home().stderr.splitlines()}
    assert not {"typer", "rich", "pydantic", "redis", "celery", "dataclasses"} & imported


@pytest.mark.alone
def test_nobody_waits_for_it(home: Orch) -> None:
    home.environment |= SITES

    def took() -> float:
        began = time.perf_counter()
        home()
        return time.perf_counter() - began

    assert min(took() for _ in range(10)) < 0.15


def test_the_words_are_those_of_the_commands() -> None:
    """When this fails: write into `cli/words.py` what the command line has."""
    known = {
        path: (sorted(command.options), sorted(command.values), bool(command.argument))
        for path, command in words.commands().items()
    }
    assert known == dict(_typers(typer.main.get_command(app), ()))


def test_the_fixed_words_are_those_of_the_commands() -> None:
    assert names.FIXED["states"] == [*QueueState]
    assert names.FIXED["ended"] == [state for state in QueueState if state in ENDED]
    assert names.FIXED["conflicts"] == [*OnConflict]
    offered = {point.name for point in metadata.entry_points(group=GROUP)}
    assert set(names.FIXED["pipelines"]) <= offered
    assert names.FIXED["gate_verbs"] == [*VERBS]
    assert names.FIXED["exports"] == [*get_args(Format)]


def _typers(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    options = [p for p in command.params if p.param_type_name == "option"]
    spelt = [word for p in options for word in (*p.opts, *p.secondary_opts)]
    valued = [word for p in options if not p.is_flag for word in p.opts]
    arguments = len(command.params) > len(options)
    yield path, (sorted([*spelt, "--help"]), sorted(valued), arguments)
    for name in command.list_commands(None) if hasattr(command, "list_commands") else ():
        yield from _typers(command.get_command(None, name), (*path, name))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_the_shell_can_be_shown(home: Orch, shell: str) -> None:
    home.environment["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"
    done = home("--show-completion", shell)
    assert done.returncode == 0
    assert f"=complete_{shell}" in done.stdout


def test_in_bash_tab_completes(home: Orch, tmp_path: Path) -> None:
    home.environment["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"
    script = home("--show-completion", "bash").stdout
    orch = tmp_path / "orch"
    orch.write_text(f'#!/bin/sh\nexec {COMMAND[0]} -P -m orchestrator "$@"\n')
    orch.chmod(0o755)
    tab = f'COMP_WORDS=(orch restart fl); COMP_CWORD=2; _orch_completion {orch}; echo "$COMPREPLY"'

    done = subprocess.run(
        [shutil.which("bash") or "bash", "--norc", "-c", f"{script}\n{tab}"],
        cwd=home.home,
        env=home.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.stdout.strip() == "flower", done.stderr
