"""What a client wants, as it says in the user name of the proxy's address.

    http://site-books-session-7-country-de:PASSWORD@127.0.0.1:8118

Three words, each once and in any order, each followed by its value; all may be left out:

| word | means | without it |
|---|---|---|
| `site` | whose bans, budgets and successes count | the host that is asked for |
| `session` | the same upstream as before, as long as it is usable | another one for each request |
| `country` | only upstreams that leave from there (two letters) | any |

A value goes on to the next of these words, so it may hold hyphens: `site-my-shop-session-7`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

WORDS = ("site", "session", "country")
#: A user name may not be longer.
LONGEST = 255

_VALUE = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_COUNTRY = re.compile(r"[a-z]{2}")
_FORM = "site-NAME-session-ID-country-CC"


class BadRoute(ValueError):
    """The user name is not understood; says what is allowed."""


class Route(NamedTuple):
    """Whom to go through; nothing said means any."""

    site: str = ""
    session: str | None = None
    country: str = ""

    def __str__(self) -> str:
        """As it was said, for logs."""
        return "-".join(f"{word}-{value}" for word, value in zip(WORDS, self, strict=True) if value)


ANY = Route()


def read(username: str) -> Route:
    """Read a user name.

    >>> read("site-my-shop-session-7-country-DE")
    Route(site='my-shop', session='7', country='de')
    >>> read("")
    Route(site='', session=None, country='')

    Raises:
        BadRoute: it is not of that form.
    """
    if not username:
        return ANY
    if len(username) > LONGEST:
        raise BadRoute(f"the user name is longer than {LONGEST} letters")
    return _checked(_said(username))


def _said(username: str) -> dict[str, str]:
    """The words of a user name, each with its value."""
    said: dict[str, str] = {}
    word = ""
    for part in username.split("-"):
        if part in WORDS and part not in said and said.get(word, "x"):
            word = part
            said[word] = ""
        elif word and (part or said[word]):
            said[word] = f"{said[word]}-{part}" if said[word] else part
        else:
            raise BadRoute(f"the user name must be of the form {_FORM}, each part left out at will")
    return said


def _checked(said: dict[str, str]) -> Route:
    for word, value in said.items():
        if not _VALUE.fullmatch(value):
            raise BadRoute(f"{word} in the user name needs a value of letters, digits and _.:-")
    country = said.get("country", "").lower()
    if country and not _COUNTRY.fullmatch(country):
        raise BadRoute("country in the user name must be two letters, like de")
    return Route(said.get("site", ""), said.get("session"), country)
