"""What runs against what is declared by now."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.supervise.comparison import differences
from orchestrator.supervise.service import ProbeSpec, ServiceSpec


def spec(name: str, command: str = "a") -> ServiceSpec:
    return ServiceSpec(name, ProbeSpec("alive"), command=(command,))


def declared(*specs: ServiceSpec) -> dict[str, list[str]]:
    return {spec.name: [spec.digest, spec.fingerprint] for spec in specs}


def test_the_same_differs_in_nothing() -> None:
    there = {"x": (spec("x"), True), "y": (spec("y"), False)}

    assert differences(there, declared(spec("x"), spec("y"))) == {}


def test_what_differs_is_told_by_what_must_be_done_about_it() -> None:
    there = {
        "changed": (spec("changed"), True),
        "tuned": (spec("tuned"), True),
        "waiting": (spec("waiting"), False),
        "gone": (spec("gone"), True),
        "forgotten": (spec("forgotten"), False),
    }
    now = declared(
        spec("changed", "b"),
        replace(spec("tuned"), memory_limit_bytes=5),
        spec("waiting", "b"),  # nothing runs that would have to be restarted
        spec("new"),
    )

    assert differences(there, now) == {
        "changed": "changed",
        "tuned": "tuned",
        "waiting": "tuned",
        "gone": "gone",
        "new": "new",
    }


def test_nonsense_is_no_declaration() -> None:
    assert differences({}, {"x": 5, "y": ["a"]}) == {}
    assert differences({}, [1]) == {}
