"""What a command's own work logs goes to a file, as the services have theirs."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

from orchestrator.core.errors import OrchError
from orchestrator.core.files import private_folder, unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOG_BYTES = 10_000_000
LOG_KEEP = 5


@contextmanager
def logged_to(path: Path, hint: str = "") -> Iterator[None]:
    """Write what is logged within to `path`; `hint` says what to do when that cannot be written.

    Raises:
        OrchError: it cannot.
    """
    try:
        private_folder(path.parent)
        handler = RotatingFileHandler(
            path, maxBytes=LOG_BYTES, backupCount=LOG_KEEP, encoding="utf-8"
        )
    except (OSError, OrchError) as error:
        told = error if isinstance(error, OrchError) else unwritable(path, error)
        told.hint = told.hint or hint
        raise told from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()
