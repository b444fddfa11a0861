"""How scenes look where nobody looks at them: plain, aligned, nothing cut off."""

from __future__ import annotations

import pytest

from orchestrator.cli.demo import aligned, show
from orchestrator.demo.scene import Done, Line, Rows, Step


def test_columns_stand_under_each_other() -> None:
    table = Rows(("name", "n"), (("a", "1"), ("longer", "22")))
    assert aligned(table) == ["   name    n", "   a       1", "   longer  22"]


def test_a_table_without_rows_is_its_heading() -> None:
    assert aligned(Rows(("name", "n"), ())) == ["   name  n"]


def test_scenes_are_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    for scene in (
        Step(1, "do [it]", "orch up -d"),
        Done("said", 1.25),
        Done("", 0.5),
        Line("x" * 200),
        Rows(("y" * 200,), ()),
    ):
        show(scene)
    assert capsys.readouterr().out.splitlines() == [
        "",
        " 1 do [it]",
        "   $ orch up -d",
        "   said (1.2 s)",
        "   0.5 s",
        "x" * 200,
        "   " + "y" * 200,
    ]
