"""What can be a queue, and what embedders find by name."""

from __future__ import annotations

from pathlib import Path

import pytest

import orchestrator.queue
from orchestrator.core.errors import ConfigError
from orchestrator.queue import Pipelines, open_queue


@pytest.mark.parametrize("target", ["postgres://me:secret@127.0.0.1/db", "redi://127.0.0.1"])
def test_the_address_of_something_else_makes_no_file(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"redis://…") as told:
        open_queue(target)
    assert "secret" not in str(told.value)
    assert not list(tmp_path.iterdir())


def test_every_public_name_is_there() -> None:
    for name in orchestrator.queue.__all__:
        assert getattr(orchestrator.queue, name).__name__ == name


def test_one_pipeline_is_one_name_and_none_is_told() -> None:
    assert list(Pipelines.named("json:dumps").by_name) == ["json:dumps"]
    with pytest.raises(ConfigError, match="a runner needs a pipeline"):
        Pipelines.named([])


def test_a_module_that_ends_the_program_when_it_is_imported_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ends_it.py").write_text("import sys\nsys.exit(9)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="SystemExit"):
        Pipelines.named("ends_it:run")
