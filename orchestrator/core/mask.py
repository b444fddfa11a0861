"""Secrets stay out of what people and logs see."""

from __future__ import annotations


def mask_url(url: str) -> str:
    """The URL with its user and password replaced by ***.

    >>> mask_url("redis://:secret@127.0.0.1:6379/0")
    'redis://***@127.0.0.1:6379/0'
    """
    scheme, mark, rest = url.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}://***@{host}" if mark and at and user else url


def masked(value: object) -> object:
    """`value` with every URL in it masked."""
    if isinstance(value, str):
        return mask_url(value)
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    return value
