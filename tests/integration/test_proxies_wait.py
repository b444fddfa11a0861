"""Waiting for a refresh: bounded through every stage and every entry point, whatever is stuck."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.clock import Deadline
from orchestrator.core.errors import ConfigError, DeadlinePassed, RedisUnavailable
from orchestrator.core.redis import Redis
from proxies.collect import Collector
from proxies.findings import Report
from proxies.model import Anonymity, Verdict, parse
from proxies.notice import ChordNotice, body_id
from proxies.outcome import RefreshOutcome
from proxies.progress import RefreshRecord, RefreshStatus
from proxies.wait import Patience, Wait
from tests.support.orch import eventually
from tests.support.redis_server import RedisServer
from tests.support.zoo_home import ProxyHome

TIMEOUT_S = 3.0
STUCK = [None, "PENDING", "DISPATCHED", "PROCESSING", "NONSENSE"]
CANDIDATES = [parse(f"127.0.0.1:{port}") for port in range(1, 5)]
JUDGE = "http://127.0.0.1:9/"

#: What a user calls, on a home where the refresh `job` hangs.
ENTRY_POINTS: dict[str, Callable[[ProxyHome, str], object]] = {
    "wait_for": lambda home, job: home.refresher.wait_for(job, timeout=TIMEOUT_S),
    "refresh": lambda home, _: home.refresher.refresh(timeout=TIMEOUT_S),
    "ensure": lambda home, _: home.refresher.ensure(10, timeout=TIMEOUT_S),
}


@pytest.fixture
def home(tmp_path: Path, redis_server: RedisServer, real_redis: Redis) -> ProxyHome:
    return ProxyHome(tmp_path / "home", redis_server.url, JUDGE).candidates(CANDIDATES)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that the test may stop and kill."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with RedisServer(folder) as server:
        yield server
        if server.process:
            server.process.send_signal(signal.SIGCONT)


def begin(home: ProxyHome, chunks: int = 2) -> RefreshRecord:
    """A refresh that was written down, and that nobody works on."""
    record = home.record("0123456789ab")
    pieces = [[proxy.url for proxy in CANDIDATES[index::chunks]] for index in range(chunks)]
    assert record.begin(pieces, 60, {"candidates": len(CANDIDATES), "budget_s": 60}) == ""
    return record


@contextmanager
def later(seconds: float, call: Callable[[], None]) -> Iterator[None]:
    """Call it in a while; what it does is over before the test is."""
    timer = threading.Timer(seconds, call)
    timer.start()
    yield
    timer.join()


def timed(call: Callable[[], object]) -> tuple[float, object]:
    started = time.monotonic()
    try:
        result: object = call()
    except Exception as error:  # noqa: BLE001 (the test looks at it)
        result = error
    return time.monotonic() - started, result


def assert_deadline(found: tuple[float, object]) -> None:
    seconds, result = found
    assert isinstance(result, DeadlinePassed), result
    assert TIMEOUT_S - 1 <= seconds <= TIMEOUT_S + 1


def live(home: ProxyHome, *numbers: int) -> Report:
    now = float(home.context.redis.time()[0])
    verdicts = [
        Verdict(CANDIDATES[number], now, anonymity=Anonymity.ELITE, latency_ms=5)
        for number in numbers
    ]
    return Report(tuple(verdicts), {"connection refused": 1}, len(verdicts) + 1)


def report(record: RefreshRecord, index: int, found: Report) -> bool:
    return record.record(index, found.as_json(), found.checked)


def waiting(home: ProxyHome, record: RefreshRecord, **patience: float) -> Wait:
    client = record.redis
    fresh_for = home.context.settings.proxies.fresh_for
    return Wait(
        record,
        Collector(client, home.context.keys, home.context.home.live_proxies, fresh_for),
        home.refresher.snapshot,
        ChordNotice(client, home.refresher._app, record.job_id),
        patience=Patience(**patience),
    )


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_a_stuck_status_ends_at_the_deadline(
    tmp_path: Path, redis_server: RedisServer, real_redis: Redis, entry: str
) -> None:
    """Each status in a home of its own, all at once."""

    def stuck(status: str | None) -> tuple[float, object]:
        home = ProxyHome(tmp_path / str(status), redis_server.url, JUDGE).candidates(CANDIDATES)
        record = begin(home)
        if status is None:
            home.context.redis.delete(record.key("status"))
        else:
            home.context.redis.set(record.key("status"), status)
        return timed(lambda: ENTRY_POINTS[entry](home, record.job_id))

    with ThreadPoolExecutor(len(STUCK)) as pool:
        for found in pool.map(stuck, STUCK):
            assert_deadline(found)


def test_a_refresh_that_no_worker_takes_ends_at_the_deadline(home: ProxyHome) -> None:
    assert_deadline(timed(lambda: home.refresher.refresh(timeout=TIMEOUT_S)))


def test_a_refresh_that_nobody_has_heard_of_ends_at_the_deadline(home: ProxyHome) -> None:
    assert_deadline(timed(lambda: home.refresher.wait_for("ffffffffffff", timeout=TIMEOUT_S)))


def test_a_body_that_says_it_is_done_while_the_status_is_stuck_ends_at_the_deadline(
    home: ProxyHome,
) -> None:
    record = begin(home)
    backend: Any = home.refresher._app.backend
    backend.store_result(body_id(record.job_id), True, "SUCCESS")

    assert_deadline(timed(lambda: home.refresher.wait_for(record.job_id, timeout=TIMEOUT_S)))


@pytest.mark.parametrize("trouble", ["hangs", "is gone"])
def test_a_redis_that_goes_meanwhile_does_not_hold_the_wait(
    tmp_path: Path, own_server: RedisServer, trouble: str
) -> None:
    home = ProxyHome(tmp_path / "home", own_server.url, JUDGE).candidates(CANDIDATES)
    record = begin(home)
    assert own_server.process
    number = signal.SIGSTOP if trouble == "hangs" else signal.SIGKILL
    threading.Timer(0.7, own_server.process.send_signal, [number]).start()

    assert_deadline(timed(lambda: home.refresher.wait_for(record.job_id, timeout=TIMEOUT_S)))


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_a_redis_that_hangs_from_the_start_is_told_at_once(
    tmp_path: Path, own_server: RedisServer, entry: str
) -> None:
    home = ProxyHome(tmp_path / "home", own_server.url, JUDGE).candidates(CANDIDATES)
    home.refresher.usable_count()
    assert own_server.process
    own_server.process.send_signal(signal.SIGSTOP)

    seconds, error = timed(lambda: ENTRY_POINTS[entry](home, "ffffffffffff"))

    assert isinstance(error, RedisUnavailable)
    assert seconds < TIMEOUT_S + 1


def test_a_redis_that_hangs_while_the_chunks_are_sent_does_not_hold_the_refresh(
    tmp_path: Path, own_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = ProxyHome(tmp_path / "home", own_server.url, JUDGE).candidates(CANDIDATES)
    sound = RefreshRecord.begin

    def begin_and_hang(*args: Any) -> str:
        running = sound(*args)
        assert own_server.process
        own_server.process.send_signal(signal.SIGSTOP)
        return running

    monkeypatch.setattr(RefreshRecord, "begin", begin_and_hang)

    assert_deadline(timed(lambda: home.refresher.refresh(timeout=TIMEOUT_S)))


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
@pytest.mark.parametrize("entry", ["refresh", "wait_for", "ensure"])
def test_a_timeout_that_is_not_above_zero_is_refused(
    home: ProxyHome, entry: str, timeout: float
) -> None:
    calls: dict[str, Callable[[], object]] = {
        "refresh": lambda: home.refresher.refresh(timeout=timeout),
        "wait_for": lambda: home.refresher.wait_for("ffffffffffff", timeout=timeout),
        "ensure": lambda: home.refresher.ensure(0, timeout=timeout),
    }

    with pytest.raises(ConfigError, match="above 0"):
        calls[entry]()


def test_a_timeout_that_is_computed_ends_too(home: ProxyHome) -> None:
    record = home.record("0123456789ab")
    record.begin([["http://127.0.0.1:1"]], 60, {"budget_s": 1.5})

    seconds, error = timed(lambda: home.refresher.wait_for(record.job_id))

    assert isinstance(error, DeadlinePassed)
    assert 1 <= seconds <= 2.5


def test_the_first_stage_notices_the_chord_at_once(home: ProxyHome) -> None:
    record = begin(home)
    wait = waiting(home, record, look_every=20.0, body=60.0)

    def end() -> None:
        home.refresher._app.backend.store_result(body_id(record.job_id), "x", "STARTED")
        time.sleep(0.3)  # as long as the body takes
        for index in range(2):
            report(record, index, live(home, index))
        wait._collector.collect(record.job_id)
        home.refresher._app.backend.store_result(body_id(record.job_id), "x", "SUCCESS")

    with later(0.3, end):
        seconds, status = timed(lambda: wait.until(Deadline.after(20)))

    assert status is RefreshStatus.COMPLETE
    assert seconds < 2


def test_the_second_stage_notices_the_keys_when_the_chord_is_lost(home: ProxyHome) -> None:
    record = begin(home)
    wait = waiting(home, record)

    def end() -> None:
        for index in range(2):
            report(record, index, live(home, index))
        wait._collector.collect(record.job_id)

    with later(0.5, end):
        seconds, status = timed(lambda: wait._by_redis(Deadline.after(4)))

    assert status is RefreshStatus.COMPLETE
    assert seconds < 1.5


def test_the_third_stage_notices_the_file_when_redis_is_gone(
    tmp_path: Path, own_server: RedisServer
) -> None:
    home = ProxyHome(tmp_path / "home", own_server.url, JUDGE).candidates(CANDIDATES)
    record = begin(home)
    file = home.context.home.live_proxies

    def end() -> None:
        own_server.kill()
        other = {"generation": 8, "refresh": "another", "status": "COMPLETE"}
        file.write_text(json.dumps(other))
        ours = {"generation": 9, "refresh": record.job_id, "status": "PARTIAL", "live": 4}
        time.sleep(0.5)
        file.write_text(json.dumps({**ours, "usable": 3}))

    with later(0.5, end):
        seconds, outcome = timed(lambda: home.refresher.wait_for(record.job_id, timeout=10))

    assert isinstance(outcome, RefreshOutcome), outcome
    assert outcome.status is RefreshStatus.PARTIAL
    assert (outcome.live, outcome.usable) == (4, 3)
    assert seconds < 4


def test_who_waits_collects_when_the_body_does_not_come(home: ProxyHome) -> None:
    record = begin(home)
    for index in range(2):
        report(record, index, live(home, index))

    seconds, outcome = timed(lambda: home.refresher.wait_for(record.job_id, timeout=20))

    assert isinstance(outcome, RefreshOutcome)
    assert (outcome.status, outcome.live, outcome.usable) == (RefreshStatus.COMPLETE, 2, 2)
    assert seconds < 2.5


def test_a_chunk_that_falls_silent_is_not_waited_for_and_the_rest_counts(home: ProxyHome) -> None:
    record = begin(home)
    report(record, 0, live(home, 0))
    assert record.beat(1, 1).run(record.redis)

    seconds, outcome = timed(lambda: home.refresher.wait_for(record.job_id, timeout=30))

    assert isinstance(outcome, RefreshOutcome)
    assert (outcome.status, outcome.live) == (RefreshStatus.PARTIAL, 1)
    assert outcome.problems == ("1 of 2 chunks did not report",)
    assert 3 <= seconds < 5  # the tests' patience with silence


def test_when_every_chunk_falls_silent_the_refresh_has_failed(home: ProxyHome) -> None:
    record = begin(home)
    assert record.beat(0, 1).run(record.redis)

    outcome = home.refresher.wait_for(record.job_id, timeout=30)

    assert outcome.status is RefreshStatus.FAILED
    assert outcome.exit_code() == 1


def test_chunks_that_wait_for_a_slot_are_not_lost_but_ask_for_room(home: ProxyHome) -> None:
    record = begin(home)
    yield_wanted = home.context.keys.yield_wanted()
    home.context.redis.delete(yield_wanted)

    with pytest.raises(DeadlinePassed):
        home.refresher.wait_for(record.job_id, timeout=4)  # longer than the patience with silence

    assert home.context.redis.get(yield_wanted) == record.job_id
    for index in range(2):
        record.beat(index, 0).run(record.redis)
    assert home.context.redis.get(yield_wanted) is None


def test_a_refresh_that_somebody_waits_for_keeps_its_lease(home: ProxyHome) -> None:
    record = begin(home)
    lease = home.context.keys.refresh_current()
    home.context.redis.pexpire(lease, 1500)

    with pytest.raises(DeadlinePassed):
        home.refresher.wait_for(record.job_id, timeout=2)

    assert home.context.redis.get(lease) == record.job_id
    assert eventually(lambda: home.context.redis.ttl(lease) > 10)
