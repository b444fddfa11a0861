"""The pages: written by pydoc without our environment; what fails is missing, nothing hangs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.core.errors import OrchError
from orchestrator.demo import docs
from orchestrator.demo.world import nothing


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    pages, scratch = tmp_path / "pages", tmp_path / "scratch"
    pages.mkdir()
    scratch.mkdir()
    return pages, scratch


def test_each_module_has_a_page_and_the_index_links_to_it(folders: tuple[Path, Path]) -> None:
    written = docs.write(*folders, nothing, ["json", "json.decoder", "abc"])
    assert written == ["json", "json.decoder", "abc"]
    assert "<title>Python: package json</title>" in (folders[0] / "json.html").read_text()
    assert '<a href="json.decoder.html">json.decoder</a>' in (folders[0] / "index.html").read_text()


def test_a_module_that_cannot_be_imported_has_no_page_and_no_link(
    folders: tuple[Path, Path],
) -> None:
    assert docs.write(*folders, nothing, ["abc", "no_such_module", "ast"]) == ["abc", "ast"]
    assert "no_such_module" not in (folders[0] / "index.html").read_text()


def test_pages_are_written_without_our_environment(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SECRET", "hidden-in-the-environment")
    docs.write(*folders, nothing, ["os"])  # the one page that prints it
    page = (folders[0] / "os.html").read_text()
    assert "BROWSER" in page
    assert "MY_SECRET" not in page


def test_a_page_that_cannot_be_written_costs_no_other(folders: tuple[Path, Path]) -> None:
    (folders[0] / "abc.html").mkdir()
    assert docs.write(*folders, nothing, ["ast", "abc", "cmd", "code"]) == ["ast", "cmd", "code"]


def test_a_module_that_hangs_costs_only_its_page(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docs, "RUN_TIMEOUT_S", 6.0)
    os.mkfifo(folders[0] / "abc.html")  # opening it for writing waits for a reader that never comes
    assert docs.write(*folders, nothing, ["ast", "abc", "cmd"]) == ["ast", "cmd"]


def test_it_can_be_broken_off_and_leaves_no_process(folders: tuple[Path, Path]) -> None:
    runs: list[docs.Child] = []

    def check() -> None:
        raise OrchError("broken off")

    class Recorded(docs.Child):
        def start(self, *arguments, **named):  # type: ignore[no-untyped-def]
            runs.append(self)
            return super().start(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(docs, "Child", Recorded)
        with pytest.raises(OrchError, match="broken off"):
            docs.write(*folders, check)
    assert runs
    assert all(run.ended for run in runs)
