"""Waiting for a refresh: bounded through every stage and every entry point, whatever is stuck."""

from __future__ import annotations

import functools
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
from proxies.model import Anonymity, Verdict, parse
from proxies.refresh.claim import MOST_RUNS, Claim, Word
from proxies.refresh.collect import Collector
from proxies.refresh.findings import Report
from proxies.refresh.limit import Limit
from proxies.refresh.notice import ChordNotice, body_id
from proxies.refresh.outcome import RefreshOutcome
from proxies.refresh.progress import RefreshRecord, RefreshStatus
from proxies.refresh.wait import Patience, Wait
from tests.support.orch import eventually
from tests.support.redis_server import RedisServer
from tests.support.zoo import Zoo
from tests.support.zoo_home import ProxyHome

TIMEOUT_S = 1.5
#: What would hang here hangs for a minute or for ever; a busy machine is only slow.
SLACK_S = 10.0
#: No worker is there that could be slow to give a sign.
IMPATIENT = Patience(silence=1.2)
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
    return made(tmp_path / "home", redis_server)


def made(folder: Path, server: RedisServer, judge: str = JUDGE) -> ProxyHome:
    home = ProxyHome(folder, server.url, judge).stand_in().candidates(CANDIDATES)
    home.refresher._patience = IMPATIENT
    return home


@pytest.fixture
def own_server(server: RedisServer) -> Iterator[RedisServer]:
    """A server that the test may stop and kill."""
    yield server
    if server.process:
        server.process.send_signal(signal.SIGCONT)


def begin(home: ProxyHome, chunks: int = 2) -> RefreshRecord:
    """A refresh that was written down, and that nobody works on."""
    record = home.record("0123456789ab")
    pieces = [[proxy.url for proxy in CANDIDATES[index::chunks]] for index in range(chunks)]
    assert record.begin(pieces, 60, {"candidates": len(CANDIDATES), "budget_s": 60}) == ""
    record.sent(60)
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
    assert TIMEOUT_S - 0.3 <= seconds <= TIMEOUT_S + SLACK_S


def live(home: ProxyHome, *numbers: int) -> Report:
    now = float(home.context.redis.time()[0])
    verdicts = [
        Verdict(CANDIDATES[number], now, anonymity=Anonymity.ELITE, latency_ms=5)
        for number in numbers
    ]
    return Report(tuple(verdicts), {"connection refused": 1}, len(verdicts) + 1)


def report(record: RefreshRecord, index: int, found: Report) -> bool:
    return Claim(record, index, "message").report(found)


def waiting(home: ProxyHome, record: RefreshRecord, **patience: float) -> Wait:
    return Wait(
        record,
        Collector.of(home.context),
        ChordNotice(record.redis, home.refresher._app, record.job_id),
        lambda _: None,
        patience=Patience(**patience),
    )


def limit(seconds: float) -> Limit:
    return Limit(Deadline.after(seconds))


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_a_stuck_status_ends_at_the_deadline(
    tmp_path: Path, redis_server: RedisServer, real_redis: Redis, entry: str
) -> None:
    """Each status in a home of its own, all at once."""

    def stuck(status: str | None) -> tuple[float, object]:
        home = made(tmp_path / str(status), redis_server)
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
    home = made(tmp_path / "home", own_server)
    record = begin(home)
    assert own_server.process
    number = signal.SIGSTOP if trouble == "hangs" else signal.SIGKILL
    harm = functools.partial(own_server.process.send_signal, number)

    # What comes later than the end of the test would stop a server that is to end.
    with later(0.3, harm):
        found = timed(lambda: home.refresher.wait_for(record.job_id, timeout=TIMEOUT_S))

    assert_deadline(found)


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_a_redis_that_hangs_from_the_start_is_told_at_once(
    tmp_path: Path, own_server: RedisServer, entry: str
) -> None:
    home = made(tmp_path / "home", own_server)
    home.refresher.usable_count()
    assert own_server.process
    own_server.process.send_signal(signal.SIGSTOP)

    seconds, error = timed(lambda: ENTRY_POINTS[entry](home, "ffffffffffff"))

    assert isinstance(error, RedisUnavailable)
    assert seconds < TIMEOUT_S + SLACK_S


def test_a_redis_that_hangs_while_the_chunks_are_sent_does_not_hold_the_refresh(
    tmp_path: Path, own_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = made(tmp_path / "home", own_server)
    sound = RefreshRecord.begin

    def begin_and_hang(*args: Any, **more: Any) -> str:
        running = sound(*args, **more)
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
    record.begin([["http://127.0.0.1:1"]], 60, {"budget_s": 0.8})
    record.sent(60)

    seconds, error = timed(lambda: home.refresher.wait_for(record.job_id))

    assert isinstance(error, DeadlinePassed)
    assert 0.7 <= seconds <= SLACK_S


def test_the_first_stage_notices_the_chord_at_once(home: ProxyHome) -> None:
    record = begin(home)
    wait = waiting(home, record, look_every=20.0)

    def end() -> None:
        home.refresher._app.backend.store_result(body_id(record.job_id), "x", "STARTED")
        time.sleep(0.3)  # as long as the body takes
        for index in range(2):
            report(record, index, live(home, index))
        wait._collector.collect(record.job_id)
        home.refresher._app.backend.store_result(body_id(record.job_id), "x", "SUCCESS")

    with later(0.3, end):
        seconds, status = timed(lambda: wait.until(limit(60)))

    assert status is RefreshStatus.COMPLETE
    assert seconds < SLACK_S


def test_the_second_stage_notices_the_keys_when_the_chord_is_lost(home: ProxyHome) -> None:
    record = begin(home)
    wait = waiting(home, record)

    def end() -> None:
        for index in range(2):
            report(record, index, live(home, index))
        wait._collector.collect(record.job_id)

    with later(0.5, end):
        seconds, status = timed(lambda: wait._by_redis(limit(60)))

    assert status is RefreshStatus.COMPLETE
    assert seconds < SLACK_S


def test_the_third_stage_notices_the_file_when_redis_is_gone(
    tmp_path: Path, own_server: RedisServer
) -> None:
    home = made(tmp_path / "home", own_server)
    record = begin(home)
    file = home.context.home.live_proxies

    def write(facts: dict[str, object]) -> None:
        """At one moment, as the refresh does."""
        new = file.with_suffix(".new")
        new.write_text(json.dumps(facts))
        new.replace(file)

    def end() -> None:
        own_server.kill()
        write({"generation": 8, "refresh": "another", "status": "COMPLETE"})
        ours = {"generation": 9, "refresh": record.job_id, "status": "PARTIAL", "live": 4}
        time.sleep(0.5)
        write({**ours, "usable": 3})

    with later(0.5, end):
        seconds, outcome = timed(lambda: home.refresher.wait_for(record.job_id, timeout=60))

    assert isinstance(outcome, RefreshOutcome), outcome
    assert outcome.status is RefreshStatus.PARTIAL
    assert (outcome.live, outcome.usable) == (4, 3)
    assert seconds < SLACK_S


def test_who_waits_collects_and_does_not_wait_for_the_body(home: ProxyHome) -> None:
    record = begin(home)
    for index in range(2):
        report(record, index, live(home, index))

    seconds, outcome = timed(lambda: home.refresher.wait_for(record.job_id, timeout=60))

    assert isinstance(outcome, RefreshOutcome)
    assert (outcome.status, outcome.live, outcome.usable) == (RefreshStatus.COMPLETE, 2, 2)
    assert seconds < SLACK_S


def test_a_chunk_that_falls_silent_is_redone_by_whoever_waits_and_the_rest_counts(
    tmp_path: Path, redis_server: RedisServer, real_redis: Redis
) -> None:
    with Zoo() as zoo:
        home = made(tmp_path / "home", redis_server, zoo.judge)
        record = begin(home)
        report(record, 0, live(home, 0))
        assert Claim(record, 1, "killed").take() is Word.GO_ON

        seconds, outcome = timed(lambda: home.refresher.wait_for(record.job_id, timeout=30))

    assert isinstance(outcome, RefreshOutcome)
    assert (outcome.status, outcome.live, outcome.checked) == (RefreshStatus.COMPLETE, 1, 4)
    assert outcome.reasons["connection refused"] == 3
    assert record.read().begun[1].runs == 2
    assert IMPATIENT.silence <= seconds < SLACK_S


def test_of_several_who_wait_one_redoes_a_chunk(
    tmp_path: Path, redis_server: RedisServer, real_redis: Redis
) -> None:
    with Zoo() as zoo:
        home = made(tmp_path / "home", redis_server, zoo.judge)
        # Who redoes it gives a sign every second, on a busy machine a few seconds later.
        home.refresher._patience = Patience(silence=5.0)
        record = begin(home)
        report(record, 0, live(home, 0))
        Claim(record, 1, "killed").take()

        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(home.refresher.wait_for, record.job_id, 60) for _ in range(4)]
            outcomes = [call.result() for call in calls]

    assert [outcome.checked for outcome in outcomes] == [4] * 4
    assert record.read().begun[1].runs == 2


def test_a_chunk_that_was_begun_too_often_is_missing_and_the_rest_counts(home: ProxyHome) -> None:
    record = begin(home)
    report(record, 0, live(home, 0))
    for _ in range(MOST_RUNS):
        Claim(record, 1, "killed").take()

    seconds, outcome = timed(lambda: home.refresher.wait_for(record.job_id, timeout=30))

    assert isinstance(outcome, RefreshOutcome)
    assert (outcome.status, outcome.live) == (RefreshStatus.PARTIAL, 1)
    assert outcome.problems == ("1 of 2 chunks did not report",)
    assert IMPATIENT.silence <= seconds < SLACK_S


def test_when_every_chunk_falls_silent_for_ever_the_refresh_has_failed(home: ProxyHome) -> None:
    record = begin(home)
    for index in range(2):
        for _ in range(MOST_RUNS):
            Claim(record, index, "killed").take()

    outcome = home.refresher.wait_for(record.job_id, timeout=30)

    assert outcome.status is RefreshStatus.FAILED
    assert outcome.exit_code() == 1


@pytest.mark.parametrize("trouble", ["its sender was killed", "its worker never came back"])
def test_what_nobody_will_ever_begin_is_done_by_whoever_waits(
    tmp_path: Path, redis_server: RedisServer, real_redis: Redis, trouble: str
) -> None:
    with Zoo() as zoo:
        home = made(tmp_path / "home", redis_server, zoo.judge)
        record = begin(home)
        if trouble == "its sender was killed":
            home.context.redis.delete(record.key("sent"))
        else:
            home.context.redis.delete(home.context.keys.nodes())

        outcome = home.refresher.wait_for(record.job_id, timeout=30)

    assert (outcome.status, outcome.checked) == (RefreshStatus.COMPLETE, len(CANDIDATES))


def test_enough_is_not_waited_for_any_longer(home: ProxyHome) -> None:
    home.refresher._patience = Patience(silence=20.0)  # what runs is not silent, only slow
    record = home.record("0123456789ab")
    pieces = [[proxy.url] for proxy in CANDIDATES]
    record.begin(pieces, 60, {"candidates": len(CANDIDATES), "budget_s": 60}, want=2)
    record.sent(60)
    report(record, 2, live(home, 2))
    running = Claim(record, 0, "message")
    running.take()

    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(home.refresher.wait_for, record.job_id, 30)
        assert running.beat(1, 1).run(record.redis) is Word.ENOUGH
        time.sleep(0.5)
        assert not call.done()  # what runs is about to report
        report(record, 0, live(home, 0))
        outcome = call.result()

    assert (outcome.status, outcome.early, outcome.usable) == (RefreshStatus.COMPLETE, True, 2)


def test_one_that_runs_when_there_is_enough_and_never_reports_is_not_waited_for(
    home: ProxyHome,
) -> None:
    record = home.record("0123456789ab")
    record.begin([[proxy.url] for proxy in CANDIDATES], 60, {"budget_s": 60}, want=1)
    record.sent(60)
    report(record, 2, live(home, 2))
    Claim(record, 0, "killed").take()

    outcome = home.refresher.wait_for(record.job_id, timeout=30)

    assert (outcome.status, outcome.early, outcome.usable) == (RefreshStatus.COMPLETE, True, 1)
    assert record.read().begun[0].runs == 1  # nobody has redone it


def test_what_was_found_and_is_lost_before_it_was_reported_is_not_enough(
    tmp_path: Path, redis_server: RedisServer, real_redis: Redis
) -> None:
    with Zoo() as zoo:
        home = made(tmp_path / "home", redis_server, zoo.judge)
        record = home.record("0123456789ab")
        good = [zoo.add("http").url, zoo.add("http").url]
        record.begin([good, [CANDIDATES[0].url]], 60, {"budget_s": 60}, want=2)
        record.sent(60)
        killed = Claim(record, 0, "killed")
        killed.take()
        assert killed.beat(2, 2).run(record.redis) is Word.ENOUGH

        outcome = home.refresher.wait_for(record.job_id, timeout=30)

    assert (outcome.status, outcome.early, outcome.usable) == (RefreshStatus.COMPLETE, True, 2)
    assert record.read().begun[0].runs == 2


def test_chunks_that_wait_for_a_slot_are_not_lost_but_ask_for_room(home: ProxyHome) -> None:
    record = begin(home)
    yield_wanted = home.context.keys.yield_wanted()
    home.context.redis.delete(yield_wanted)

    with pytest.raises(DeadlinePassed):
        home.refresher.wait_for(record.job_id, timeout=2)  # longer than the patience with silence

    assert home.context.redis.get(yield_wanted) == record.job_id
    for index in range(2):
        Claim(record, index, "message").take()
    assert home.context.redis.get(yield_wanted) is None


def test_a_refresh_that_somebody_waits_for_keeps_its_lease(home: ProxyHome) -> None:
    record = begin(home)
    lease = home.context.keys.refresh_current()
    home.context.redis.pexpire(lease, 800)

    with pytest.raises(DeadlinePassed):
        home.refresher.wait_for(record.job_id, timeout=1)

    assert home.context.redis.get(lease) == record.job_id
    assert eventually(lambda: home.context.redis.ttl(lease) > 10)
