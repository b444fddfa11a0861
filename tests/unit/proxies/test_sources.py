"""Lists of candidates: what is read, what is counted, what is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestrator.core.errors import ConfigError
from orchestrator.core.settings import ProxiesSection
from proxies.sources import Candidates, load, read_list, require_files


def read(home: Path, *sources: str, scheme: str = "http") -> Candidates:
    settings = ProxiesSection.model_validate({"sources": sources, "default_scheme": scheme})
    return asyncio.run(load(settings, home, 5.0))


def test_bad_lines_are_counted_and_named_without_what_they_hold() -> None:
    text = "\ufeff# a list\n10.0.0.1:80\n\n10.0.0.2:80 # quick\nann:secret\n10.0.0.3:99999\n"

    proxies, report = read_list(text, "mine.txt", "http")

    assert [proxy.host for proxy in proxies] == ["10.0.0.1", "10.0.0.2"]
    assert (report.candidates, report.bad_lines) == (2, 2)
    assert report.first_bad[0].startswith("line 5: ")
    assert "secret" not in "".join(report.first_bad)


def test_a_file_is_relative_to_the_home_and_each_proxy_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("10.0.0.1:80\nhttp://10.0.0.1:80\nsocks5://10.0.0.1:80\n")
    (tmp_path / "b.txt").write_text("10.0.0.1:80\n10.0.0.2:80\n")

    found = read(tmp_path, "a.txt", str(tmp_path / "b.txt"))

    assert [proxy.key for proxy in found.proxies] == [
        "http://10.0.0.1:80",
        "socks5://10.0.0.1:80",
        "http://10.0.0.2:80",
    ]
    assert [report.candidates for report in found.reports] == [3, 2]


def test_a_bare_address_gets_the_configured_scheme(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("10.0.0.1:1080\n")

    assert read(tmp_path, "a.txt", scheme="socks4").proxies[0].scheme == "socks4"


def test_every_missing_file_is_named_at_once_with_the_ways_out(tmp_path: Path) -> None:
    (tmp_path / "there.txt").write_text("10.0.0.1:80\n")

    with pytest.raises(ConfigError) as refused:
        require_files(["there.txt", "gone.txt", "ftp://ann:pw@h/x", "away.txt"], tmp_path)

    assert len(refused.value.problems) == 3
    assert str(tmp_path / "gone.txt") in refused.value.problems[0]
    assert "pw" not in str(refused.value)
    assert "proxies.sources" in refused.value.hint


def test_no_sources_at_all_is_no_error(tmp_path: Path) -> None:
    assert read(tmp_path).proxies == ()


def test_when_no_source_can_be_read_that_is_an_error(tmp_path: Path) -> None:
    closed = "http://127.0.0.1:1/list"

    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:1"):
        read(tmp_path, closed)


def test_a_url_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("10.0.0.1:80\n")

    found = read(tmp_path, "http://user:pw@127.0.0.1:1/list", "a.txt")

    assert len(found.proxies) == 1
    assert found.reports[0].error
    assert "pw" not in repr(found.reports)


def test_a_list_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxies.sources.LARGEST_LIST", 1000)
    (tmp_path / "a.txt").write_text("10.0.0.1:80\n")
    (tmp_path / "huge.txt").write_text("10.0.0.2:80\n" * 1000)

    found = read(tmp_path, "a.txt", "huge.txt")

    assert len(found.proxies) == 1
    assert "larger" in found.reports[1].error
