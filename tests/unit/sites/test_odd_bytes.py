"""What sites and servers write that nobody should: it is read, or left out, and never raises."""

from __future__ import annotations

import json

import pytest

from orchestrator.core.patience import passes
from orchestrator.core.redis import ResponseError
from sites.definition.definition import Definition
from sites.extract.values import to_float, to_int
from sites.results.outcome import Outcome
from sites.url import canonical


def test_an_outcome_can_always_be_written() -> None:
    text = Outcome("http://a.example/", "error", reason="text/\udce9\ud800").to_json()

    assert json.loads(text.encode())["reason"] == "text/??"


@pytest.mark.parametrize("digits", ["9" * 101, "9" * 5000, "1." + "0" * 5000])
def test_what_is_too_long_is_no_number(digits: str) -> None:
    assert to_int(digits) is None
    assert to_float(digits) is None


def test_raw_bytes_of_a_header_are_escaped_as_they_came() -> None:
    raw = b"/f/caf\xe9?q=\xff".decode("utf-8", "surrogateescape")

    assert canonical(raw, "http://a.example/") == "http://a.example/f/caf%E9?q=%FF"
    assert canonical("/\ud800", "http://a.example/") == "http://a.example/%3F"


def test_the_port_of_https_may_be_named_in_an_allowed_host() -> None:
    raw = {
        "name": "s",
        "start_urls": ["https://a.example/"],
        "allowed_hosts": ["a.example:443"],
        "item": {"fields": {"a": "b"}},
    }

    assert Definition.model_validate(raw).allows("https://a.example/x")


@pytest.mark.parametrize(
    ("text", "later"),
    [
        ("Error running script (call to f_1): @user_script:1: -MISCONF Redis is configured", True),
        ("OOM command not allowed when used memory > 'maxmemory'.", True),
        ("READONLY You can't write against a read only replica.", True),
        ("WRONGTYPE Operation against a key", False),
    ],
)
def test_a_server_that_is_full_for_now_is_known_in_a_script_too(text: str, *, later: bool) -> None:
    assert passes(ResponseError(text)) is later
