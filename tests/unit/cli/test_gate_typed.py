"""What is typed behind `orch sites gate`."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.cli.gate_trial import Trial
from orchestrator.cli.gate_typed import Typed
from orchestrator.cli.options import _shared
from orchestrator.core.errors import ConfigError


class Gate:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def reset(self) -> None:
        self.told.append(("reset",))

    def trip(self, seconds: float, why: str) -> None:
        self.told.append(("trip", seconds, why))

    def set_rate(self, per_s: float | None) -> None:
        self.told.append(("rate", per_s))


def typed(line: str, *, watching: bool = False, **options: Any) -> Typed:
    before = _shared.set(options)
    try:
        return Typed.of(line.split(), watching=watching)
    finally:
        _shared.reset(before)


@pytest.mark.parametrize(
    ("line", "options", "does"),
    [
        ("shop reset", {}, ("reset",)),
        ("shop trip", {}, ("trip", 300.0, "opened by hand")),
        ("shop trip", {"length": "90s", "reason": " enough "}, ("trip", 90.0, "enough")),
        ("shop set rate 120/m", {}, ("rate", 2.0)),
        ("shop set rate default", {}, ("rate", None)),
    ],
)
def test_a_verb_is_what_is_done_to_the_gate(
    line: str, options: dict[str, Any], does: tuple[Any, ...]
) -> None:
    found = typed(line, **options)
    gate = Gate()
    assert found.act
    found.act(gate)  # type: ignore[arg-type]
    assert (found.site, gate.told) == ("shop", [does])


def test_without_a_verb_one_gate_is_looked_at_or_all() -> None:
    assert typed("", watching=True) == Typed("")
    assert typed("shop") == Typed("shop")


def test_a_trial_has_all_that_was_said_of_it() -> None:
    said: dict[str, Any] = {"simulate": 9, "workers": 3, "latency": "300ms"}
    found = typed("shop", **said, limited_every="5:10s", failed_every=7)
    assert found.trial == Trial(9, 3, 0.3, 5, 10.0, 7)
    assert typed("shop", simulate=9).trial == Trial(9, 4, 0.1)
    assert typed("shop", simulate=9, limited_every="5").trial == Trial(9, 4, 0.1, 5)


@pytest.mark.parametrize(
    ("line", "options", "told"),
    [
        ("shop rset", {}, ["'rset'", "did you mean reset?"]),
        ("shop go", {}, ["'go': write SITE reset"]),
        ("shop set", {}, ["set rate RATE"]),
        ("shop set rate", {}, ["set rate RATE"]),
        ("shop set speed 2/s", {}, ["set rate RATE"]),
        ("shop set rate 5", {}, ["'5'", "like 5/s, 120/m", "or default"]),
        ("shop set rate 0/s", {}, ["'0/s'", "one a day", "trip stops a site"]),
        ("shop set rate 9999999/s", {}, ["one a day to 1,000,000 a second"]),
        ("shop reset now", {}, ["'now': nothing may follow reset"]),
        ("shop trip", {"length": "soon"}, ["--for 'soon'", "no length of time"]),
        ("shop trip", {"length": "0s"}, ["--for '0s': must be more than 0"]),
        ("shop trip", {"length": "31d"}, ["at most 30d"]),
        (
            "shop reset",
            {"length": "3m", "workers": 2},
            ["--for: only with trip", "--workers: only"],
        ),
        ("shop", {"reason": "x"}, ["--reason: only with trip"]),
        ("", {"simulate": 5}, ["name the site"]),
        ("shop reset", {"simulate": 5}, ["not together with reset"]),
        ("shop", {"simulate": 0, "workers": 0}, ["--simulate 0: must be", "--workers 0: must be"]),
        ("shop", {"simulate": 5, "limited_every": "x"}, ["--limited-every 'x'", "5:10s"]),
        ("shop", {"simulate": 5, "limited_every": "5:"}, ["--limited-every '5:'", "5:10s"]),
        ("shop", {"simulate": 5, "limited_every": "0"}, ["must be from 1"]),
        ("shop", {"simulate": 5, "latency": "-1s"}, ["--latency '-1s'"]),
        ("shop", {"simulate": 5, "failed_every": -1}, ["--failed-every -1"]),
    ],
)
def test_what_is_wrong_is_told_all_at_once(
    line: str, options: dict[str, Any], told: list[str]
) -> None:
    with pytest.raises(ConfigError) as error:
        typed(line, **options)
    for part in told:
        assert part in str(error.value)
    assert "orch sites gate --help" in error.value.hint


@pytest.mark.parametrize(("line", "options"), [("shop reset", {}), ("shop", {"simulate": 1})])
def test_only_looking_can_be_watched(line: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="--watch: only"):
        typed(line, watching=True, **options)


def test_a_site_has_a_name() -> None:
    with pytest.raises(ConfigError, match="must not be empty"):
        Typed.of([""], watching=False)
