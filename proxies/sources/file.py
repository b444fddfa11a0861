"""A list in a file."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from proxies.sources.body import Body, require_small
from proxies.sources.failure import SourceFailed

if TYPE_CHECKING:
    from proxies.sources.source import Source, Surroundings

_PIECE = 1024 * 1024


def read(source: Source, here: Surroundings, _known: object = None) -> Body:
    """Read it.

    Raises:
        SourceFailed: it is not there, no file, too large, or cannot be read.
    """
    path = source.path(here.folder)
    try:
        # What became a pipe meanwhile must not hold us up.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise SourceFailed(f"{path} is no file")
            return Body(_whole(file, source.max_size))
    except FileNotFoundError:
        raise SourceFailed(f"{path} is not there") from None
    except OSError as error:
        raise SourceFailed(f"{path} cannot be read: {error.strerror}") from None


def _whole(file: BinaryIO, most: int) -> bytes:
    found = bytearray()
    while piece := file.read(_PIECE):
        found += piece
        require_small(len(found), most)
    return bytes(found)
