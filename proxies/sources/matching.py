"""A user's pattern over a foreign text: in a process of its own, as no thread can end a match.

One match may take years on a text that somebody made for it, and holds Python's lock all the while.
`python -I -S matching_child.py` reads one JSON value from stdin and writes one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core import child
from orchestrator.core.child import Bounds, Command, Why
from proxies.sources.failure import SourceFailed

if TYPE_CHECKING:
    from orchestrator.core.clock import Deadline

_PROGRAM = str(Path(__file__).with_name("matching_child.py"))
#: Bytes of all that is found.
_MOST_OUT = 256_000_000


def find(pattern: str, text: str, most: int, deadline: Deadline) -> list[dict[str, str]]:
    """Return the named groups of each match, at most `most` of them.

    Raises:
        SourceFailed: the deadline came first, or it did not go well.
    """
    words = [sys.executable, "-I", "-S", _PROGRAM]
    bounds = Bounds(deadline.remaining(), grace=0, out=_MOST_OUT, strict=True)
    order = json.dumps({"pattern": pattern, "text": text, "most": most}).encode()
    try:
        ended = child.run(Command(sys.executable, words, cwd="/"), bounds, feed=order)
    except (OSError, RuntimeError) as error:
        raise SourceFailed(f"the pattern could not be looked for: {error}") from None
    if ended.why is Why.TIMEOUT:
        raise SourceFailed("the pattern took too long on this text")
    if ended.code != 0 or ended.why is not Why.ITSELF:
        raise SourceFailed("the pattern could not be looked for in this text")
    found: list[dict[str, str]] = json.loads(ended.out)
    return found
