"""Sources that are files, and what is said of all kinds before anything starts."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import ConfigError
from orchestrator.core.home import Home
from orchestrator.core.proxies_section import ProxiesSection
from proxies.model import parse
from proxies.sources import file as source_file
from proxies.sources import sources
from proxies.sources.body import Body
from proxies.sources.source import Source, Surroundings, declared
from proxies.sources.sources import ADDED, Candidates, read_all, require


def section(*sources: str, **more: Any) -> ProxiesSection:
    return ProxiesSection.model_validate({"sources": sources, "default_scheme": "http", **more})


def read(home: Path, *sources: str, **more: Any) -> Candidates:
    return read_all(section(*sources, **more), Home(home))


def refused(home: Path, *sources: str, **more: Any) -> ConfigError:
    with pytest.raises(ConfigError) as wrong:
        require(section(*sources, **more), Home(home))
    return wrong.value


def test_a_file_is_relative_to_the_home_and_each_proxy_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("10.0.0.1:80\nhttp://10.0.0.1:80\nsocks5://10.0.0.1:80\n")
    (tmp_path / "b.txt").write_text("10.0.0.1:80\n10.0.0.2:80\nhttp://ann:pw@10.0.0.2:80\n")

    found = read(tmp_path, "a.txt", str(tmp_path / "b.txt"))

    assert [proxy.key for proxy in found.proxies] == [
        "http://10.0.0.1:80",
        "socks5://10.0.0.1:80",
        "http://10.0.0.2:80",
        "http://ann@10.0.0.2:80",
    ]
    assert [report.candidates for report in found.reports] == [1, 3]


def test_it_is_known_which_source_named_a_proxy(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("10.0.0.1:80\n")
    (tmp_path / "b.txt").write_text("10.0.0.1:80\n10.0.0.2:80\n")

    found = read(tmp_path, "a.txt", "b.txt").with_added([parse("10.0.0.2:80")])

    named = {
        report.source: [proxy.host for proxy in found.lists[report.key]] for report in found.reports
    }
    assert named == {
        "a.txt": ["10.0.0.1"],
        "b.txt": ["10.0.0.1", "10.0.0.2"],
        "added by hand": ["10.0.0.2"],
    }
    assert found.reports[-1].key == ADDED
    assert len(found.proxies) == 2


def test_a_bare_address_is_tried_as_all_it_may_be_unless_a_scheme_is_set(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("10.0.0.1:1080\n")
    table = {"mine": {"file": "./a.txt", "scheme": "https"}}

    def schemes(default: str | None, **more: Any) -> list[str]:
        return [proxy.scheme for proxy in read(tmp_path, default_scheme=default, **more).proxies]

    assert schemes(None, sources=["a.txt"]) == ["http", "socks5"]
    assert schemes("socks4", sources=["a.txt"]) == ["socks4"]
    assert schemes("socks4", source=table) == ["https"]


def test_the_same_source_twice_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("10.0.0.1:80\n")

    assert len(read(tmp_path, "a.txt", "a.txt", source={"x": {"file": "a.txt"}}).reports) == 1


def test_two_that_differ_in_their_credentials_alone_have_names_of_their_own() -> None:
    found = declared(section("http://a:b@x/list", "http://c:d@x/list"))

    assert [source.name for source in found] == ["http://***@x/list", "http://***@x/list (2)"]


def test_everything_that_is_missing_is_named_at_once_with_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THERE", "x")
    monkeypatch.setenv("EMPTY", "")
    (tmp_path / "there.txt").write_text("10.0.0.1:80\n")
    (tmp_path / "folder").mkdir()
    source = {
        "paid": {"url": "http://${USER_1}:${PW_1}@x/?${THERE}", "headers": {"A": "${PW_1}"}},
        "more": {"file": "there.txt", "proxy_user": "${USER_1}", "proxy_password": "${EMPTY}"},
        "own": {"command": ["no-such-program"]},
        "gone": {"file": "gone2.txt"},
    }

    problems = refused(tmp_path, "there.txt", "gone.txt", "folder", source=source)

    assert sorted(problems.problems) == sorted(
        [
            f"proxies.sources: {tmp_path}/gone.txt is not there",
            f"proxies.sources: {tmp_path}/folder is no file",
            "proxies.source.own: 'no-such-program' is not found on the PATH",
            f"proxies.source.gone: {tmp_path}/gone2.txt is not there",
            "proxies.source.paid, proxies.source.more: ${USER_1} is not set",
            "proxies.source.paid: ${PW_1} is not set",
            "proxies.source.more: ${EMPTY} is not set",
        ]
    )
    assert "cron" in problems.hint


def test_no_sources_at_all_is_no_error(tmp_path: Path) -> None:
    assert read(tmp_path).proxies == ()


def test_an_empty_file_is_an_empty_list_and_one_without_any_proxy_is_none(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("# nobody today\n")
    (tmp_path / "page.txt").write_text("<html>\nnot found\n")

    assert read(tmp_path, "empty.txt").reports[0].error == ""
    report = read(tmp_path, "empty.txt", "page.txt").reports[1]
    assert report.error.startswith("names no proxy: line 1: not of the form")
    with pytest.raises(ConfigError, match=r"proxies.sources: page.txt: names no proxy"):
        read(tmp_path, "page.txt")


def test_a_list_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("10.0.0.1:80\n")
    (tmp_path / "huge.txt").write_text("10.0.0.2:80\n" * 100)

    found = read(tmp_path, "a.txt", source={"huge": {"file": "huge.txt", "max_size": 1000}})

    assert len(found.proxies) == 1
    assert found.reports[1].error == "the list is larger than 1000 bytes"


def test_a_pipe_or_an_endless_device_is_no_list(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    problems = refused(tmp_path, "pipe", "/dev/zero").problems

    assert problems == (
        f"proxies.sources: {tmp_path}/pipe is no file",
        "proxies.sources: /dev/zero is no file",
    )


def test_a_file_that_becomes_a_pipe_holds_up_nobody(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("10.0.0.1:80\n")
    (tmp_path / "b.txt").write_text("10.0.0.2:80\n")
    read(tmp_path, "a.txt", "b.txt")
    (tmp_path / "b.txt").unlink()
    os.mkfifo(tmp_path / "b.txt")

    report = read(tmp_path, "a.txt", "b.txt").reports[1]

    assert report.error == f"{tmp_path}/b.txt is no file"


def test_a_source_that_hangs_for_good_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("10.0.0.1:80\n")
    (tmp_path / "dead-disk.txt").write_text("10.0.0.2:80\n")
    over = threading.Event()

    def hang(source: Source, here: Surroundings, _: object) -> Body:
        if source.name != "a.txt":
            over.wait()
        return source_file.read(source, here)

    monkeypatch.setitem(sources._WAYS, "file", hang)
    began = time.monotonic()

    report = read(tmp_path, "a.txt", "dead-disk.txt", source_timeout=0.2).reports[1]

    over.set()
    assert report.error == "no answer in time"
    assert time.monotonic() - began < 15


def test_a_mistake_of_our_own_in_one_source_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.txt").write_text("10.0.0.1:80\n")
    (tmp_path / "b.txt").write_text("10.0.0.2:80\n")

    def broken(source: Source, here: Surroundings, _: object) -> Body:
        return source_file.read(source, here) if source.name == "a.txt" else Body(3)  # type: ignore[arg-type]

    monkeypatch.setitem(sources._WAYS, "file", broken)

    report = read(tmp_path, "a.txt", "b.txt").reports[1]

    assert report.error == "could not be read: AttributeError"
    assert "Traceback" in caplog.text


def test_a_file_that_vanishes_stops_no_other_and_its_last_list_counts_for_a_while(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.txt").write_text("10.0.0.1:80\n")
    (tmp_path / "b.txt").write_text("10.0.0.2:80\n")
    read(tmp_path, "a.txt", "b.txt")
    (tmp_path / "b.txt").unlink()

    found = read(tmp_path, "a.txt", "b.txt")
    later = read(tmp_path, "a.txt", "b.txt", source_keep=0)

    assert [proxy.host for proxy in found.proxies] == ["10.0.0.1", "10.0.0.2"]
    assert found.reports[1].error == f"{tmp_path}/b.txt is not there"
    assert found.reports[1].kept_s is not None
    assert [proxy.host for proxy in later.proxies] == ["10.0.0.1"]
    assert (later.reports[1].error, later.reports[1].kept_s) == (found.reports[1].error, None)


def test_a_list_is_kept_no_longer_than_it_may_be(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("10.0.0.1:80\n")
    (tmp_path / "b.txt").write_text("10.0.0.2:80\n")
    read(tmp_path, "a.txt", "b.txt")
    (tmp_path / "b.txt").unlink()
    for file in (tmp_path / "data/proxies/sources").iterdir():
        os.utime(file, (0, time.time() - 3599))

    kept = read(tmp_path, "a.txt", "b.txt", source_keep=3600).reports[1]
    os.utime(_kept_of(tmp_path, "b.txt"), (0, time.time() - 3601))
    gone = read(tmp_path, "a.txt", "b.txt", source_keep=3600).reports[1]

    assert kept.kept_s is not None
    assert 3599 <= kept.kept_s < 3600
    assert (gone.kept_s, gone.candidates) == (None, 0)


def test_a_list_is_as_old_as_the_last_time_it_was_read_also_if_it_was_the_same(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.txt").write_text("10.0.0.1:80\n")
    (tmp_path / "b.txt").write_text("10.0.0.2:80\n")
    read(tmp_path, "a.txt", "b.txt")
    os.utime(_kept_of(tmp_path, "b.txt"), (0, time.time() - 3000))
    read(tmp_path, "a.txt", "b.txt")
    (tmp_path / "b.txt").unlink()

    kept_s = read(tmp_path, "a.txt", "b.txt").reports[1].kept_s

    assert kept_s is not None
    assert kept_s < 1000


def test_what_is_kept_is_private_and_what_is_spoilt_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("http://ann:secret@10.0.0.1:80\nhttp://10.0.0.3:80\n")
    (tmp_path / "b.txt").write_text("10.0.0.2:80\n")
    read(tmp_path, "a.txt", "b.txt")
    kept = _kept_of(tmp_path, "a.txt")
    (tmp_path / "a.txt").unlink()
    kept.write_bytes(kept.read_bytes()[: -len("http://10.0.0.3:80\n")])

    found = read(tmp_path, "a.txt", "b.txt")

    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert [proxy.host for proxy in found.proxies] == ["10.0.0.2"]


def test_what_belongs_to_no_source_is_removed_when_it_is_old(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.txt").write_text("10.0.0.1:80\n")
    read(tmp_path, "a.txt", "b.txt", "c.txt")
    (tmp_path / "d.txt").write_text("10.0.0.1:80\n")
    for name in ("a", "b"):
        os.utime(_kept_of(tmp_path, f"{name}.txt"), (0, 0))
    (tmp_path / "b.txt").unlink()

    read(tmp_path, "b.txt", "d.txt")

    there = [_kept_of(tmp_path, f"{name}.txt").exists() for name in ("b", "c")]
    assert there == [True, True]
    assert not _kept_of(tmp_path, "a.txt").exists()


def test_a_data_folder_that_cannot_be_written_keeps_no_source_from_being_read(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.txt").write_text("10.0.0.1:80\n")
    (tmp_path / "data").write_text("in the way")

    assert len(read(tmp_path, "a.txt").proxies) == 1


def test_when_the_content_last_changed_is_remembered(
    tmp_path: Path,
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("10.0.0.1:80\n")

    def changed() -> float:
        report = read(tmp_path, "a.txt").reports[0]
        assert report.changed_at is not None
        return report.changed_at

    first = changed()
    same = changed()
    file.write_text("10.0.0.2:80\n")

    assert same == first
    assert changed() > first


def _kept_of(home: Path, source: str) -> Path:
    (found,) = declared(section(source))
    return home / "data/proxies/sources" / f"{found.key}.list"
