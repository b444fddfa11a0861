"""Times and events in people's words."""

from __future__ import annotations

import doctest

import pytest

from orchestrator.cli import event_words, moment


@pytest.mark.parametrize("module", [moment, event_words])
def test_the_examples_in_the_docstrings_hold(module: object) -> None:
    failed, tried = doctest.testmod(module)  # type: ignore[arg-type]
    assert tried
    assert not failed


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("2026-01-21T10:00:00 hello", "2026-01-21 10:00:00.000000"),
        ("at 2026-01-21 10:00:00.5 hello", "2026-01-21 10:00:00.500000"),
        ("7:M 21 Foo 2026 10:00:00.123 * hello", "2026-00-21 10:00:00.123000"),
        ("x" * 100 + "2026-01-21 10:00:00", ""),
        ("2026-99-99 10:00:00Z", ""),
        ("", ""),
    ],
)
def test_the_time_of_a_line(line: str, time: str) -> None:
    assert moment.of_line(line) == time


def test_times_of_different_zones_can_be_compared() -> None:
    east = moment.of_line("2026-01-21 12:00:00+02:00 a")
    assert east == moment.of_line("2026-01-21T10:00:00Z b")


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"event": "service.ready", "service": "redis", "pid": 5}, "ready (pid 5)"),
        ({"event": "service.ready", "service": "redis", "adopted": True}, "ready, somebody else's"),
        ({"event": "service.ended", "service": "redis", "exit": 3}, "ended with exit code 3"),
        ({"event": "service.ended", "service": "redis", "exit": -99}, "ended by signal 99"),
        ({"event": "service.ended", "service": "redis", "exit": None}, "ended"),
        ({"event": "service.restarting", "service": "x", "delay": 1.5}, "restarting in 1.5 s"),
        ({"event": "service.failed", "service": "x", "reason": "x: no\nmore"}, "failed: no more"),
        ({"event": "service.failed"}, "failed:"),
        ({}, "None"),
    ],
)
def test_an_event_in_words(event: dict[str, object], words: str) -> None:
    assert event_words.told(event)[1] == words
