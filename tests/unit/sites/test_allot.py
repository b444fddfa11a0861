"""Who gets the next shards."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sites.jobs.allot import Claim, allot, budget


def test_one_slot_stays_free_for_short_work() -> None:
    assert allot([Claim("a", 0, 9)], slots=4).send == ("a", "a", "a")


def test_with_one_slot_there_is_still_one_shard() -> None:
    assert allot([Claim("a", 0, 2)], slots=1).send == ("a",)


def test_a_job_without_a_shard_comes_before_one_with() -> None:
    assert allot([Claim("a", 1, 5), Claim("b", 0, 5)], slots=3).send == ("b",)


def test_among_equals_the_one_served_longest_ago_comes_first() -> None:
    claims = [Claim("a", 0, 1, served_at=9.0), Claim("b", 0, 1, served_at=3.0)]

    assert allot(claims, slots=2).send == ("b",)


def test_a_job_gets_no_more_than_it_may_have() -> None:
    assert allot([Claim("a", 0, 2)], slots=64).send == ("a", "a")


def test_jobs_that_get_nothing_are_named() -> None:
    allotment = allot([Claim("a", 1, 2), Claim("b", 0, 2)], slots=2)

    assert allotment.send == ()
    assert allotment.waiting == ("b",)


def test_a_job_that_wants_no_shard_does_not_wait_for_one() -> None:
    assert allot([Claim("a", 1, 2), Claim("b", 0, 0)], slots=2).waiting == ()


claims = st.lists(
    st.builds(
        Claim,
        st.text("abcdefgh", min_size=1, max_size=3),
        st.integers(0, 5),
        st.integers(1, 5),
        st.floats(0, 10),
    ),
    unique_by=lambda claim: claim.job,
    max_size=12,
)


@given(claims, st.integers(0, 20))
def test_the_budget_holds_and_no_place_is_left_while_somebody_wants_it(
    given_claims: list[Claim], slots: int
) -> None:
    allotment = allot(given_claims, slots)
    live = {claim.job: claim.live + allotment.send.count(claim.job) for claim in given_claims}
    had = sum(claim.live for claim in given_claims)

    assert sum(live.values()) <= max(had, budget(slots))
    assert all(live[c.job] <= max(c.live, c.most) for c in given_claims)
    wanting = [c for c in given_claims if live[c.job] < c.most]
    assert not wanting or sum(live.values()) >= budget(slots)


@given(claims, st.integers(0, 20))
def test_nobody_gets_a_second_shard_while_another_has_none(
    given_claims: list[Claim], slots: int
) -> None:
    allotment = allot(given_claims, slots)
    live = {claim.job: claim.live + allotment.send.count(claim.job) for claim in given_claims}

    if allotment.waiting:
        assert all(live[job] == 1 for job in allotment.send)
