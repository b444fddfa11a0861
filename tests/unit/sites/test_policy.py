"""One table says what follows from each class of failure."""

from __future__ import annotations

import pytest

from orchestrator.gate.permit import Verdict
from sites.fetch.answer import Failed
from sites.fetch.kind import Kind
from sites.fetch.policy import RULES, Rule

#: Kind: is it tried again, does it trip the breaker, is it only skipped, is another proxy tried at once.
TABLE = {
    "dns": (True, True, False, False),
    "connect": (True, True, False, False),
    "timeout": (True, True, False, False),
    "tls": (True, True, False, False),
    "protocol": (True, True, False, False),
    "proxy": (True, False, False, True),
    "no_proxy": (True, False, False, False),
    "http_429": (True, False, False, False),
    "http_403": (True, True, False, False),
    "soft_block": (True, True, False, False),
    "http_4xx": (False, False, False, False),
    "http_5xx": (True, True, False, False),
    "gone": (False, False, True, False),
    "too_big": (False, False, False, False),
    "parse": (True, False, False, False),
    "not_text": (False, False, True, False),
    "redirect": (False, False, False, False),
    "robots": (False, False, True, False),
    "forbidden": (False, False, False, False),
}


def test_every_kind_has_a_rule_and_every_rule_a_kind() -> None:
    assert {str(kind) for kind in RULES} == {str(kind) for kind in Kind} == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_what_follows(name: str) -> None:
    rule = RULES[Kind(name)]

    assert (rule.retry, rule.trips, rule.skip, rule.other_proxy) == TABLE[name]
    assert not (rule.retry and rule.skip)


def test_who_is_banned_does_not_go_on_knocking() -> None:
    banned, slow = RULES[Kind.SOFT_BLOCK], RULES[Kind.TIMEOUT]

    assert (banned.attempts(5), slow.attempts(5)) == (3, 5)
    assert banned.attempts(2) == 2
    assert all(banned.backoff.delay(n) > slow.backoff.delay(n) for n in range(1, 9))


def test_a_site_that_says_when_to_come_again_is_alive_whatever_it_answers() -> None:
    assert Failed(Kind.HTTP_5XX).rule.trips
    assert Failed(Kind.HTTP_5XX, retry_after=5.0).verdict is Verdict.LIMITED


def test_names_in_old_results_are_read_for_ever() -> None:
    old = "dns connect timeout tls proxy no_proxy http_429 http_403 http_4xx http_5xx gone too_big parse"
    for name in [*old.split(), "not_text", "redirect", "forbidden", "protocol"]:
        assert Kind(name) == name


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("429", Kind.HTTP_429),
        ("403", Kind.HTTP_403),
        ("ban", Kind.HTTP_403),
        ("404", Kind.GONE),
        ("410", Kind.GONE),
        ("4xx", Kind.HTTP_4XX),
        ("5XX", Kind.HTTP_5XX),
        ("soft-block", Kind.SOFT_BLOCK),
        ("too-big", Kind.TOO_BIG),
        (" Robots ", Kind.ROBOTS),
    ],
)
def test_people_may_write_kinds_as_they_speak_of_them(word: str, kind: Kind) -> None:
    assert Kind(word) is kind


@pytest.mark.parametrize("word", ["", "40", "http", "http_", "none", "4"])
def test_other_words_are_no_kinds(word: str) -> None:
    with pytest.raises(ValueError, match="is not a valid Kind"):
        Kind(word)


def test_a_rule_without_a_bound_leaves_the_attempts_to_the_site() -> None:
    assert Rule(retry=True, verdict=Verdict.OK).attempts(20) == 20
