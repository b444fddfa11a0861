"""A lease is taken over only from somebody who has certainly ended: a table."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sites.shared.holder import Holder

ALIVE = os.getppid()


def gone() -> int:
    """A pid that nobody has any more."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


@pytest.mark.parametrize(
    ("lease", "certain"),
    [
        (f"07/node/earlier/{ALIVE}", True),  # of an earlier start of this very worker
        (f"07/node/now/{ALIVE}", False),
        ("07/node/now/{gone}", True),
        ("07/other/earlier/{gone}", False),  # another machine, or another worker
        ("08/node/earlier/{gone}", False),  # another message
        ("reserved:07", False),
        ("07", False),
        ("07/node/now/me", False),
        ("", False),
    ],
)
def test_only_whoever_has_certainly_ended_is_followed(lease: str, certain: bool) -> None:
    me = Holder("reserved:07", "node", "now", os.getpid())

    assert me.follows(lease.format(gone=gone())) is certain


def test_without_a_name_for_this_start_nobody_is_followed() -> None:
    me = Holder("reserved:07", "node", "", os.getpid())

    assert not me.follows(f"07/node/earlier/{gone()}")
    assert not me.follows(f"07/node//{gone()}")


def test_nobody_follows_himself() -> None:
    me = Holder("reserved:07", "node", "now", os.getpid())

    assert not me.follows(str(me))
