"""Secrets stay out of what people and logs see."""

from __future__ import annotations

import re

#: Parts of a query that are called like a secret, in whole or in their last word.
_SECRET = re.compile(
    r"([?&](?:[\w.-]*[_.-])?(?:user(?:name)?|pass(?:w(?:or)?d)?|pwd|token|secret|auth|sig(?:nature)?|"
    r"(?:api|access|secret)?[_-]?key)=)[^&#]*",
    re.IGNORECASE,
)


def mask_url(url: str) -> str:
    """The URL with its user and password replaced by ***.

    >>> mask_url("redis://:secret@127.0.0.1:6379/0"), mask_url("unix:///run/s?db=1&password=secret")
    ('redis://***@127.0.0.1:6379/0', 'unix:///run/s?db=1&password=***')
    """
    scheme, mark, rest = url.partition("://")
    user, at, host = rest.rpartition("@")
    shown = f"{scheme}://***@{host}" if mark and at and user else url
    return _SECRET.sub(r"\1***", shown) if mark else shown


def masked(value: object) -> object:
    """`value` with every URL in it masked."""
    if isinstance(value, str):
        return mask_url(value)
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    return value
