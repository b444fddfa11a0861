"""Numbers of bytes as people write them."""

from __future__ import annotations

import re

_DECIMAL = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_BINARY = {"kib": 2**10, "mib": 2**20, "gib": 2**30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([a-z]*)")


def parse(text: object) -> int:
    """Bytes of `500`, `"500MB"`, `"1.5 GB"` or `"64MiB"`; MB are millions, MiB are 2**20.

    >>> parse("500MB"), parse("1 KiB"), parse(0)
    (500000000, 1024, 0)

    Raises:
        ValueError: it is none of these, or negative.
    """
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return text
    found = _SIZE.fullmatch(text.replace(" ", "").lower()) if isinstance(text, str) else None
    if found is None or found[2] not in _DECIMAL | _BINARY:
        raise ValueError(f"{text!r} is no size; write it like 500MB, 2GB or 64MiB")
    return int(float(found[1]) * (_DECIMAL | _BINARY)[found[2]])
