"""The proxy that alters pages: HTML is changed and still whole, everything else passes."""

from __future__ import annotations

from orchestrator.demo.altering import ADDED, alter

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: %s\r\nContent-Length: %d"


def answer(kind: bytes, body: bytes) -> bytes:
    return HEAD % (kind, len(body)) + b"\r\n\r\n" + body


def test_html_gets_something_added_and_the_right_length() -> None:
    page = b"<html><body>hi</body></html>"
    changed = b"<html><body>hi" + ADDED + b"</body></html>"
    assert alter(answer(b"text/html; charset=utf-8", page)) == answer(
        b"text/html; charset=utf-8", changed
    )


def test_html_without_an_end_is_added_to_as_well() -> None:
    assert alter(answer(b"text/html", b"hi")).endswith(b"hi" + ADDED)


def test_everything_else_passes_unchanged() -> None:
    facts = answer(b"application/json", b'{"a": "</body>"}')
    assert alter(facts) == facts
