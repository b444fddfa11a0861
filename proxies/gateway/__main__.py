"""`python -m proxies.gateway`: the service `gateway`, as the supervisor starts it."""

from __future__ import annotations

import logging
import os
import sys

from orchestrator.core.context import Context
from orchestrator.core.errors import OrchError
from proxies.gateway.serve import run

log = logging.getLogger("gateway")


def main() -> int:
    """Serve until a signal; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        context = Context.load(os.environ["ORCH_HOME"], services=False)
        run(context, None, lambda address: log.info("listening on %s", address))
    except OrchError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
