"""What the README shows of the gate is so."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from orchestrator.gate.limits import Limits
from sites.definition.definition import Definition
from sites.politeness.gates import limits_of

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    section = README.read_text("utf-8").partition("\n## The gate\n")[2].partition("\n## ")[0]
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", section)


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=README.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_example_of_a_gate_runs() -> None:
    code = blocks("python")[0]
    # A machine may stand still for longer than those two seconds.
    for said, longer in (
        ('(429, "2")', '(429, "90")'),
        ("1 < answer.wait_s <= 2", "30 < answer.wait_s <= 90"),
    ):
        assert code.count(said) == 1
        code = code.replace(said, longer)
    told = re.fullmatch(r"not within a second, but in (\d+): pause\n", run(code))
    assert told
    assert 30 < int(told[1]) <= 90


def test_the_examples_for_an_event_loop_and_of_a_breaker_alone_run() -> None:
    assert run(blocks("python")[1]) == ""


def test_the_keys_of_a_site_file_and_their_defaults_are_those_there_are() -> None:
    (text,) = blocks("toml")
    least = {"name": "x", "start_urls": ["http://a.example"], "item": {"fields": {"a": "b"}}}
    without = Definition.model_validate(least)
    assert Definition.model_validate({**least, **tomllib.loads(text)}) == without
    told = {line.split()[0] for line in text.splitlines() if "=" in line}
    assert told >= {*Definition.model_fields["breaker"].default.model_dump()}
    # `slots` is `concurrency`, `host_slots` is `host_concurrency`; a lease is nobody's to set.
    names = {name.replace("slots", "concurrency") for name in Limits.__slots__}
    own = {"failures", "window_s", "ratio", "open_s", "open_cap_s", "trials", "lease_s"}
    assert told >= names - own
    assert limits_of(without).rate == 2.0
