"""Payloads as people write them, also as a table in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.core.errors import ConfigError
from orchestrator.pipelines.payload import Order, Timeout, ordered
from orchestrator.queue.model import Lease
from orchestrator.queue.pipeline import Task


class Wish(Order):
    url: str
    timeout: Timeout = 60.0


def of(payload: object) -> Wish:
    return ordered(Task(Lease("a", "1.1.1", json.dumps(payload), 1), Path()), Wish, short="url")


def test_an_empty_cell_says_nothing() -> None:
    assert of({"url": "x", "timeout": "", "more": ""}) == Wish(url="x")


def test_what_is_missing_is_told_with_all_else() -> None:
    with pytest.raises(ConfigError) as told:
        of({"url": "", "timeout": "soon"})
    assert len(told.value.problems) == 2
