"""What a supervisor was configured from, as one short word: whether it has changed costs no parsing."""

from __future__ import annotations

import hashlib
import os

from orchestrator.core.places import CONFIG_NAME
from orchestrator.core.version import VERSION

# Typing itself is not imported: this is on the way of a second `orch up`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: Variables that say where and what a process is; they are no configuration.
RESERVED = frozenset({"ORCH_HOME", "ORCH_SERVICE", "ORCH_LAUNCH", "ORCH_REDIS", "ORCH_PREFIX"})


def digest(home: str, overrides: Mapping[str, str]) -> str:
    """Changes with `orch.toml`, the `ORCH_…` variables, `--set` and the version of orch."""
    try:
        with open(os.path.join(home, CONFIG_NAME), "rb") as file:
            text = file.read()
    except OSError:
        text = b""
    variables = [
        f"{name}={value}"
        for name, value in sorted(os.environ.items())
        if name.startswith("ORCH_") and name not in RESERVED
    ]
    given = [f"{key}={value}" for key, value in sorted(overrides.items())]
    words = "\0".join([VERSION, *variables, "", *given])
    return hashlib.sha256(text + b"\0" + words.encode("utf-8", "surrogateescape")).hexdigest()[:16]
