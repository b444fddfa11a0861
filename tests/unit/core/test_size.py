"""Numbers of bytes as people write them."""

from __future__ import annotations

import pytest

from orchestrator.core.size import parse


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (0, 0),
        ("0", 0),
        (4096, 4096),
        ("500MB", 500_000_000),
        ("1.5 gb", 1_500_000_000),
        ("64MiB", 64 * 2**20),
    ],
)
def test_a_size_is_understood(text: object, found: int) -> None:
    assert parse(text) == found


@pytest.mark.parametrize("text", [-1, True, 1.5, None, [], "", "MB", "5 apples", "1e3", "-5MB"])
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="no size"):
        parse(text)
