"""What a status means, and what follows from each class of failure."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from orchestrator.gate.model import Outcome
from sites.fetch import RULES, Failed, Kind, Moved, judge_status, retry_after
from sites.transport import classify

NOW = 1_700_000_000.0


def test_every_class_of_failure_has_its_rule() -> None:
    assert set(RULES) == set(Kind)


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


def test_only_what_says_something_about_the_site_counts_for_the_breaker() -> None:
    counted = {kind for kind, rule in RULES.items() if rule.outcome is Outcome.FAILURE}

    assert counted == {
        *(Kind.DNS, Kind.CONNECT, Kind.TIMEOUT, Kind.TLS, Kind.PROTOCOL),
        *(Kind.HTTP_429, Kind.HTTP_403, Kind.HTTP_5XX),
    }
    assert RULES[Kind.PROXY].outcome is Outcome.NEUTRAL


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
        (
            {
                "Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT",
                "Date": "Tue, 14 Nov 2023 22:13:45 GMT",
            },
            5.0,
        ),
        ({"Retry-After": "Tue, 14 Nov 2000 22:13:50 GMT"}, 0.0),
        ({"Retry-After": "9" * 5000}, 3600.0),
        ({"Retry-After": "Tue, 14 Nov 2099 22:13:50 GMT"}, 3600.0),
        ({"Retry-After": "Mon, 01 Jan 99999999999 00:00:00 GMT"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_sites_clock(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers, NOW) == seconds


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


def test_a_name_that_is_not_known_is_told() -> None:
    key = ConnectionKey("nowhere.example", 80, False, True, None, None, None)
    error = aiohttp.ClientConnectorDNSError(key, OSError(socket.EAI_NONAME, "not known"))

    assert classify(error) == Failed(Kind.DNS, "the name is not known")
