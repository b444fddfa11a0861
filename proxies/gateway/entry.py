"""Who may use the gateway, and what the user name says."""

from __future__ import annotations

import base64
import binascii
import hmac
from functools import lru_cache
from typing import TYPE_CHECKING

from proxies.gateway import route

if TYPE_CHECKING:
    from proxies.gateway.route import Route


class NotLetIn(Exception):
    """The password is wrong, or none was given."""


def enter(username: str, password: str, wanted: str) -> Route:
    """Read the user name of somebody who knows the password; where none is `wanted`, any will do.

    Raises:
        NotLetIn: the password is another one.
        BadRoute: the user name is not understood.
    """
    if wanted and not hmac.compare_digest(password.encode(), wanted.encode()):
        raise NotLetIn("the password is wrong, or missing")
    return route.read(username)


@lru_cache(maxsize=4096)
def enter_by_header(value: bytes, wanted: str) -> Route:
    """The same for what `Proxy-Authorization` says."""
    scheme, _, word = value.partition(b" ")
    if scheme.lower() != b"basic":
        raise NotLetIn("only the scheme Basic is known")
    try:
        pair = base64.b64decode(word.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise NotLetIn("Proxy-Authorization cannot be read") from None
    username, _, password = pair.partition(":")
    return enter(username, password, wanted)
