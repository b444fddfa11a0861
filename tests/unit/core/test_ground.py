from __future__ import annotations

import doctest
import os
import threading
from pathlib import Path

import pytest

from orchestrator.core import backoff, duration, errors, mask
from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.errors import DeadlinePassed, OrchError
from orchestrator.core.files import private_folder, read_json, tail, write_atomically, write_json
from orchestrator.core.home import Home
from orchestrator.core.places import LONGEST_SOCKET_PATH
from orchestrator.supervise import restart
from tests.support.fake_clock import FakeClock


@pytest.mark.parametrize("module", [backoff, duration, mask, restart])
def test_the_examples_in_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_the_docstring_draws_the_whole_error_tree() -> None:
    def names(error: type[BaseException]) -> list[str]:
        ours = [sub for sub in error.__subclasses__() if sub.__module__ == errors.__name__]
        return [error.__name__, *(name for sub in ours for name in names(sub))]

    assert all(name in (errors.__doc__ or "") for name in names(OrchError))


def test_a_deadline_is_shared_and_never_restarted() -> None:
    clock = FakeClock()
    deadline = Deadline.after(10.0, clock)
    first = deadline.share(0.5)
    clock.sleep(4.0)

    assert (first.remaining(), deadline.remaining()) == (1.0, 6.0)
    assert deadline.cap(2.0) == 2.0
    clock.sleep(6.0)
    assert deadline.passed
    with pytest.raises(DeadlinePassed, match="the chord"):
        deadline.require("the chord")


def test_waiting_ends_at_the_deadline() -> None:
    clock = FakeClock()

    assert not wait_until(lambda: False, Deadline.after(1.0, clock), every=0.3)
    assert clock.now == pytest.approx(101.0)


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    write_json(path, {"number": 0})
    stop, seen = threading.Event(), set[int]()

    def read() -> None:
        while not stop.is_set():
            seen.add(read_json(path)["number"])  # None, which half a file gives, would raise

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(300):
        write_json(path, {"number": number, "filler": "x" * 20_000}, durable=False)
    stop.set()
    reader.join()
    assert seen
    assert [entry.name for entry in tmp_path.iterdir()] == ["facts.json"]


def test_a_file_is_for_its_owner_only(tmp_path: Path) -> None:
    write_atomically(tmp_path / "secret", "x")
    folder = private_folder(tmp_path / "a" / "b")

    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"{number}\n" for number in range(50_000)))

    assert tail(log, 3) == ("49997", "49998", "49999")
    assert tail(tmp_path / "none") == ()


def test_the_home_is_the_nearest_folder_upwards_with_a_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORCH_HOME", raising=False)
    (tmp_path / "orch.toml").touch()
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)

    assert Home.find().path == tmp_path
    monkeypatch.setenv("ORCH_HOME", str(deep))
    assert Home.find().path == deep
    assert Home.find(tmp_path).path == tmp_path


@pytest.mark.parametrize("runtime", ["", "/run/user/4711", "/x" * 60])
def test_a_socket_path_is_never_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    monkeypatch.setenv("TMPDIR", runtime)
    deep = Home(tmp_path / ("x" * 100))

    for length in range(110):
        home = Home(Path("/") / ("x" * length))
        folders = {home.socket(name).parent for name in ("redis.sock", "control.sock")}
        assert len(folders) == 1
        assert len(os.fsencode(home.socket("control.sock"))) <= LONGEST_SOCKET_PATH
    assert deep.socket("redis.sock") != Home(tmp_path / ("y" * 100)).socket("redis.sock")


def test_a_home_has_one_identity_however_many_ask_first(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(Home(tmp_path).identity())) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(found)) == 1
