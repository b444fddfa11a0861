"""Every kind of probe against the real thing, never waiting longer than it may."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from orchestrator.core.redis import connect
from orchestrator.supervise.probes.kinds import make_probe
from orchestrator.supervise.probes.result import Probe, ProbeResult
from orchestrator.supervise.service import ProbeSpec, ServiceSpec
from tests.support.orch import alive, eventually
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer

WRITE = ("SETRANGE", "probe", "0", "")
#: For an answer that comes: a machine that is busy with other things is no server that hangs, in seconds.
PATIENT_S = 60.0


@pytest.fixture
def selector() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as made:
        yield made
        assert not list(made.get_map()), "a probe left something open"


def make(spec: ProbeSpec, selector: selectors.BaseSelector, cwd: Path = Path("/")) -> Probe:
    return make_probe(spec, ServiceSpec("x", spec, cwd=str(cwd)), selector)


def spec_of(kind: str, target: str = "", *, command: tuple[str, ...] = ()) -> ProbeSpec:
    """For somebody who answers."""
    return ProbeSpec(kind, target, command=command, timeout_s=PATIENT_S)


def ask(probe: Probe, selector: selectors.BaseSelector) -> ProbeResult:
    """Ask once as the supervisor's loop does: woken by the selector, and now and then by itself."""
    probe.begin(time.monotonic(), "me")
    while True:
        result = probe.poll(time.monotonic())
        if result is not None:
            probe.cancel()
            return result
        selector.select(0.05)


def test_redis_says_yes(server: RedisServer, selector: selectors.BaseSelector) -> None:
    result = ask(make(spec_of("redis", server.url, command=WRITE), selector), selector)

    assert result.ok
    assert result.latency_ms is not None
    assert connect(server.url).dbsize() == 0


def test_a_full_redis_is_alive_and_says_that_it_is_full(
    server: RedisServer, selector: selectors.BaseSelector
) -> None:
    connect(server.url).config_set("maxmemory", "1")

    with_write = ask(make(spec_of("redis", server.url, command=WRITE), selector), selector)
    without = ask(make(spec_of("redis", server.url), selector), selector)

    assert without.ok  # which is why the write is asked for
    assert with_write.alive
    assert not with_write.ok
    assert "full" in with_write.error


def test_a_suspended_redis_costs_the_timeout_and_no_more(
    server: RedisServer, selector: selectors.BaseSelector
) -> None:
    assert server.process
    probe = make(ProbeSpec("redis", server.url, timeout_s=0.3), selector)
    os.kill(server.process.pid, signal.SIGSTOP)

    probe.begin(0.0, "me")  # nothing of all this waits for it: it stands still until the end
    before, after = probe.poll(0.29), probe.poll(0.3)

    os.kill(server.process.pid, signal.SIGCONT)
    assert before is None
    assert after == ProbeResult(ok=False, error="no answer within 0.3 s")


def test_a_password_is_given_and_a_wrong_one_is_refused(
    tmp_path: Path, selector: selectors.BaseSelector
) -> None:
    with RedisServer(tmp_path) as server:
        connect(server.url).config_set("requirepass", "s:e@c")
        path = str(server.socket)
        right = spec_of("redis", f"unix://:s%3Ae%40c@{path}", command=WRITE)
        wrong = spec_of("redis", f"unix://:no@{path}", command=WRITE)

        assert ask(make(right, selector), selector).ok
        refused = ask(make(wrong, selector), selector)
        assert refused.alive
        assert "WRONGPASS" in refused.error


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/") or 200))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def http_port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Answers) as made:
        Thread(target=made.serve_forever, daemon=True).start()
        yield made.server_port
        made.shutdown()


@pytest.mark.parametrize(("status", "ok"), [(200, True), (302, True), (404, False), (503, False)])
def test_http_says_yes_by_success(
    http_port: int, selector: selectors.BaseSelector, status: int, ok: bool
) -> None:
    spec = spec_of("http", f"http://127.0.0.1:{http_port}/{status}")

    result = ask(make(spec, selector), selector)

    assert result.ok is ok
    assert ok or str(status) in result.error


def test_what_is_no_http_is_a_stranger(
    server: RedisServer, selector: selectors.BaseSelector, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            client, _ = listener.accept()
            client.sendall(b"SSH-2.0-x\r\n")
            client.recv(4096)
            client.close()

        Thread(target=answer, daemon=True).start()
        result = ask(make(spec_of("http", f"http://127.0.0.1:{port}/"), selector), selector)

    assert result.stranger


@pytest.mark.parametrize("kind", ["tcp", "http", "redis"])
def test_nobody_there_is_absent_at_once(selector: selectors.BaseSelector, kind: str) -> None:
    port = free_port()
    targets = {"tcp": f"127.0.0.1:{port}"}
    spec = spec_of(kind, targets.get(kind, f"{kind}://127.0.0.1:{port}/"))

    result = ask(make(spec, selector), selector)

    assert result.absent
    assert result.error == "nobody listens there"


def test_tcp_says_yes_when_somebody_listens(selector: selectors.BaseSelector) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        assert ask(make(spec_of("tcp", f"127.0.0.1:{port}"), selector), selector).ok


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """It answers while the event is set: this machine's own cannot be killed for a test."""
    answers = Event()
    really = socket.getaddrinfo

    def late(*args: Any, **options: Any) -> Any:
        answers.wait()
        return really(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", late)
    yield answers
    answers.set()


#: A name, and one of which nobody but the resolver knows where it is.
NAME = "LOCALHOST"


def test_a_resolver_that_is_dead_costs_the_timeout_and_no_more(
    selector: selectors.BaseSelector, resolver: Event
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        probe = make(ProbeSpec("tcp", f"{NAME}:{port}", timeout_s=0.2), selector)

        assert ask(probe, selector).error == "no answer of the resolver within 0.2 s"
        before = threading.active_count()
        assert not ask(probe, selector).ok
        assert threading.active_count() <= before  # they do not pile up

        resolver.set()
        assert eventually(lambda: ask(probe, selector).ok)


def test_a_question_goes_on_as_soon_as_the_name_is_found(
    selector: selectors.BaseSelector, resolver: Event
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        probe = make(spec_of("tcp", f"{NAME}:{port}"), selector)
        probe.begin(0.0, "me")
        assert probe.poll(0.0) is None

        resolver.set()
        while (result := probe.poll(0.0)) is None:
            assert selector.select(20), "nothing wakes the loop"

    assert result.ok


def test_where_a_name_is_stays_known_while_the_resolver_is_dead(
    selector: selectors.BaseSelector, resolver: Event
) -> None:
    resolver.set()
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        probe = make(spec_of("tcp", f"{NAME}:{port}"), selector)
        assert ask(probe, selector).ok
        resolver.clear()
        assert ask(probe, selector).ok
    probe.begin(time.monotonic() + 10, "me")  # long enough ago to be looked up again
    while (result := probe.poll(time.monotonic())) is None:
        selector.select(0.05)
    assert "nobody listens" in result.error
    with socket.create_server(("127.0.0.1", port)):
        assert ask(probe, selector).ok


@pytest.mark.parametrize("host", ["a..b", "x" * 70])
def test_a_name_that_is_not_found_says_so(selector: selectors.BaseSelector, host: str) -> None:
    result = ask(make(spec_of("tcp", f"{host}:1"), selector), selector)

    assert result.absent
    assert host in result.error


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_an_address_needs_no_resolver(
    selector: selectors.BaseSelector, resolver: Event, host: str
) -> None:
    result = ask(make(spec_of("tcp", f"{host}:{free_port()}"), selector), selector)

    assert "resolver" not in result.error


def test_a_server_that_accepts_nobody_any_more_is_not_absent(
    selector: selectors.BaseSelector, tmp_path: Path
) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(str(path))
        listener.listen(0)
        first.connect(str(path))

        result = ask(make(spec_of("redis", f"unix://{path}"), selector), selector)

    assert not result.absent  # else a second server would be started over its data
    assert "accepts no connection" in result.error


@pytest.mark.parametrize(
    ("script", "seconds", "ok", "word"),
    [
        ("true", PATIENT_S, True, ""),
        ("exit 3", PATIENT_S, False, "ended with 3"),
        ("sleep 60", 0.5, False, "no answer"),
    ],
)
def test_a_command_says_yes_by_its_exit_code(
    selector: selectors.BaseSelector, script: str, seconds: float, ok: bool, word: str
) -> None:
    spec = ProbeSpec("exec", command=("sh", "-c", script), timeout_s=seconds)

    result = ask(make(spec, selector), selector)

    assert result.ok is ok
    assert word in result.error


def test_a_late_command_is_ended_with_its_children(
    selector: selectors.BaseSelector, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    script = f"sleep 600 & echo $! > {file}; wait"
    probe = make(ProbeSpec("exec", command=("sh", "-c", script), timeout_s=1.5), selector)

    probe.begin(0.0, "me")
    child = int(eventually(lambda: file.exists() and file.read_text(), 60, "it has a child"))
    assert probe.poll(1.4) is None
    late = probe.poll(1.5)

    assert late
    assert not late.ok
    eventually(lambda: not alive(child), 60, "its child is ended")


def test_a_command_that_cannot_be_ended_is_not_waited_for_and_is_not_started_for_ever(
    selector: selectors.BaseSelector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError(pid, number)  # as of a command that runs as another user

    script = f"echo $$ >> {tmp_path}/pids; exec sleep 60"
    probe = make(ProbeSpec("exec", command=("sh", "-c", script), timeout_s=0.5), selector)
    with monkeypatch.context() as patch:
        patch.setattr(os, "killpg", refuse)
        errors = [ask(probe, selector).error for _ in range(5)]

    assert ["have not ended" in error for error in errors] == [False] * 3 + [True] * 2
    eventually(lambda: len((tmp_path / "pids").read_text().split()) >= 3)
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 3
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(alive(pid) for pid in pids), 60, "all have ended")
    eventually(lambda: "no answer" in ask(probe, selector).error)
    probe.begin(time.monotonic(), "me")
    probe.cancel()
    for pid in pids:  # and nobody is left unreaped
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def test_a_command_is_heard_of_without_a_handle_on_it(
    selector: selectors.BaseSelector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pid: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files", pid)

    monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)

    assert ask(make(spec_of("exec", command=("true",)), selector), selector).ok


def test_a_command_that_is_not_there_says_so(selector: selectors.BaseSelector) -> None:
    result = ask(make(spec_of("exec", command=("/no/such",)), selector), selector)

    assert not result.ok
    assert "/no/such" in result.error


def test_a_file_of_an_earlier_start_proves_nothing(
    selector: selectors.BaseSelector, tmp_path: Path
) -> None:
    file = tmp_path / "ready"
    file.touch()
    probe = make(ProbeSpec("file", str(file), max_age_s=0), selector)
    probe.reset(fresh=True)

    before = ask(probe, selector)
    os.utime(file, ns=(1, 1))
    after = ask(probe, selector)

    assert "earlier start" in before.error
    assert after.ok


def test_a_file_that_is_no_longer_touched_is_told_by_our_clock_only(tmp_path: Path) -> None:
    file = tmp_path / "beat"
    with selectors.DefaultSelector() as selector:
        probe = make(ProbeSpec("file", str(file), max_age_s=10), selector)
        probe.reset(fresh=True)
        touch: list[Callable[[], None]] = [
            file.touch,
            lambda: os.utime(file, (2e9, 2e9)),  # the wall clock has jumped ahead
            lambda: None,
        ]
        found = []
        for second, act in zip((0.0, 8.0, 19.0), touch, strict=True):
            act()
            probe.begin(second, "me")
            found.append(probe.poll(second))

    assert [result and result.ok for result in found] == [True, True, False]
    assert found[2]
    assert "11 s" in found[2].error


def test_one_that_cannot_be_asked_is_ready_when_it_has_run_for_a_while(
    selector: selectors.BaseSelector,
) -> None:
    probe = make(ProbeSpec("alive", settle_s=1.0), selector)
    probe.reset(fresh=True)
    said = []
    for now in (10.0, 10.9, 11.0):
        probe.begin(now, "me")
        result = probe.poll(now)
        said.append(result and result.ok)

    assert said == [False, False, True]
    probe.reset(fresh=False)
    probe.begin(12.0, "me")
    result = probe.poll(12.0)
    assert result
    assert result.ok
