"""Events of several processes in one file."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from orchestrator.core import events
from orchestrator.core.events import EventLog

MANY = 200


def write_many(path: Path, who: int) -> None:
    log = EventLog(path, rotates=False)
    for number in range(MANY):
        log.write("gate.alone", service=f"worker-{who}", number=number, reason="x" * 200)


def test_any_number_of_processes_append_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=write_many, args=(path, who)) for who in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(found) == 4 * MANY
    for who in range(4):
        own = [event["number"] for event in found if event["service"] == f"worker-{who}"]
        assert own == list(range(MANY))


def test_only_who_rotates_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "ROTATE_BYTES", 100)
    path = tmp_path / "events.jsonl"
    for _ in range(5):
        EventLog(path, rotates=False).write("gate.alone", reason="x" * 50)
    assert len(path.read_text().splitlines()) == 5

    EventLog(path).write("service.ready")

    assert len(path.read_text().splitlines()) == 1
    assert len(path.with_suffix(".1").read_text().splitlines()) == 5
