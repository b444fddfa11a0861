"""Refreshes while everything around them dies: workers, Redis, those who wait; and several at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.context import Context
from proxies.model import Proxy
from proxies.refresh import progress
from proxies.refresh.progress import Progress, RefreshRecord
from tests.support.orch import Orch, a_home, eventually, signal_each
from tests.support.redis_server import RedisServer
from tests.support.row import all_ready, replaced
from tests.support.zoo import Zoo

GOOD, SLOW = 4, 2
#: How long those take that are good and slow, in seconds: time to kill somebody.
DELAY_S = 3.0


@pytest.fixture(scope="module")
def zoo() -> Iterator[Zoo]:
    with Zoo() as made:
        yield made


class Place:
    """A home with its candidates, and what it knows of its refreshes."""

    def __init__(self, orch: Orch, zoo: Zoo) -> None:
        self.orch = orch
        self.zoo = zoo
        self.good: list[Proxy] = []
        self.slow: list[Proxy] = []

    def stock(self) -> Place:
        """Some that are found at once, some that are good too and take their time."""
        self.good = self.zoo.many("http", GOOD)
        self.slow = [self.zoo.add("http", delay=DELAY_S) for _ in range(SLOW)]
        self.list([*self.slow, *self.good])
        return self

    def list(self, proxies: list[Proxy]) -> None:
        (self.orch.home / "list.txt").write_text("".join(f"{proxy.url}\n" for proxy in proxies))

    def refresh(self, *words: str) -> subprocess.Popen[str]:
        return self.orch.popen(
            "proxies", "refresh", "--json", *words, stderr=subprocess.PIPE, start_new_session=True
        )

    def in_the_middle(self) -> None:
        """Wait until the slow ones are being checked."""
        eventually(
            lambda: all(self.zoo.animals[proxy.key].connections for proxy in self.slow),
            60,
            "the slow ones are being checked",
        )

    def seen(self) -> Progress:
        context = Context.load(self.orch.home)
        last = progress.last(context.redis, context.keys)
        return RefreshRecord(context.redis, context.keys, last).read()

    def all_is_written(self) -> None:
        """Wait until Redis has handed to the system what it was told: so much survives a kill."""
        redis = Context.load(self.orch.home).redis
        eventually(lambda: redis.info("persistence")["aof_buffer_length"] == 0)

    def usable(self) -> set[str]:
        file = json.loads((self.orch.home / "data/proxies/live_proxies.json").read_text())
        return {entry["url"] for entry in file["proxies"] if entry["usable"]}

    @property
    def all(self) -> set[str]:
        return {proxy.url for proxy in (*self.good, *self.slow)}


def toml(zoo: Zoo, more: str = "") -> str:
    return (
        f"{more}[worker]\nconcurrency = 2\n[proxies]\n"
        f'sources = ["list.txt"]\njudges = ["{zoo.judge}"]\ncheck_timeout = 15\n'
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, zoo: Zoo) -> Iterator[Orch]:
    """One for all tests of this module: whatever they kill is there again for the next one."""
    with a_home(tmp_path_factory.mktemp("place") / "home", toml(zoo)) as orch:
        orch.up()
        yield orch


@pytest.fixture
def place(home: Orch, zoo: Zoo) -> Iterator[Place]:
    yield Place(home, zoo).stock()
    eventually(lambda: all_ready(home), 60, "all that was killed runs again")


def ended(refresh: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = refresh.communicate(timeout=120)
    assert refresh.returncode == 0, err
    assert "Traceback" not in err
    found: dict[str, Any] = json.loads(out)
    return found


def family(pid: int) -> list[int]:
    """A worker with the children of its pool."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [pid, *map(int, text.split())]


def test_a_worker_that_is_killed_in_the_middle_of_a_chunk_costs_nothing(place: Place) -> None:
    refresh = place.refresh()
    place.in_the_middle()

    os.kill(place.orch.pid("worker"), signal.SIGKILL)

    outcome = ended(refresh)
    assert (outcome["status"], outcome["usable"]) == ("COMPLETE", GOOD + SLOW)
    assert place.usable() == place.all


def test_a_worker_that_is_killed_and_never_comes_back_costs_nothing(place: Place) -> None:
    refresh = place.refresh()
    place.in_the_middle()
    worker = place.orch.pid("worker")

    place.orch.ask("stop", services=["worker"])  # which lets its chunk go, and has it killed
    outcome = ended(refresh)

    assert place.orch.service("worker")["pid"] != worker
    place.orch.ask("start", services=["worker", "beat"])
    assert (outcome["status"], outcome["usable"]) == ("COMPLETE", GOOD + SLOW)


def test_a_worker_that_is_frozen_in_the_middle_of_a_chunk_costs_nothing(place: Place) -> None:
    refresh = place.refresh()
    place.in_the_middle()
    worker = place.orch.pid("worker")
    frozen = family(worker)

    signal_each(frozen, signal.SIGSTOP)

    outcome = ended(refresh)
    assert (outcome["status"], outcome["usable"]) == ("COMPLETE", GOOD + SLOW)
    assert place.usable() == place.all
    replaced(place.orch, "worker", worker, 60)


def test_who_waits_may_be_killed_and_the_refresh_ends_without_it(place: Place) -> None:
    refresh = place.refresh()
    place.in_the_middle()

    refresh.kill()
    refresh.communicate()

    eventually(lambda: place.seen().final, 60, "the refresh has ended")
    eventually(lambda: place.usable() == place.all, what="the file follows")
    outcome = ended(place.refresh("--no-join"))  # and nothing stands in the way of the next one
    assert outcome["usable"] == GOOD + SLOW


def test_who_waits_and_the_worker_may_be_killed_and_beat_sees_to_the_rest(place: Place) -> None:
    refresh = place.refresh()
    place.in_the_middle()

    refresh.kill()
    refresh.communicate()
    os.kill(place.orch.pid("worker"), signal.SIGKILL)

    eventually(lambda: place.seen().final, 90, "the refresh has ended")
    assert str(place.seen().status) == "COMPLETE"
    eventually(lambda: place.usable() == place.all, what="the file follows")


def test_who_waits_may_be_killed_while_it_redoes_what_was_lost(place: Place) -> None:
    refresh = place.refresh()
    place.in_the_middle()
    worker = place.orch.pid("worker")
    frozen = family(worker)
    signal_each(frozen, signal.SIGSTOP)
    eventually(lambda: place.seen().begun[0].runs > 1, 60, "somebody has taken the chunk over")

    refresh.kill()
    refresh.communicate()

    eventually(lambda: place.seen().final, 120, "the refresh has ended")
    assert str(place.seen().status) == "COMPLETE"
    eventually(lambda: place.usable() == place.all, what="the file follows")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_redis_that_goes_in_the_middle_only_delays_it(
    place: Place, number: signal.Signals
) -> None:
    refresh = place.refresh()
    place.in_the_middle()
    eventually(lambda: place.seen().checked >= GOOD, 60)
    place.all_is_written()  # what a busy disk keeps out of its file is not what this test is about
    before = place.orch.pid("redis")

    os.kill(before, number)

    outcome = ended(refresh)
    assert (outcome["status"], outcome["usable"]) == ("COMPLETE", GOOD + SLOW)
    assert place.usable() == place.all
    replaced(place.orch, "redis", before)


def test_with_as_many_as_are_wanted_nobody_is_waited_for(place: Place) -> None:
    hanging = place.zoo.many("hanging", 20)
    place.list([*hanging, *place.good])
    started = time.monotonic()

    outcome = ended(place.refresh("--want", str(GOOD)))

    assert time.monotonic() - started < 15  # which is how long one that hangs is waited for
    assert (outcome["status"], outcome["early"]) == ("COMPLETE", True)
    assert (outcome["usable"], outcome["checked"]) == (GOOD, GOOD)


def test_two_machines_at_once_make_one_refresh_that_both_see(tmp_path: Path, zoo: Zoo) -> None:
    shared = RedisServer(tmp_path / "redis")
    more = f'[redis]\nurl = "{shared.url}"\nprefix = "shared:"\n'
    with (
        shared,
        a_home(tmp_path / "one", toml(zoo, more)) as one,
        a_home(tmp_path / "two", toml(zoo, more)) as two,
    ):
        places = [Place(orch, zoo) for orch in (one, two)]
        places[0].stock()
        places[1].list([*places[0].slow, *places[0].good])
        for place in places:
            place.orch.up()

        running = [place.refresh() for place in places]
        outcomes = [ended(refresh) for refresh in running]

        assert outcomes[0]["job_id"] == outcomes[1]["job_id"]
        assert sorted(outcome["joined"] for outcome in outcomes) == [False, True]
        assert [outcome["usable"] for outcome in outcomes] == [GOOD + SLOW] * 2
        assert [place.usable() for place in places] == [places[0].all] * 2
        connections = [zoo.animals[proxy.key].connections for proxy in places[0].good]
        assert max(connections) == min(connections)
        # Nobody was asked twice as often as a refresh asks.
        places[0].list(places[0].good)
        again = ended(places[0].refresh("--no-join"))
        assert again["usable"] == GOOD
        assert zoo.animals[places[0].good[0].key].connections == 2 * connections[0]
