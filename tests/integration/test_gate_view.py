"""How a gate stands, and what people may do to it, on a real Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.core.errors import IncompatibleData
from orchestrator.core.keys import GATE_TTL_S, Keys
from orchestrator.core.redis import Redis, translated
from orchestrator.gate.admin import Steering
from orchestrator.gate.limits import Limits
from orchestrator.gate.permit import WAITER_US, Ask, Grant, Reason, Refused, Report, Verdict
from orchestrator.gate.shared import RedisStore
from orchestrator.gate.view import Asked, glance, limits_in_use, names, read
from tests.support.orch import eventually
from tests.support.redis_server import RedisServer

if TYPE_CHECKING:
    from orchestrator.gate.picture import GateView

KEYS = Keys("here:")
LIMITS = Limits(rate=1000.0, slots=3, failures=3, open_s=60.0)
WEEK_S = 7 * 24 * 3600


class Books:
    """The gate of one site as two workers use it and a person looks at it."""

    def __init__(self, client: Redis, url: str) -> None:
        self.client = client
        self.stores = [RedisStore(url, KEYS, f"node-{nth}:{nth}") for nth in (1, 2)]

    def enter(
        self, limits: Limits = LIMITS, *, store: int = 0, host: str = "a.example", wait: float = 0.0
    ) -> Grant | Refused:
        ask = Ask("books", host, self.stores[store].holder(host), round(wait * 1e6), queues=True)
        return self.stores[store].enter(ask, limits)

    def granted(self, limits: Limits = LIMITS, **more: object) -> Grant:
        found = self.enter(limits, **{"wait": 1.0, **more})  # type: ignore[arg-type]
        assert isinstance(found, Grant), found
        return found

    def refused(self, limits: Limits = LIMITS, **more: object) -> Refused:
        found = self.enter(limits, **more)  # type: ignore[arg-type]
        assert isinstance(found, Refused), found
        return found

    def while_one_waits(self, limits: Limits, host: str, look: Callable[[], GateView]) -> GateView:
        """What is seen while one is in line, who is thought dead a second after he looked last."""
        ask = Ask("books", host, self.stores[0].holder(host), 0, queues=True)
        while True:
            began = time.monotonic()
            assert isinstance(self.stores[0].enter(ask, limits), Refused)
            found = look()
            if time.monotonic() - began < WAITER_US / 1e6:
                return found

    def leave(self, verdict: Verdict, limits: Limits = LIMITS, **facts: float) -> None:
        self.stores[0].leave(self.granted(limits), Report(verdict, **facts), limits)

    def person(self, limits: Limits | None = LIMITS) -> Steering:
        return Steering(self.client, KEYS, "books", limits)

    def view(self, limits: Limits | None = LIMITS, *hosts: str) -> GateView:
        (found,) = read(self.client, KEYS, [Asked("books", limits, hosts)])
        return found


@pytest.fixture
def books(real_redis: Redis, redis_server: RedisServer, patient: None) -> Iterator[Books]:
    del patient  # what is slow is not away
    found = Books(real_redis, redis_server.url)
    yield found
    for store in found.stores:
        store.close()


def test_several_gates_are_told_in_the_order_of_asking(books: Books) -> None:
    books.granted()
    books.stores[0].beat(["books"])
    sites = [Asked("books", LIMITS, ["a", "b"]), Asked("other"), Asked("books")]
    told = read(books.client, KEYS, sites)
    assert [(one["site"], one["known"], one["processes"]) for one in told] == [
        ("books", True, 1),
        ("other", False, 0),
        ("books", True, 1),
    ]
    assert [host["host"] for host in told[0]["hosts"]] == ["a", "b"]


def test_without_a_site_file_the_limits_count_that_the_processes_go_by(books: Books) -> None:
    limits = replace(LIMITS, rate=8.0, rate_min=2.0, host_slots=2)
    books.granted(limits)
    assert books.view(None)["rate"]["now_per_s"] is None
    books.stores[0].beat(["books"])
    assert limits_in_use(books.client, KEYS, "books") == limits
    told = books.view(None)
    assert (told["rate"]["configured_per_s"], told["rate"]["lowest_per_s"]) == (8.0, 2.0)
    assert (told["slot_limit"], told["host_slot_limit"]) == (3, 2)
    assert books.view()["rate"]["configured_per_s"] == 1000.0  # a file says more
    for strange in ('{"rate": -1}', '{"none": 1}', "{"):
        books.client.set(KEYS.gate("books", "terms"), strange)
        assert books.view(None)["slot_limit"] is None


def test_a_gate_that_nobody_used_is_at_rest_and_looking_writes_nothing(books: Books) -> None:
    found = books.view()
    assert not found["known"]
    assert found["breaker"]["state"] == "closed"
    assert found["rate"]["now_per_s"] == found["rate"]["configured_per_s"] == 1000.0
    assert (found["slots"], found["waiting"], found["processes"]) == ([], [], 0)
    assert books.view(None)["rate"]["now_per_s"] is None
    assert glance(books.client, KEYS, ["books"])["books"]["breaker"] == "closed"
    assert names(books.client, KEYS) == []
    assert books.client.dbsize() == 0


def test_it_is_told_who_has_a_slot_for_which_host_and_who_waits(books: Books) -> None:
    books.granted(host="a.example")
    books.granted(host="b.example", store=1)
    books.granted(host="b.example", store=1)
    for store in books.stores:
        store.beat(["books"])
    found = books.while_one_waits(LIMITS, "c.example", books.view)
    assert sorted((one["who"], one["host"]) for one in found["slots"]) == [
        ("node-1:1", "a.example"),
        ("node-2:2", "b.example"),
        ("node-2:2", "b.example"),
    ]
    assert all(50 < one["lease_left_s"] <= 60.1 for one in found["slots"])
    (waiter,) = found["waiting"]
    assert (waiter["who"], waiter["host"]) == ("node-1:1", "c.example")
    assert 0 <= waiter["waited_s"] < 5
    assert (found["slot_limit"], found["processes"]) == (3, 2)
    assert names(books.client, KEYS) == ["books"]


def test_a_request_that_has_booked_ahead_is_told_from_one_under_way(books: Books) -> None:
    slow = replace(LIMITS, rate=0.01)
    books.granted(slow)
    books.granted(slow, wait=600.0)
    first, second = sorted(one["due_in_s"] for one in books.view(slow)["slots"])
    assert first == 0.0
    assert 50 < second <= 100
    assert 150 < books.view(slow)["next_in_s"] <= 200
    books.stores[0].pause("books", 500.0)
    found = books.view(slow)
    assert 450 < found["pause_s"] <= 500
    assert found["next_in_s"] == found["pause_s"]


def test_the_burst_that_is_left_counts_for_the_next_turn(books: Books) -> None:
    limits = replace(LIMITS, rate=0.01, burst=3, slots=8)
    for left in (True, True, False):
        assert (books.view(limits)["next_in_s"] == 0.0) is True
        books.granted(limits, wait=0.0)
        assert (books.view(limits)["next_in_s"] == 0.0) is left
    refused = books.refused(limits)
    assert books.view(limits)["next_in_s"] == pytest.approx(refused.wait_s, abs=20)


def test_hosts_with_limits_of_their_own_have_rows(books: Books) -> None:
    limits = replace(LIMITS, host_rate=0.01, host_slots=1)
    books.granted(limits, host="a.example")
    first, second = books.while_one_waits(
        limits, "a.example", lambda: books.view(limits, "a.example", "b.example")
    )["hosts"]
    assert (first["host"], first["slots_held"], first["waiting"]) == ("a.example", 1, 1)
    assert 50 < first["next_in_s"] <= 100
    assert second == {"host": "b.example", "next_in_s": 0.0, "slots_held": 0, "waiting": 0}


def test_failures_are_counted_and_the_breaker_says_why_it_opened(books: Books) -> None:
    books.leave(Verdict.OK)
    for _ in range(2):
        books.leave(Verdict.FAILURE)
    closed = books.view()["breaker"]
    assert (closed["state"], closed["failed"], closed["judged"]) == ("closed", 2, 3)
    books.leave(Verdict.BAN)
    found = books.view()["breaker"]
    assert (found["state"], found["trips"]) == ("open", 1)
    assert found["why"] == "3 of 4 requests failed within 30 s"
    assert 40 < found["rest_s"] <= 72
    seen = glance(books.client, KEYS, ["books", "other"])
    assert (seen["books"]["breaker"], seen["other"]["breaker"]) == ("open", "closed")
    assert 40 < seen["books"]["retry_in_s"] <= found["rest_s"]


def test_a_trial_that_runs_is_shown(books: Books) -> None:
    books.person().trip(0.001, "by hand")
    eventually(lambda: books.view()["breaker"]["state"] == "half-open")
    books.granted()
    found = books.view()
    assert (found["breaker"]["state"], found["breaker"]["trials"]) == ("half-open", 1)
    assert [one["trial"] for one in found["slots"]] == [True]


@pytest.mark.parametrize("verdict", [Verdict.LIMITED, Verdict.BAN])
def test_a_site_that_is_spared_says_how_much_and_why(books: Books, verdict: Verdict) -> None:
    limits = replace(LIMITS, rate=4.0, rate_min=1.0)
    books.leave(verdict, limits)
    rate = books.view(limits)["rate"]
    assert (rate["now_per_s"], rate["adaptive_per_s"], rate["lowest_per_s"]) == (2.0, 2.0, 1.0)
    assert rate["slowed_for"] == str(verdict)
    assert rate["slowed_ago_s"] is not None
    assert rate["slowed_ago_s"] < 60
    unspared = books.view(replace(limits, adaptive=False))["rate"]
    assert (unspared["now_per_s"], unspared["adaptive_per_s"]) == (4.0, None)


def test_answers_that_drag_are_told_as_the_reason(books: Books) -> None:
    for latency in (0.001, *[5.0] * 12):
        books.leave(Verdict.OK, latency_s=latency)
    assert books.view()["rate"]["slowed_for"] == "slow"


def test_data_that_are_not_ours_are_told_as_such(books: Books) -> None:
    books.client.set(KEYS.gate("books", "state"), "theirs")
    for look in (books.view, lambda: glance(books.client, KEYS, ["books"]), books.person().reset):
        with pytest.raises(IncompatibleData), translated():
            look()


# what people may do


def test_a_reset_closes_ends_the_pause_and_goes_at_full_speed(books: Books) -> None:
    limits = replace(LIMITS, rate_min=1.0)
    held = books.granted(limits)
    for _ in range(3):
        books.leave(Verdict.BAN, limits)
    books.stores[0].pause("books", 900.0)
    before = books.view(limits)
    assert before["breaker"]["state"] == "open"
    assert before["rate"]["adaptive_per_s"] is not None
    books.person(limits).reset()
    found = books.view(limits)
    assert found["breaker"]["state"] == "closed"
    assert (found["breaker"]["trips"], found["breaker"]["judged"]) == (0, 0)
    assert found["pause_s"] == 0.0
    assert (found["rate"]["now_per_s"], found["rate"]["adaptive_per_s"]) == (1000.0, None)
    assert [one["host"] for one in found["slots"]] == ["a.example"]
    # What was let pass before says nothing any more.
    books.stores[0].leave(held, Report(Verdict.FAILURE), limits)
    assert books.view(limits)["breaker"]["judged"] == 0


def test_a_reset_does_not_leave_the_rest_of_a_slower_turn(books: Books) -> None:
    limits = replace(LIMITS, rate=1.0, rate_min=1 / 600)
    books.leave(Verdict.LIMITED, limits)
    books.client.hset(KEYS.gate("books", "state"), "pace", 600_000_000)
    books.granted(limits, wait=60.0)
    assert books.view(limits)["next_in_s"] > 500
    books.person(limits).reset()
    assert books.view(limits)["next_in_s"] <= 3.0


def test_a_trip_opens_for_the_time_and_the_reason_that_are_given(books: Books) -> None:
    books.person().trip(300.0, "they\nasked us to")
    refused = books.refused()
    assert refused.reason is Reason.BREAKER
    assert 290 < refused.wait_s <= 300
    found = books.view()["breaker"]
    assert (found["state"], found["why"]) == ("open", "they asked us to")
    assert names(books.client, KEYS) == ["books"]


def test_a_rate_that_is_set_holds_for_the_next_request_of_every_process(books: Books) -> None:
    books.granted()
    books.person().set_rate(0.01)
    waits = [books.refused(store=store).wait_s for store in (0, 1)]
    assert all(50 < wait <= 100 for wait in waits), waits
    assert books.view()["rate"]["now_per_s"] == books.view()["rate"]["set_per_s"] == 0.01


@pytest.mark.parametrize("back", [None, 1000.0])
def test_nobody_waits_for_the_rest_of_a_slower_turn(books: Books, back: float | None) -> None:
    books.person().set_rate(1 / 3600)
    books.granted()
    assert books.refused().wait_s > 3000
    books.person().set_rate(back)
    books.granted(store=1, wait=0.01)
    assert books.view()["rate"]["set_per_s"] == back


def test_rates_that_are_set_in_a_row_give_nothing_away(books: Books) -> None:
    """Set slowly, quickly and slowly again, a request still keeps its distance to the last one."""
    slow = replace(LIMITS, rate=0.01)
    books.granted(slow)
    for rate in (1000.0, 1 / 3600, 0.005, None):
        books.person(slow).set_rate(rate)
    assert 50 < books.refused(slow).wait_s <= 100


def test_a_rate_that_is_set_beats_what_was_adapted(books: Books) -> None:
    limits = replace(LIMITS, rate=10.0)
    books.leave(Verdict.LIMITED, limits)
    assert books.view(limits)["rate"]["now_per_s"] == 5.0
    books.person(limits).set_rate(8.0)
    assert books.view(limits)["rate"]["now_per_s"] == 8.0
    books.leave(Verdict.LIMITED, limits)  # and is adapted in its turn
    assert books.view(limits)["rate"]["now_per_s"] == 4.0


def test_a_rate_that_is_set_is_remembered_for_a_week(books: Books) -> None:
    books.person().set_rate(7.0)
    state = KEYS.gate("books", "state")
    assert books.client.ttl(state) > WEEK_S - 60
    books.leave(Verdict.OK)
    books.stores[0].beat(["books"])
    assert books.client.ttl(state) > WEEK_S - 60
    assert books.client.ttl(KEYS.gate_sites()) > WEEK_S - 60
    assert (books.client.zscore(KEYS.gate_sites(), "books") or 0) / 1000 > WEEK_S
    books.person().reset()
    assert books.view()["rate"]["set_per_s"] == 7.0
    books.person().set_rate(None)
    assert books.client.ttl(state) <= GATE_TTL_S + 60


def test_sites_that_are_forgotten_are_no_longer_named(books: Books) -> None:
    books.client.zadd(KEYS.gate_sites(), {"old": 1})
    books.stores[0].beat(["books", ""])
    assert names(books.client, KEYS) == ["books"]
