from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.pipelines.exec import MOST_TEXT, result_of


@pytest.mark.parametrize(
    ("out", "result"),
    [
        (b"", None),
        (b"\n\n", None),
        (b"null", None),
        (b" [1, 2]\n", [1, 2]),
        (b'"\\u0000"', "\0"),
        (b'{"a": 1} and more', '{"a": 1} and more'),
        (b"NaN", "NaN"),
        (b"[Infinity]", "[Infinity]"),
        (b'"\\ud800"', '"\\ud800"'),
        (b"\xff\xfe", "��"),
        (b"[" * 100_000, "[" * MOST_TEXT + f"\n[the first {MOST_TEXT} of 100000 bytes]"),
        (b"9" * 5000, "9" * 5000),
        (b"1e999", "1e999"),
    ],
)
def test_json_is_the_result_and_all_else_is_text(out: bytes, result: Any) -> None:
    found = result_of(out, len(out))
    assert found == result
    json.dumps(found, ensure_ascii=False, allow_nan=False).encode()


def test_json_that_was_cut_is_text() -> None:
    assert result_of(b"[1, 2]", 7) == "[1, 2]"
