"""Texts as the stores keep them: JSON, and reasons."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.queue.model import LONGEST_TEXT

#: Characters of a reason: room for the last 2 KiB of a program's stderr, and no whole log.
LONGEST_REASON = 2400

_PLAIN = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_ESCAPED = json.JSONEncoder(allow_nan=False)


def json_text(what: str, value: Any) -> str:
    """Return `value` as JSON; `what` names it in an error.

    >>> json_text("payload", {"title": "größer"})
    '{"title": "größer"}'

    Raises:
        ValueError: it is no JSON value, or too big.
    """
    try:
        text = _PLAIN.encode(value)
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can escape and UTF-8 cannot say
        text = _ESCAPED.encode(value)
        size = len(text)
    except RecursionError:
        raise ValueError(f"{what} is nested too deeply") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} is no JSON value: {error}") from error
    if size > LONGEST_TEXT:
        raise ValueError(f"{what} has {size} bytes as JSON; at most {LONGEST_TEXT} are allowed")
    return text


def reason_text(reason: object) -> str:
    """Make of it a text that UTF-8 can say, of at most `LONGEST_REASON` characters."""
    text = str(reason).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= LONGEST_REASON else f"{text[: LONGEST_REASON - 1]}…"
