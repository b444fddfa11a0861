"""What workers share about proxies in use, over a real and a fake server, on a clock that tests set."""

from __future__ import annotations

import pytest

from orchestrator.core.redis import Redis
from proxies.model import parse
from proxies.pool.ledger import (
    COOL_S,
    DOUBT_S,
    EVICTED_AT,
    HEAT_HALF_LIFE_S,
    LONGEST_COOL_S,
    LONGEST_REST_S,
    REST_FACTOR,
    REST_S,
    SAFE,
    SESSION_S,
    TRIAL_S,
)
from proxies.pool.odds import ANSWER_S, FAILURE_S, HALF_LIFE_S
from proxies.pool.picker import Outcome
from proxies.pool.pool import Pool
from tests.support.pool_home import KEYS, LEASE_S, PoolHome

OK, BANNED, FAILED = Outcome.OK, Outcome.BANNED, Outcome.FAILED
DOUBTED, UNUSED = Outcome.DOUBTED, Outcome.UNUSED


@pytest.fixture
def home(any_redis: Redis) -> PoolHome:
    return PoolHome(any_redis)


@pytest.fixture
def one(home: PoolHome) -> str:
    return home.fill("10.0.0.1:80", "10.0.0.2:80")[0]


@pytest.fixture
def two(one: str) -> str:
    return one.replace("10.0.0.1", "10.0.0.2")


def teach(home: PoolHome, key: str, requests: int = 5, site: str = "shop") -> None:
    """Make requests until the site bans the proxy."""
    for _ in range(requests):
        home.ask(key, OK, site=site)
    home.ask(key, BANNED, site=site)


def until_refused(home: PoolHome, key: str) -> int:
    """Make requests while they are allowed; return how many were."""
    made = 0
    while True:
        taken, token = home.take(key)
        if not taken:
            return made
        home.report(key, token, OK)
        made += 1


# in flight


def test_at_a_site_that_bans_nobody_any_number_is_in_flight(home: PoolHome, one: str) -> None:
    assert [home.take(one)[0] for _ in range(9)] == [one] * 9
    assert home.pair(one).in_flight == 9


def test_at_a_site_that_bans_one_request_at_a_time_goes_through_a_proxy(
    home: PoolHome, one: str, two: str
) -> None:
    teach(home, two)
    _, token = home.take(one)

    assert home.take(one)[0] == ""
    home.report(one, token, OK)
    assert home.take(one)[0] == one


def test_the_first_that_is_free_is_taken(home: PoolHome, one: str, two: str) -> None:
    teach(home, two)
    home.wait(COOL_S)
    home.take(one)

    assert home.refused(one, two) == 1


def test_what_a_dead_worker_has_in_flight_is_free_again(home: PoolHome, one: str, two: str) -> None:
    teach(home, two)
    home.take(one)

    home.wait(LEASE_S - 1)
    assert home.take(one)[0] == ""
    home.wait(2)
    assert home.take(one)[0] == one


def test_a_clock_that_was_set_back_keeps_nothing_in_flight_for_long(
    home: PoolHome, one: str, two: str
) -> None:
    teach(home, two)
    home.take(one)

    home.wait(-10 * 86_400)

    assert home.take(one)[0] == one


def test_a_report_counts_once(home: PoolHome, one: str) -> None:
    _, token = home.take(one)

    assert home.report(one, token, OK)
    assert not home.report(one, token, OK)
    assert home.tally(one).ok == 1


def test_a_report_after_the_lease_counts_nothing(home: PoolHome, one: str, two: str) -> None:
    _, token = home.take(one)
    home.wait(LEASE_S + 1)
    home.take(two)  # whoever picks next clears up

    assert not home.report(one, token, FAILED)
    assert (home.pair(one).in_flight, home.failing(one).row) == (0, 0)


def test_a_pick_that_was_not_used_leaves_nothing(home: PoolHome, one: str) -> None:
    home.ask(one, UNUSED)

    pair = home.pair(one)
    assert (pair.ok, pair.failed, pair.heat, pair.in_flight, pair.picks) == (0, 0, 0, 0, 0)
    assert home.redis.hget(KEYS.pool_site("shop", "facts"), "picks") == "0"


def test_who_left_the_pool_is_not_taken(home: PoolHome, one: str, two: str) -> None:
    Pool(home.redis, KEYS).remove(parse("10.0.0.1:80"))

    assert home.take(one, two)[0] == two


def test_a_take_whose_reply_was_lost_holds_the_proxy_once(home: PoolHome, one: str) -> None:
    for _ in range(2):
        home.ledger.take("shop", None, "same", [one], ()).run(home.redis)

    pair = home.pair(one)
    assert (pair.in_flight, pair.heat, pair.picks) == (1, 1, 1)


# bans


def test_a_ban_cools_only_that_pair_and_is_no_failure(home: PoolHome, one: str, two: str) -> None:
    home.ask(one, BANNED)

    assert home.take(one)[0] == ""
    assert home.take(two)[0] == two
    assert home.take(one, site="other")[0] == one
    assert (home.tally(one).ok, home.tally(one).failed) == (1, 0)
    assert home.failing(one).row == 0
    home.wait(COOL_S)
    assert home.take(one)[0] == one


def test_each_ban_in_a_row_cools_for_twice_as_long(home: PoolHome, one: str) -> None:
    for times in (1, 2, 4):
        home.ask(one, BANNED)
        assert home.pair(one).cool_until == pytest.approx(home.now + times * COOL_S)
        home.wait(times * COOL_S)
    home.ask(one, OK)
    home.ask(one, BANNED)
    assert home.pair(one).cool_until == pytest.approx(home.now + COOL_S)


def test_a_site_that_says_when_to_come_again_is_taken_at_its_word(home: PoolHome, one: str) -> None:
    _, token = home.take(one)

    home.ledger.report("shop", one, token, BANNED, 1.0, 30.0).run(home.redis)

    assert home.pair(one).cool_until == home.now + 30.0


def test_a_doubt_does_not_shorten_a_ban(home: PoolHome, one: str) -> None:
    tokens = [home.take(one)[1] for _ in range(2)]

    home.report(one, tokens[0], BANNED)
    home.report(one, tokens[1], DOUBTED)

    assert home.pair(one).cool_until == home.now + COOL_S


def test_no_ban_cools_for_ever(home: PoolHome, one: str) -> None:
    for _ in range(12):
        home.ask(one, BANNED)
        home.wait(LONGEST_COOL_S)


def test_a_ban_teaches_how_many_requests_are_too_many(home: PoolHome, one: str, two: str) -> None:
    teach(home, one, requests=8)

    assert home.look().limit == pytest.approx(SAFE * 8)
    assert until_refused(home, two) == SAFE * 8 + 1
    home.wait(HEAT_HALF_LIFE_S)
    assert until_refused(home, two) == SAFE * 8 / 2


def test_what_one_site_bans_for_is_no_matter_at_another(home: PoolHome, one: str) -> None:
    teach(home, one, requests=3)

    for _ in range(20):
        home.ask(one, OK, site="other")
    assert home.look("other").limit == 0


def test_who_is_banned_from_the_start_teaches_nothing(home: PoolHome, one: str) -> None:
    home.ask(one, BANNED)
    home.wait(COOL_S)
    home.ask(one, BANNED)

    assert home.look().limit == 0


def test_who_is_banned_still_teaches_nothing(home: PoolHome, one: str) -> None:
    teach(home, one, requests=8)
    home.wait(COOL_S)

    home.ask(one, BANNED)

    assert home.look().limit == pytest.approx(SAFE * 8)


def test_one_stray_ban_does_not_undo_what_was_learned(home: PoolHome, one: str, two: str) -> None:
    teach(home, one, requests=20)

    teach(home, two, requests=1)

    assert home.look().limit > SAFE * 20 / 2


def test_requests_near_the_limit_that_go_well_raise_it_and_others_do_not(
    home: PoolHome, one: str, two: str
) -> None:
    teach(home, one, requests=8)
    learned = home.look().limit

    home.ask(two, OK)
    home.ask(two, OK)
    assert home.look().limit == learned
    for _ in range(3):
        home.ask(two, OK)
    assert learned < home.look().limit < learned * 1.01


def test_a_pair_that_was_banned_has_a_limit_of_its_own(home: PoolHome, one: str, two: str) -> None:
    teach(home, one, requests=20)
    teach(home, two, requests=3)
    home.wait(2 * COOL_S)

    for _ in range(3):
        home.ask(two, OK)
    assert home.take(two)[0] == ""
    for _ in range(6):
        home.ask(one, OK)


# failures


def test_a_proxy_that_fails_rests_at_every_site_and_longer_each_time(
    home: PoolHome, one: str
) -> None:
    rest = REST_S
    for _ in range(3):
        home.ask(one, FAILED)
        home.wait(rest - 0.1)
        assert (home.take(one)[0], home.take(one, site="other")[0]) == ("", "")
        home.wait(0.2)
        rest *= REST_FACTOR
    home.ask(one, OK)
    assert home.failing(one).row == 0


def test_no_rest_is_for_ever(home: PoolHome, one: str) -> None:
    for _ in range(12):
        home.ask(one, FAILED)
        home.wait(LONGEST_REST_S)


def test_what_was_under_way_when_a_proxy_failed_is_no_further_failure_in_the_row(
    home: PoolHome, one: str
) -> None:
    tokens = [home.take(one)[1] for _ in range(6)]
    home.wait(1)
    for token in tokens:
        home.report(one, token, FAILED)

    assert home.failing(one).row == 1
    assert home.tally(one).failed == 6


def test_one_request_at_a_time_tries_a_proxy_that_failed(home: PoolHome, one: str) -> None:
    home.ask(one, FAILED)
    home.wait(REST_S)

    _, token = home.take(one)
    assert home.take(one, site="other")[0] == ""
    home.report(one, token, OK)
    assert home.take(one, site="other")[0] == one


def test_a_trial_that_was_not_used_or_whose_worker_died_is_no_trial(
    home: PoolHome, one: str
) -> None:
    home.ask(one, FAILED)
    home.wait(REST_S)
    home.ask(one, UNUSED)

    assert home.take(one)[0] == one
    home.wait(TRIAL_S)
    assert home.take(one)[0] == one


def test_failures_in_a_row_evict_and_a_success_brings_back(home: PoolHome, one: str) -> None:
    usable = []
    for _ in range(EVICTED_AT + 1):
        home.ask(one, FAILED)
        home.wait(LONGEST_REST_S)
        usable.append(home.redis.hget(KEYS.pool_meta(), "usable"))
    assert usable == ["2"] * (EVICTED_AT - 1) + ["1", "1"]

    home.ask(one, OK)

    assert home.redis.hget(KEYS.pool_meta(), "usable") == "2"


def test_what_may_be_the_sites_fault_is_told_of_the_pair_alone(home: PoolHome, one: str) -> None:
    home.ask(one, DOUBTED)

    assert home.pair(one).failed == 1
    assert (home.tally(one).failed, home.failing(one).row) == (0, 0)
    assert home.take(one)[0] == ""
    assert home.take(one, site="other")[0] == one
    home.wait(DOUBT_S)
    assert home.take(one)[0] == one


def test_a_report_about_one_that_left_brings_nothing_of_it_back(home: PoolHome, one: str) -> None:
    _, token = home.take(one)
    Pool(home.redis, KEYS).remove(parse("10.0.0.1:80"))

    home.report(one, token, FAILED)

    assert (home.tally(one).at, home.failing(one).row) == (0, 0)


def test_failures_count_in_a_row_also_after_the_clock_was_set_back(
    home: PoolHome, one: str
) -> None:
    home.ask(one, FAILED)
    home.wait(-10 * 86_400)

    home.ask(one, FAILED)

    assert home.failing(one).row == 2


def test_a_time_that_nobody_measured_is_the_usual_one(home: PoolHome, one: str, two: str) -> None:
    home.ask(one, OK, 0.4)
    for outcome in (OK, FAILED):
        home.ask(one, outcome, 0.0)
    home.ask(two, OK, 0.0)

    tally = home.tally(one)
    assert (tally.ok_s, tally.failed_s) == pytest.approx((0.8, FAILURE_S))
    assert home.tally(two).ok_s == pytest.approx(ANSWER_S)


# sessions


def test_a_session_keeps_its_proxy(home: PoolHome, one: str, two: str) -> None:
    assert home.take(one, two, session="ann")[0] == one

    assert home.take(two, one, session="ann")[0] == one
    assert home.take(two, one, session="bob")[0] == two
    assert home.take(two, one, session="ann", site="other")[0] == two


def test_a_session_waits_for_its_proxy_while_that_is_only_busy(
    home: PoolHome, one: str, two: str
) -> None:
    teach(home, two)
    home.wait(COOL_S)
    _, token = home.take(one, session="ann")

    assert home.take(two, session="ann")[0] == ""
    home.report(one, token, OK)
    assert home.take(two, session="ann")[0] == one


@pytest.mark.parametrize("outcome", [FAILED, BANNED])
def test_a_session_whose_proxy_fails_or_is_banned_has_another_from_then_on(
    home: PoolHome, one: str, two: str, outcome: Outcome
) -> None:
    home.take(one, session="ann")
    home.ask(one, outcome)

    assert home.take(one, two, session="ann")[0] == two
    home.wait(COOL_S)
    assert home.take(one, two, session="ann")[0] == two


def test_a_session_leaves_a_proxy_that_it_is_to_avoid(home: PoolHome, one: str, two: str) -> None:
    home.take(one, session="ann")

    assert home.take(two, session="ann", avoid=[one])[0] == two


def test_a_session_that_nobody_uses_is_forgotten(home: PoolHome, one: str) -> None:
    home.take(one, session="ann")

    assert 0 < home.redis.ttl(KEYS.pool_site("shop", "session:ann")) <= SESSION_S


# what fades, and what is forgotten


def test_what_was_long_ago_counts_less(home: PoolHome, one: str) -> None:
    home.ask(one, OK, 2.0)
    home.wait(HALF_LIFE_S)
    home.ask(one, OK, 4.0)

    tally = home.tally(one)
    assert (tally.ok, tally.ok_s) == (pytest.approx(1.5), pytest.approx(5.0))


def test_what_nobody_touches_for_a_week_is_forgotten(home: PoolHome, one: str, two: str) -> None:
    home.ask(one, OK)
    home.wait(8 * 86_400)
    home.ask(two, OK)

    look = home.look()
    assert (set(look.pairs), set(look.tallies)) == ({two}, {two})


def test_every_key_of_a_site_has_a_ttl_and_what_holds_for_all_sites_has_none(
    home: PoolHome, one: str
) -> None:
    home.take(one, session="ann")
    home.ask(one, OK)

    home.take(one)  # the last lease had gone, with its key

    left = {str(key): home.redis.ttl(key) for key in home.redis.keys(f"{KEYS.prefix}*")}
    of_sites = {key for key in left if ":site" in key}
    assert len(of_sites) == 6
    assert all(left[key] > 0 for key in of_sites)
    assert {left[key] for key in set(left) - of_sites} == {-1}


def test_a_site_where_nobody_picks_for_a_week_is_forgotten(home: PoolHome, one: str) -> None:
    home.take(one, site="old")
    home.wait(8 * 86_400)

    home.take(one, site="new")

    assert home.redis.zrange(KEYS.pool_sites(), 0, -1) == ["new"]


# looks


def test_a_look_shows_what_changed_since_the_last_one(home: PoolHome, one: str, two: str) -> None:
    home.ask(one, OK)
    first = home.look()
    home.wait(1)
    home.ask(two, FAILED)

    second = home.look(known=first.generation, since=first.at + 0.5)

    assert set(first.pool or ()) == {one, two}
    assert second.pool is None
    assert set(second.pairs) == set(second.tallies) == set(second.failing) == {two}


def test_a_new_pool_is_shown_whole_with_all_failures(home: PoolHome, one: str) -> None:
    home.ask(one, FAILED)
    before = home.look()
    home.wait(1)
    Pool(home.redis, KEYS).remove(parse("10.0.0.2:80"))

    look = home.look(known=before.generation, since=home.now)

    assert set(look.pool or ()) == set(look.failing) == set(look.tallies) == {one}


def test_a_clock_that_was_set_back_hides_no_change(home: PoolHome, one: str) -> None:
    first = home.look()
    home.wait(-3600)
    home.ask(one, OK)

    assert set(home.look(known=first.generation, since=first.at).pairs) == {one}


def test_more_proxies_than_fit_into_one_command_are_shown(home: PoolHome) -> None:
    keys = home.fill(*(f"10.0.{n // 250}.{n % 250}:80" for n in range(1500)))
    for key in keys:
        home.take(key)

    assert len(home.look().pairs) == 1500
