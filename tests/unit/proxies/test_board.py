"""Whom one worker offers, out of what it knows."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from proxies.model import Anonymity, Verdict, parse
from proxies.pool.board import ODDS_S, OFFERS, RENEWED, SHORTLIST, Board, Known
from proxies.pool.ledger import EVICTED_AT, Failing, Look, Pair
from proxies.pool.odds import Tally

NOW = 1_000_000.0
CHANCE = random.Random(1)


class Place:
    """A board that has seen a pool of so many."""

    def __init__(self, count: int, known: Known | None = None) -> None:
        self.known = known or Known(fresh_for=1800.0, lease_s=60.0)
        self.board = Board(self.known)
        self.pool = verdicts(count)
        self.keys = list(self.pool)
        self.look(pool=self.pool)

    def look(
        self,
        *,
        pool: dict[str, Verdict] | None = None,
        pairs: dict[str, Pair] | None = None,
        tallies: dict[str, Tally] | None = None,
        failing: dict[str, Failing] | None = None,
        limit: float = 0.0,
        at: float = NOW,
    ) -> None:
        generation = self.known.generation + (pool is not None)
        look = Look(at, generation, pool, failing or {}, tallies or {}, pairs or {}, limit)
        self.known.learn(look)
        self.board.learn(look)

    def offers(self, *avoid: str, at: float = NOW) -> set[str]:
        return set(self.board.offers(at, CHANCE, avoid))


def verdicts(count: int) -> dict[str, Verdict]:
    found = [
        Verdict(parse(f"10.0.{n // 250}.{n % 250}:80"), NOW, anonymity=Anonymity.ELITE)
        for n in range(count)
    ]
    return {verdict.proxy.key: verdict for verdict in found}


def test_the_one_proxy_of_a_pool_is_offered() -> None:
    place = Place(1)

    assert place.offers() == set(place.keys)


def test_one_that_only_the_others_are_to_be_avoided_for_is_offered_in_a_large_pool() -> None:
    place = Place(10 * SHORTLIST)
    for wanted in place.keys[:: 3 * SHORTLIST]:
        assert place.offers(*(key for key in place.keys if key != wanted)) == {wanted}


def test_of_what_has_left_the_pool_since_a_look_at_another_site_nothing_is_offered() -> None:
    books = Place(2)
    shop = Place(2, books.known)
    kept, gone = books.keys

    shop.look(pool={kept: books.pool[kept]})

    assert books.offers() == {kept}
    books.look()
    assert books.offers() == {kept}
    assert gone not in books.board._lines


def test_what_comes_back_into_the_pool_is_offered_at_every_site() -> None:
    books = Place(2)
    shop = Place(2, books.known)
    shop.look(pool={books.keys[0]: books.pool[books.keys[0]]})
    books.look()

    shop.look(pool=books.pool)
    books.look()

    assert books.offers() == set(books.keys)


def test_when_the_shortlist_is_used_up_the_others_are_offered() -> None:
    place = Place(2 * SHORTLIST)
    for key in place.keys[:SHORTLIST]:
        place.board.close(key, NOW + 60)

    left = place.offers(at=NOW + 1)

    assert len(left) == OFFERS
    assert left <= set(place.keys[SHORTLIST:])


def test_one_that_is_left_alone_is_offered_again_after_a_while_without_any_look() -> None:
    place = Place(1)
    place.board.close(place.keys[0], NOW + 10)

    assert place.offers(at=NOW + 9) == set()
    assert place.offers(at=NOW + 11) == set(place.keys)


def test_one_that_works_stays_fresh() -> None:
    place = Place(2)
    working = Tally(NOW + 1000, 1.0, 0.0, 1.0, 0.0, worked_at=NOW + 1000)
    place.look(tallies={place.keys[0]: working})

    assert place.offers(at=NOW + 2000) == {place.keys[0]}


def test_what_is_usable_at_a_site_is_counted_as_far_as_it_matters() -> None:
    place = Place(5)
    banned, evicted, tired, *_ = place.keys
    place.look(
        pairs={banned: Pair(NOW, cool_until=NOW + 900)},
        failing={
            evicted: Failing(EVICTED_AT, NOW, NOW + 900),
            tired: Failing(1, NOW, NOW + 2),
        },
    )

    assert place.board.usable(NOW, 100) == 3
    assert place.board.usable(NOW, 2) == 2
    assert place.board.usable(NOW + 1000, 100) == 4
    assert place.board.usable(NOW + 2000, 100) == 0


def test_what_a_look_at_another_site_has_shown_counts_here_too() -> None:
    books = Place(2)
    shop = Place(2, books.known)
    bad, _ = books.keys
    before = books.board._lines[bad].hope

    shop.look(tallies={bad: Tally(NOW, 0, 40, 0, 400)})
    assert books.board._lines[bad].hope == before  # its look is not due yet
    books.look()

    assert books.board._lines[bad].hope > before


@pytest.mark.parametrize("passed", [10 * ODDS_S, -10 * ODDS_S])
def test_odds_are_made_anew_when_they_are_old_a_part_of_them_at_each_look(passed: float) -> None:
    place = Place(2 * RENEWED)

    place.look(at=NOW + passed)
    assert Counter(line.at for line in place.board._lines.values())[NOW + passed] == RENEWED
    place.look(at=NOW + passed)
    assert {line.at for line in place.board._lines.values()} == {NOW + passed}


def test_the_better_one_is_offered_first_more_often() -> None:
    place = Place(2)
    good, bad = place.keys
    place.look(
        tallies={good: Tally(NOW, 20, 1, 20, 5), bad: Tally(NOW, 5, 15, 5, 75)},
        pairs={good: Pair(NOW, 20, 1, 20, 5), bad: Pair(NOW, 5, 15, 5, 75)},
    )

    first = [place.board.offers(NOW, CHANCE)[0] for _ in range(200)]

    assert first.count(good) > 190
