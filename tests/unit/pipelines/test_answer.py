from __future__ import annotations

from email.utils import formatdate

import pytest

from orchestrator.core.retry_after import LONGEST_S
from orchestrator.pipelines import answer
from orchestrator.pipelines.answer import Part, continues, judge, part, validator
from orchestrator.queue.pipeline import Failure, Retry

OLD = "Mon, 01 Jan 2024 00:00:00 GMT"
NOW = 1_800_000_000.0
DATE = formatdate(NOW, usegmt=True)


def test_statuses_mean_what_they_mean() -> None:
    assert judge(200, {}, now=0) is None
    assert judge(302, {"Location": "/x"}, now=0) == answer.Moved("/x")
    assert judge(302, {}, now=0) == Failure("302 Found, to nowhere")
    assert judge(404, {}, now=0) == Failure("404 Not Found")
    assert judge(503, {"Retry-After": "9"}, now=0) == Retry("503 Service Unavailable", 9)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": " 604800 "}, 604_800),
        ({"Retry-After": "9" * 5000}, LONGEST_S),
        ({"Retry-After": formatdate(NOW + 60, usegmt=True)}, 60),
        ({"Retry-After": formatdate(NOW - 60, usegmt=True)}, 0),
        ({"Retry-After": formatdate(5000 + 60, usegmt=True), "Date": formatdate(5000)}, 60),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "1.5"}, None),
        ({}, None),
    ],
)
def test_what_the_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert judge(429, headers, now=NOW) == Retry("429 Too Many Requests", seconds)


@pytest.mark.parametrize(
    ("headers", "proof"),
    [
        ({"ETag": '"a"', "Last-Modified": OLD, "Date": DATE}, '"a"'),
        ({"ETag": 'W/"a"', "Last-Modified": OLD, "Date": DATE}, OLD),
        ({"Last-Modified": OLD}, ""),
        ({"Last-Modified": DATE, "Date": DATE}, ""),
        ({"Last-Modified": "yesterday", "Date": DATE}, ""),
        ({"ETag": "bare"}, ""),
        ({"ETag": '"a\r\nX: y"'}, ""),
        ({}, ""),
    ],
)
def test_what_proves_that_content_is_the_same(headers: dict[str, str], proof: str) -> None:
    assert validator(headers) == proof


@pytest.mark.parametrize(
    ("text", "length", "found"),
    [
        ("bytes 5-9/10", "5", Part(5, 9, 10)),
        ("bytes 5-9/*", "", Part(5, 9, None)),
        ("bytes 5-9/10", "4", None),
        ("bytes 5-10/10", "", None),
        ("bytes 9-5/10", "", None),
        ("bytes */10", "", None),
        ("items 5-9/10", "", None),
        ("", "", None),
    ],
)
def test_parts_that_add_up(text: str, length: str, found: Part | None) -> None:
    assert part({"Content-Range": text, "Content-Length": length}) == found


@pytest.mark.parametrize(
    ("more", "proof", "total", "fits"),
    [
        ({"ETag": '"a"'}, '"a"', 10, True),
        ({"ETag": '"b"'}, '"a"', 10, False),
        ({}, '"a"', 10, False),
        ({"ETag": '"a"'}, '"a"', 11, False),
        ({"ETag": '"a"'}, '"a"', None, False),
        ({"Last-Modified": OLD}, OLD, 10, True),
        ({}, OLD, 10, True),
        ({"Last-Modified": DATE}, OLD, 10, False),
    ],
)
def test_a_part_continues_only_the_same_content(
    more: dict[str, str], proof: str, total: int | None, fits: bool
) -> None:
    headers = {"Content-Range": "bytes 5-9/10"} | more
    assert bool(continues(headers, size=5, proof=proof, total=total)) is fits
    assert continues(headers, size=4, proof=proof, total=total) is None
