"""Redis is killed, hangs or forgets under processes that share a rate: never too much, never nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

import pytest

from orchestrator.core.redis import Redis, connect
from orchestrator.core.resp import ReplyError
from orchestrator.gate.admin import Steering
from orchestrator.gate.away import FailoverStore
from orchestrator.gate.gate import Gate
from orchestrator.gate.limits import Limits
from orchestrator.gate.local import LocalStore
from orchestrator.gate.passage import Permit
from orchestrator.gate.permit import Reason, Refused
from orchestrator.gate.scripts import Scripts
from orchestrator.gate.shared import RedisStore
from tests.support import gate_child
from tests.support.gate_child import PROCESSES
from tests.support.gate_place import HOST, KEYS, QUICK, SITE, Thread, ends, permitted, trip
from tests.support.orch import eventually
from tests.support.redis_server import RedisServer
from tests.support.wall_clock import WallClock, sweep

SECOND = 1_000_000
ROOT = Path(__file__).parents[2]
#: Nothing runs out while a test runs.
LONG = replace(QUICK, slots=1, lease_s=600, open_s=60, open_cap_s=60)
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(["tests.support.gate_child"])


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis", options=("--appendonly", "no")) as started:
        yield started


# the rate of many processes


@dataclass
class Crowd:
    """Processes that make requests as fast as they may."""

    url: str
    folder: Path
    books: list[Path] = field(default_factory=list)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running:
            process.kill()
            process.communicate()

    def join(self, skew: float = 0.0, environment: dict[str, str] | None = None) -> None:
        ahead_us = round((time.time() - time.monotonic()) * 1e6)
        book = self.folder / f"book-{len(self.books)}"
        command = [sys.executable, "-m", "tests.support.gate_child", self.url, str(book)]
        process = subprocess.Popen(
            [*command, str(ahead_us), str(skew)],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
        )
        book.touch()
        self.books.append(book)
        self.running.append(process)

    def lines(self, *kinds: str) -> list[list[str]]:
        found = [line.split() for book in self.books for line in book.read_text().splitlines()]
        return [line for line in found if line[0] in kinds]

    def all_are_counted(self) -> None:
        eventually(lambda: len(self.lines("counted")) == PROCESSES, 40)
        self.go_on()

    def go_on(self, *kinds: str) -> None:
        """Wait until each has made a few more requests (of these kinds)."""
        kinds = kinds or ("shared", "alone")
        for book in self.books:
            known = _count(book, kinds)
            eventually(lambda book=book, known=known: _count(book, kinds) >= known + 8, 40)  # type: ignore[misc]

    def stop(self) -> None:
        for process in self.running:
            process.communicate(timeout=40)
            assert process.returncode == 0

    def check_the_rate(self) -> None:
        """In no second are more due than the rate, and one; nobody goes before he is due."""
        made = sorted(
            (int(due), int(at) - int(due)) for _, due, at in self.lines("shared", "alone")
        )
        assert min(early for _, early in made) >= -1000
        dues = [due for due, _ in made]
        worst = max(
            sum(due <= later < due + SECOND for later in dues[at : at + 200])
            for at, due in enumerate(dues)
        )
        assert worst <= 51


def _count(book: Path, kinds: tuple[str, ...]) -> int:
    return sum(line.split()[0] in kinds for line in book.read_text().splitlines())


def crowd_of(server: RedisServer, folder: Path) -> Crowd:
    """Their wall clocks are wrong by a minute; that must not matter."""
    crowd = Crowd(server.url, folder)
    for skew in (0.0, 60.0, -60.0, 30.0):
        crowd.join(skew)
    return crowd


def killed_for(server: RedisServer, crowd: Crowd) -> None:
    server.kill()
    crowd.go_on("alone")
    server.start()


def killed_and_restarted(server: RedisServer, _crowd: Crowd) -> None:
    server.kill()
    server.start()


def hangs(server: RedisServer, crowd: Crowd) -> None:
    assert server.process
    server.process.send_signal(signal.SIGSTOP)
    crowd.go_on("alone")
    server.process.send_signal(signal.SIGCONT)


def forgets_all(server: RedisServer, crowd: Crowd) -> None:
    for _ in range(3):
        connect(server.url).flushall()
        crowd.go_on()


def forgets_scripts(server: RedisServer, crowd: Crowd) -> None:
    for _ in range(3):
        connect(server.url).script_flush()
        crowd.go_on()


@pytest.mark.parametrize(
    ("memory", "happens"),
    [
        ("server", killed_for),
        ("forgetful", killed_for),
        ("server", killed_and_restarted),
        ("forgetful", killed_and_restarted),
        ("server", hangs),
        ("server", forgets_all),
        ("server", forgets_scripts),
    ],
)
def test_in_no_second_there_are_more_than_the_rate(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    memory: str,
    happens: Callable[[RedisServer, Crowd], None],
) -> None:
    server: RedisServer = request.getfixturevalue(memory)
    with crowd_of(server, tmp_path) as crowd:
        crowd.all_are_counted()
        happens(server, crowd)
        crowd.go_on("shared")
        crowd.go_on("shared")
        crowd.stop()
        crowd.check_the_rate()


@pytest.mark.machine
def test_wall_clocks_a_minute_apart_do_not_matter(server: RedisServer, tmp_path: Path) -> None:
    with Crowd(server.url, tmp_path) as crowd:
        for number, offset in enumerate(("+0", "+60", "-60", "+30")):
            clock = WallClock(tmp_path / f"clock-{number}")
            clock.jump(offset)
            shim = {"PYTHONPATH": str(ROOT / "tests/support/clock_shim")}
            crowd.join(environment=clock.environment | shim)
        crowd.all_are_counted()
        connect(server.url).script_flush()
        killed_for(server, crowd)
        crowd.go_on("shared")
        crowd.stop()
        crowd.check_the_rate()
    sweep()


# one process


@dataclass
class Alone:
    """A gate that goes on alone while its server is away, and what was told of that."""

    server: RedisServer
    limits: Limits
    users: int = 1
    told: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shared = RedisStore(self.server.url, KEYS, "test:1")
        self.store = FailoverStore(self.shared, LocalStore(), self.hear, users=self.users)
        self.gate = Gate(self.store, lambda _: self.limits)

    def hear(self, name: str, facts: dict[str, object]) -> None:
        self.told.append(name)
        self.reasons.append(str(facts.get("reason", "")))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.close()

    def goes_alone(self) -> None:
        """Ask once, for another site: the server is away."""
        self.gate.look("another")
        eventually(lambda: self.told[-1:] == ["gate.alone"])

    def is_back(self) -> None:
        eventually(lambda: self.told[-1:] == ["gate.shared"])


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.gate.scripts.STEP_S", 0.6)


pytestmark = pytest.mark.usefixtures("patient")


@pytest.fixture
def very_patient(patient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """For servers that answer whatever happens: however slow, they are not away for that."""
    monkeypatch.setattr("orchestrator.gate.scripts.STEP_S", 10.0)


def stopped(server: RedisServer) -> None:
    assert server.process
    server.process.send_signal(signal.SIGSTOP)


def goes_on(server: RedisServer) -> None:
    assert server.process
    server.process.send_signal(signal.SIGCONT)


def slots_of(redis: Redis) -> int:
    return redis.zcard(KEYS.gate(SITE, "slots"))


def test_a_server_that_hangs_is_waited_for_once(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    true = Scripts._send

    def send(scripts: Scripts, raw: bytes) -> bytes:
        asked.append(threading.current_thread().name)
        return true(scripts, raw)

    with Alone(server, Limits(rate=1000, slots=0)) as alone:
        ends(permitted(alone.gate))
        monkeypatch.setattr(Scripts, "_send", send)
        stopped(server)
        for _ in range(100):
            alone.gate.enter(SITE, HOST, 5).close()
        alone.gate.look(SITE)
        goes_on(server)
    assert asked.count("MainThread") == 1


def test_it_is_told_once_that_the_server_is_away_and_once_that_it_is_back(
    server: RedisServer,
) -> None:
    with Alone(server, Limits(rate=500, slots=0)) as alone:
        over = threading.Event()

        def use() -> None:
            while not over.is_set():
                alone.gate.enter(SITE, HOST, 20).close()

        threads = [Thread(use) for _ in range(8)]
        for _ in range(2):
            server.kill()
            eventually(lambda: alone.told[-1:] == ["gate.alone"])
            server.start()
            alone.is_back()
        over.set()
        for thread in threads:
            thread.result()
    # A machine that stalls is away once more, and back once more.
    assert len(alone.told) >= 4
    assert alone.told == ["gate.alone", "gate.shared"] * (len(alone.told) // 2)


def test_a_breaker_that_was_open_stays_open(server: RedisServer) -> None:
    with Alone(server, LONG) as alone, Alone(server, LONG) as other:
        trip(alone.gate)
        assert isinstance(other.gate.try_enter(SITE, HOST), Refused)
        server.kill()
        other.goes_alone()
        alone.goes_alone()
        for each in (alone, other):
            time.sleep(0.06)  # nothing is remembered for longer than that but what holds
            answer = each.gate.try_enter(SITE, HOST)
            assert isinstance(answer, Refused)
            assert answer.reason is Reason.BREAKER
            assert each.gate.look(SITE)
            assert isinstance(each.gate.try_enter("another", HOST), Permit)
        server.start()
        alone.is_back()
        assert isinstance(alone.gate.try_enter(SITE, HOST), Refused)


def test_a_half_open_breaker_lets_nobody_try_while_the_server_is_away(server: RedisServer) -> None:
    limits = replace(LONG, open_s=0.1)
    with Alone(server, limits) as alone:
        trip(alone.gate)
        eventually(lambda: not isinstance(alone.gate.look(SITE), Refused))
        server.kill()
        alone.goes_alone()
        answer = alone.gate.try_enter(SITE, HOST)
        assert answer == Refused(Reason.BREAKER, pytest.approx(1, abs=1))


@pytest.mark.parametrize("memory", ["server", "forgetful"])
def test_a_pause_holds_while_the_server_is_away_and_afterwards(
    request: pytest.FixtureRequest, memory: str
) -> None:
    server: RedisServer = request.getfixturevalue(memory)
    with Alone(server, QUICK) as alone, Alone(server, QUICK) as other:
        permit = permitted(alone.gate)
        permit.limited(60)
        permit.close()
        server.kill()
        alone.goes_alone()
        answer = alone.gate.try_enter(SITE, HOST)
        assert answer == Refused(Reason.PAUSE, pytest.approx(60, abs=20))
        assert alone.store.look(SITE).reason is Reason.PAUSE
        server.start()
        alone.is_back()
        assert other.gate.look(SITE) == Refused(Reason.PAUSE, pytest.approx(60, abs=20))


def test_a_pause_that_was_asked_for_while_the_server_was_away_holds_for_all(
    server: RedisServer,
) -> None:
    with Alone(server, QUICK) as alone, Alone(server, QUICK) as other:
        server.kill()
        alone.goes_alone()
        permit = alone.gate.enter(SITE, HOST, 5)
        permit.limited(60)
        permit.close()
        server.start()
        alone.is_back()
        assert other.gate.look(SITE) == Refused(Reason.PAUSE, pytest.approx(60, abs=20))


def test_what_others_heard_is_known_to_who_only_waits(server: RedisServer) -> None:
    """It has used the gate, and did not ask since: its beats hear how the site stands."""
    with Alone(server, QUICK) as alone, Alone(server, QUICK) as other:
        ends(permitted(alone.gate))
        other.store.pause(SITE, 60)
        eventually(lambda: alone.store._known.rest_s(SITE) > 0)
        server.kill()
        alone.goes_alone()
        answer = alone.gate.try_enter(SITE, HOST)
        assert answer == Refused(Reason.PAUSE, pytest.approx(60, abs=20))


def test_a_rate_that_somebody_set_holds(server: RedisServer) -> None:
    limits = Limits(rate=1000, slots=0, adaptive=False)
    with Alone(server, limits) as alone:
        Steering(connect(server.url), KEYS, SITE, limits).set_rate(0.1)
        began = time.monotonic()
        ends(permitted(alone.gate))
        server.kill()
        answer = alone.gate.try_enter(SITE, HOST)
        took = time.monotonic() - began
        assert answer == Refused(Reason.RATE, pytest.approx(10, abs=3 + took))


def test_who_was_never_counted_takes_the_share_that_was_assumed(server: RedisServer) -> None:
    server.kill()
    with Alone(server, Limits(rate=0.4, slots=0), users=4) as alone:
        answer = alone.gate.try_enter(SITE, HOST)
        assert answer == Refused(Reason.RATE, pytest.approx(20, abs=5))


def test_nobody_goes_alone_before_what_was_booked_at_the_server_is_over(
    server: RedisServer,
) -> None:
    """Others may have booked as far ahead, and know of it."""
    with Alone(server, Limits(rate=1, slots=0, adaptive=False)) as alone:
        began = time.monotonic()
        for _ in range(6):
            permitted(alone.gate, max_wait=60)
        server.kill()
        answer = alone.gate.try_enter(SITE, HOST)
        assert isinstance(answer, Refused)
        assert answer.reason is Reason.RATE
        assert 5.99 - (time.monotonic() - began) <= answer.wait_s <= 7.5


def test_what_was_held_there_is_given_back_when_the_server_is_back(server: RedisServer) -> None:
    with Alone(server, LONG) as alone:
        held = permitted(alone.gate)
        server.kill()
        alone.goes_alone()
        ends(held, "ok")
        server.start()
        alone.is_back()
        eventually(lambda: slots_of(connect(server.url)) == 0)
        ends(alone.gate.enter(SITE, HOST, 20))


def test_what_a_server_that_hung_granted_to_nobody_is_given_back(server: RedisServer) -> None:
    with Alone(server, LONG) as alone:
        ends(permitted(alone.gate))
        stopped(server)
        ends(alone.gate.enter(SITE, HOST, 20))
        goes_on(server)
        alone.is_back()
        eventually(lambda: slots_of(connect(server.url)) == 0)
        ends(alone.gate.enter(SITE, HOST, 20))


def test_what_was_granted_alone_is_given_back_after_the_server_is_back(
    server: RedisServer,
) -> None:
    with Alone(server, LONG) as alone:
        server.kill()
        alone.goes_alone()
        held = alone.gate.enter(SITE, HOST, 20)
        server.start()
        alone.is_back()
        ends(held)
        server.kill()
        alone.goes_alone()
        ends(alone.gate.enter(SITE, HOST, 20))


def test_a_fork_while_the_server_is_away_looks_for_it_too(
    server: RedisServer, tmp_path: Path
) -> None:
    with Alone(server, LONG) as alone:
        server.kill()
        alone.goes_alone()

        book = tmp_path / "book"

        def look() -> None:
            alone.told.clear()
            ends(alone.gate.enter(SITE, HOST, 20))
            book.write_text(alone.told[0])
            alone.is_back()

        child = multiprocessing.get_context("fork").Process(target=look)
        child.start()
        eventually(lambda: book.exists() and book.read_text() == "gate.alone")
        server.start()
        child.join(90)
        assert child.exitcode == 0


def is_full(redis: Redis) -> None:
    redis.config_set("maxmemory", 1)


def is_a_replica(redis: Redis) -> None:
    redis.execute_command("REPLICAOF", "127.0.0.1", "1")


def runs_a_script_for_ever(redis: Redis) -> None:
    redis.config_set("busy-reply-threshold", 1)
    Thread(lambda: connect(redis_url(redis)).eval("while true do end", 0))
    eventually(lambda: _is_busy(redis))


def is_well(redis: Redis) -> None:
    redis.config_set("maxmemory", 0)
    redis.execute_command("REPLICAOF", "NO", "ONE")


def is_freed(redis: Redis) -> None:
    redis.script_kill()


def redis_url(redis: Redis) -> str:
    return f"unix://{redis.connection_pool.connection_kwargs['path']}"


def _is_busy(redis: Redis) -> bool:
    return "BUSY" in _refusal(redis)


def _is_loading(redis: Redis) -> bool:
    return "loading the dataset" in _refusal(redis)


def _refusal(redis: Redis) -> str:
    try:
        redis.ping()
    except Exception as error:  # noqa: BLE001 - by its text
        return str(error)
    return ""


@pytest.mark.usefixtures("very_patient")
@pytest.mark.parametrize(
    ("goes_wrong", "is_mended"),
    [(is_full, is_well), (is_a_replica, is_well), (runs_a_script_for_ever, is_freed)],
)
def test_a_server_that_serves_nobody_for_the_moment_is_away(
    server: RedisServer,
    goes_wrong: Callable[[Redis], None],
    is_mended: Callable[[Redis], None],
) -> None:
    redis = connect(server.url)
    with Alone(server, LONG) as alone:
        ends(permitted(alone.gate))
        goes_wrong(redis)
        ends(alone.gate.enter(SITE, HOST, 20))
        assert alone.told == ["gate.alone"]
        is_mended(redis)
        alone.is_back()
        ends(alone.gate.enter(SITE, HOST, 20))
        assert alone.told == ["gate.alone", "gate.shared"]


def test_a_server_that_loads_its_data_is_away(server: RedisServer) -> None:
    redis = connect(server.url)
    for number in range(600):  # 10 ms each, as told below, and it answers in between
        redis.set(f"k{number}", os.urandom(2000).hex())
    redis.bgrewriteaof()
    eventually(lambda: redis.info("persistence")["aof_rewrite_in_progress"] == 0)
    server.kill()
    with Alone(server, LONG) as alone:
        server.options = (
            "--key-load-delay",
            "10000",
            "--loading-process-events-interval-bytes",
            "1024",
        )
        starting = Thread(server.start)
        eventually(lambda: _is_loading(redis))
        ends(alone.gate.enter(SITE, HOST, 20))
        assert "LOADING" in alone.reasons[0]
        starting.result(60)
        eventually(lambda: not alone.store.away)
        ends(alone.gate.enter(SITE, HOST, 20))


def spoil(redis: Redis, part: str) -> None:
    """In one step: whoever looks in between would make it anew."""
    script = "redis.call('DEL', KEYS[1]) return redis.call('LPUSH', KEYS[1], 'of somebody else')"
    redis.eval(script, 1, KEYS.gate(SITE, part))


@pytest.mark.usefixtures("very_patient")
@pytest.mark.parametrize("part", ["state", "slots"])
def test_a_fault_is_told_and_not_taken_for_a_server_that_is_away(
    server: RedisServer, part: str
) -> None:
    redis = connect(server.url)
    with Alone(server, replace(LONG, slots=2)) as alone:
        held = permitted(alone.gate)
        spoil(redis, part)
        with pytest.raises(ReplyError, match="WRONGTYPE"):
            alone.gate.enter(SITE, HOST, 5)
        with pytest.raises(ReplyError, match="WRONGTYPE"):
            ends(held, "failed")
        assert alone.told == []
        assert not alone.store.away
        redis.delete(KEYS.gate(SITE, part))
        ends(alone.gate.enter(SITE, HOST, 5))


def test_a_fault_that_is_there_when_the_server_is_back_is_told(server: RedisServer) -> None:
    with Alone(server, LONG) as alone:
        ends(permitted(alone.gate))
        server.kill()
        alone.goes_alone()
        ends(alone.gate.enter(SITE, HOST, 20))
        server.start()
        spoil(connect(server.url), "state")
        eventually(lambda: not alone.store.away)
        with pytest.raises(ReplyError, match="WRONGTYPE"):
            alone.gate.enter(SITE, HOST, 20)


# who is killed

#: Seconds: longer than a process stands still that is not killed, which holds what it got.
HELD_S = 6.0


def holder(server: RedisServer, limits: Limits, book: Path, says: str = "in") -> BaseProcess:
    book.touch()
    child = CHILDREN.Process(target=gate_child.hold, args=(server.url, limits, book))
    child.start()
    if says:
        eventually(lambda: book.read_text().strip() == says)
    return child


def end(child: BaseProcess) -> None:
    child.kill()
    child.join()


@pytest.mark.usefixtures("very_patient")
def test_the_slot_of_who_was_killed_goes_to_the_line_after_its_lease(
    server: RedisServer, tmp_path: Path
) -> None:
    limits = replace(LONG, lease_s=HELD_S)
    redis = connect(server.url)
    child = holder(server, limits, tmp_path / "book")
    with Alone(server, limits) as alone:
        waits = Thread(lambda: alone.gate.enter(SITE, HOST, 60))
        eventually(lambda: redis.zcard(KEYS.gate(SITE, "line")) == 1)
        end(child)
        ((_, lease_end),) = redis.zrange(KEYS.gate(SITE, "slots"), 0, -1, withscores=True)
        permit = waits.result(60)
        assert lease_end <= permit.grant.due < lease_end + 10 * SECOND
        ends(permit)


@pytest.mark.usefixtures("very_patient")
def test_a_head_of_the_line_that_was_killed_holds_up_nobody_for_long(
    server: RedisServer, tmp_path: Path
) -> None:
    redis = connect(server.url)
    with Alone(server, LONG) as alone:
        held = permitted(alone.gate)
        child = holder(server, LONG, tmp_path / "book", says="")
        eventually(lambda: redis.zcard(KEYS.gate(SITE, "line")) == 1)
        waits = Thread(lambda: alone.gate.enter(SITE, HOST, 30))
        eventually(lambda: redis.zcard(KEYS.gate(SITE, "line")) == 2)
        end(child)
        ends(held)
        freed = time.monotonic()
        ends(waits.result())
        assert time.monotonic() - freed < 10


@pytest.mark.usefixtures("very_patient")
def test_after_a_trial_whose_maker_was_killed_there_is_exactly_one_more(
    server: RedisServer, tmp_path: Path
) -> None:
    limits = replace(LONG, slots=0, lease_s=HELD_S, open_s=0.1)
    with Alone(server, limits) as alone:
        trip(alone.gate)
        eventually(lambda: not isinstance(alone.gate.look(SITE), Refused))
        child = holder(server, limits, tmp_path / "book", says="trial")
        end(child)
        others = [Gate(RedisStore(server.url, KEYS, "other"), lambda _: limits) for _ in range(6)]
        permits: list[Permit] = []
        until = time.monotonic() + 60

        def look(gate: Gate) -> None:
            while time.monotonic() < until and (not permits or time.monotonic() < found[0] + 0.5):
                answer = gate.try_enter(SITE, HOST)
                if isinstance(answer, Permit):
                    permits.append(answer)
                    found[0] = time.monotonic()
                else:
                    time.sleep(min(answer.wait_s, 0.01))

        found = [0.0]
        for thread in [Thread(lambda gate=gate: look(gate)) for gate in others]:  # type: ignore[misc]
            thread.result(90)
        assert [permit.trial for permit in permits] == [True]
        ends(permits[0], "ok")
        ends(others[0].enter(SITE, HOST, 20))
        for gate in others:
            gate.close()
