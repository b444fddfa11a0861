"""`${NAME}` in settings: values from the environment that stand in no file, no log and no `ps`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAMED = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def names(text: str) -> list[str]:
    """Return the variables that `text` names, in their order.

    >>> names("https://${USER}:${PASS}@x.example/$plain")
    ['USER', 'PASS']
    """
    return _NAMED.findall(text)


def require_names(text: str) -> str:
    """Return `text` when every `${…}` in it can be a variable.

    Raises:
        ValueError: naming the one that cannot.
    """
    wrong = [name for name in names(text) if not _NAME.fullmatch(name)]
    if wrong:
        raise ValueError(f"${{{wrong[0]}}} can be no variable; write it like ${{PAID_TOKEN}}")
    return text


def missing(texts: Iterable[str], environment: Mapping[str, str]) -> list[str]:
    """Return the variables that are named and not set, or empty, each once."""
    wanted = dict.fromkeys(name for text in texts for name in names(text))
    return [name for name in wanted if not environment.get(name, "").strip()]


def filled(text: str, environment: Mapping[str, str]) -> str:
    """Put in the values, without blanks and line ends around them; what is missing stays empty."""
    return _NAMED.sub(lambda found: environment.get(found[1], "").strip(), text)


def filled_url(text: str, environment: Mapping[str, str]) -> str:
    """Put in the values, escaped so that none changes what the URL's parts are.

    Only one that begins the URL is put in as it is: it may be all of it.

    >>> filled_url("https://${USER}@x.example/", {"USER": "a@b/c"})
    'https://a%40b%2Fc@x.example/'
    >>> filled_url("${LIST}?all=1", {"LIST": "https://x.example/list"})
    'https://x.example/list?all=1'
    """

    def put(found: re.Match[str]) -> str:
        value = environment.get(found[1], "").strip()
        return quote(value, safe="") if found.start() else value

    return _NAMED.sub(put, text)
