"""`orch` and `python -m orchestrator`."""

from __future__ import annotations

import importlib
import sys

from orchestrator.cli.quick import quick


def main() -> int:
    """Run one command; return its exit code. Every error of ours becomes one clear message."""
    code = quick(sys.argv[1:])
    if code is None:
        # Only now: typer and rich cost 200 ms, which `orch status` and a second `orch up` save.
        code = int(importlib.import_module("orchestrator.cli.run").run())
    return code


if __name__ == "__main__":
    sys.exit(main())
