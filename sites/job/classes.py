"""The classes of failures that a person may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.errors import ConfigError
from sites.fetch.kind import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The class of failure of a page whose shards all died.
LOST = "lost"

#: What may be asked for.
CLASSES = (*(str(kind) for kind in Kind), LOST)


def known(classes: Sequence[str]) -> list[str]:
    """Return `classes`, each once.

    Raises:
        ConfigError: one of them is none.
    """
    wrong = [name for name in classes if name not in CLASSES]
    if wrong:
        there = ", ".join(CLASSES)
        raise ConfigError(tuple(f"--class {name}: there are {there}" for name in wrong))
    return list(dict.fromkeys(classes))
