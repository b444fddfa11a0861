"""Where a home is and where its sockets are: plain text in, plain text out.

`orch status --json` runs on this alone: `pathlib`, `dataclasses` and `typing` take longer to import than
the answer takes to come, so they are not used here.
"""

from __future__ import annotations

import os

from orchestrator.core.errors import ConfigError

CONFIG_NAME = "orch.toml"

#: A Unix socket's path may have 107 bytes and a closing zero (sun_path).
LONGEST_SOCKET_PATH = 107
LONGEST_SOCKET_NAME = "control.sock"


def find(explicit: str | None = None) -> str:
    """Return `explicit`, else `$ORCH_HOME`, else the nearest folder upwards with `orch.toml`.

    Raises:
        ConfigError: the folder that was named is not there.
    """
    named = explicit or os.environ.get("ORCH_HOME")
    if named:
        path = os.path.realpath(os.path.expanduser(named))
        if not os.path.isdir(path):
            problem = f"home: {path} is not a folder"
            raise ConfigError((problem,), hint="make it, or name another")
        return path
    try:
        here = os.getcwd()
    except FileNotFoundError as error:
        raise ConfigError(("the current folder is gone",), hint="cd to another") from error
    folder = here
    while not os.path.isfile(os.path.join(folder, CONFIG_NAME)):
        if folder == os.path.dirname(folder):
            return here
        folder = os.path.dirname(folder)
    return folder


def run_folder(home: str) -> str:
    """The folder `data/run` of a home."""
    return os.path.join(home, "data", "run")


def kept_sockets(home: str) -> str | None:
    """The folder of its sockets that a home has written down, because its own path is too long."""
    try:
        with open(os.path.join(run_folder(home), "sockets"), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


def socket_fits(home: str) -> bool:
    """Whether a socket can have its place in `data/run`."""
    return sockets_fit(run_folder(home))


def sockets_fit(folder: str) -> bool:
    """Whether the paths of the sockets in `folder` are short enough."""
    return len(os.fsencode(os.path.join(folder, LONGEST_SOCKET_NAME))) <= LONGEST_SOCKET_PATH


def control_socket(home: str) -> str | None:
    """Where a supervisor of `home` listens, if one ever did."""
    folder = kept_sockets(home) or (run_folder(home) if socket_fits(home) else None)
    return os.path.join(folder, "control.sock") if folder else None
