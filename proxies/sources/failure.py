"""Why a source gave nothing, in words that hold no secret and no control characters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

from orchestrator.core.mask import mask_url

TOO_LATE = "no answer in time"

#: What a terminal might take for a command, and all other characters that are not to be seen.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")
#: Variables that are called like this hold secrets.
_SECRET = re.compile(r"TOKEN|SECRET|PASS|PWD|KEY|AUTH|CREDENTIAL|USER", re.IGNORECASE)
#: A shorter value may be a word of its own, in characters.
_SHORTEST_SECRET = 5
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://\S+")


class SourceFailed(Exception):
    """One source gave nothing; the text goes behind its name and is for people."""


def clean(text: str, most: int = 200) -> str:
    r"""What somebody else wrote, on one line and without credentials in URLs.

    >>> clean("no route\n to http://ann:secret@x/\x1b[31m")
    'no route to http://***@x/'
    """
    one = " ".join(_CONTROL.sub(" ", text).split())
    masked = _URL.sub(lambda found: mask_url(found[0]), one)
    return masked if len(masked) <= most else f"{masked[: most - 1]}…"


def without_secrets(text: str, environment: Mapping[str, str]) -> str:
    """What somebody who knows our environment wrote, without the values of secret variables.

    >>> without_secrets("sesame is wrong", {"LIST_TOKEN": "sesame", "HOME": "wrong"})
    '${LIST_TOKEN} is wrong'
    """
    for name, value in environment.items():
        if len(value) >= _SHORTEST_SECRET and _SECRET.search(name):
            text = text.replace(value, f"${{{name}}}")
    return text
