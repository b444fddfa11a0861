"""What a status means, and what follows from each class of failure."""

from __future__ import annotations

import pytest

from orchestrator.gate.permit import Verdict
from sites.fetch.answer import Failed, Moved
from sites.fetch.kind import Kind
from sites.fetch.policy import RULES
from sites.fetch.status import judge_status

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("status", "proxied", "kind"),
    [
        (403, False, Kind.HTTP_403),
        (404, False, Kind.GONE),
        (410, True, Kind.GONE),
        (400, False, Kind.HTTP_4XX),
        (408, False, Kind.TIMEOUT),
        (429, True, Kind.HTTP_429),
        (500, True, Kind.HTTP_5XX),
        (502, False, Kind.HTTP_5XX),
        (502, True, Kind.PROXY),
        (407, True, Kind.PROXY),
        (407, False, Kind.HTTP_4XX),
        (304, False, Kind.HTTP_4XX),
        (206, False, Kind.PROTOCOL),
    ],
)
def test_a_status_has_a_class(status: int, *, proxied: bool, kind: Kind) -> None:
    found = judge_status(status, {}, now=NOW, proxied=proxied)

    assert isinstance(found, Failed)
    assert found.kind is kind


def test_a_page_is_no_failure() -> None:
    assert judge_status(200, {}, now=NOW, proxied=False) is None


def test_a_redirect_names_its_target() -> None:
    found = judge_status(302, {"Location": "/x"}, now=NOW, proxied=False)

    assert found == Moved(302, "/x")


def test_what_is_gone_is_skipped_and_never_tried_again() -> None:
    rule = Failed(Kind.GONE).rule

    assert (rule.retry, rule.skip, Failed(Kind.GONE).reason) == (False, True, "gone")


def test_what_each_failure_says_about_the_site() -> None:
    said = {
        verdict: {kind for kind, rule in RULES.items() if rule.verdict is verdict}
        for verdict in Verdict
    }

    assert said[Verdict.FAILURE] == {
        *(Kind.DNS, Kind.CONNECT, Kind.TIMEOUT, Kind.TLS, Kind.PROTOCOL, Kind.HTTP_5XX)
    }
    assert said[Verdict.LIMITED] == {Kind.HTTP_429}
    assert said[Verdict.BAN] == {Kind.HTTP_403, Kind.SOFT_BLOCK}
    assert said[Verdict.NEUTRAL] == {Kind.PROXY}
    assert said[Verdict.UNUSED] == {Kind.NO_PROXY, Kind.ROBOTS, Kind.FORBIDDEN}


def test_a_site_that_says_when_to_come_again_is_alive() -> None:
    busy = judge_status(503, {"Retry-After": "9"}, now=NOW, proxied=False)
    broken = judge_status(503, {}, now=NOW, proxied=False)

    assert isinstance(busy, Failed)
    assert isinstance(broken, Failed)
    assert (busy.verdict, broken.verdict) == (Verdict.LIMITED, Verdict.FAILURE)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "7200"}, 7200.0),
        ({"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
        (
            {
                "Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT",
                "Date": "Tue, 14 Nov 2023 22:13:45 GMT",
            },
            5.0,
        ),
        ({"Retry-After": "Tue, 14 Nov 2000 22:13:50 GMT"}, 0.0),
        ({"Retry-After": "9" * 5000}, 86_400.0),
        ({"Retry-After": "Tue, 14 Nov 2099 22:13:50 GMT"}, 86_400.0),
        ({"Retry-After": "Mon, 01 Jan 99999999999 00:00:00 GMT"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_sites_clock(
    headers: dict[str, str], seconds: float | None
) -> None:
    found = judge_status(429, headers, now=NOW, proxied=False)

    assert isinstance(found, Failed)
    assert found.retry_after == seconds


def test_that_we_come_again_sooner_than_asked_is_said() -> None:
    found = judge_status(429, {"Retry-After": "172800"}, now=NOW, proxied=False)

    assert isinstance(found, Failed)
    assert found.reason == "http_429: status 429, to come again in 48 h 0 min: we do in 24 h 0 min"


@pytest.mark.parametrize(
    ("status", "proxied", "seconds"),
    [
        (429, False, 9.0),
        (503, True, 9.0),
        (404, False, None),
        (500, False, None),
        (407, True, None),
        (502, True, None),
    ],
)
def test_only_a_site_that_is_busy_says_when_to_come_again(
    status: int, *, proxied: bool, seconds: float | None
) -> None:
    found = judge_status(status, {"Retry-After": "9"}, now=NOW, proxied=proxied)

    assert isinstance(found, Failed)
    assert found.retry_after == seconds
