"""How much memory this machine, or the container that we are in, has left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path("/")
_MB = 1_000_000
#: The files of a control group: its limit, what is used, and what of that is given back when asked for.
_GROUPS = {
    "sys/fs/cgroup": ("memory.max", "memory.current", "inactive_file"),
    "sys/fs/cgroup/memory": (
        *("memory.limit_in_bytes", "memory.usage_in_bytes"),
        "total_inactive_file",
    ),
}


def short(least_mb: int, root: Path = _ROOT) -> str:
    """Say that fewer than `least_mb` are left; "" when there are enough, or nobody knows."""
    left = available(root) if least_mb else None
    if left is None or left >= least_mb * _MB:
        return ""
    return (
        f"the machine is short of memory: {left // _MB} MB are left,"
        f" of [sites] min_free_mb = {least_mb}"
    )


def available(root: Path = _ROOT) -> int | None:
    """Return the bytes that may still be used, by the machine and by each group that we are in.

    None: this system does not tell.
    """
    meminfo = _numbers(root / "proc/meminfo").get("MemAvailable:")
    machine = [] if meminfo is None else [meminfo * 1024]
    return min([*machine, *_groups(root)], default=None)


def _groups(root: Path) -> Iterator[int]:
    """What is left in each group that limits it, from our own up to the outermost one."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        base = "sys/fs/cgroup/memory" if controllers else "sys/fs/cgroup"
        folder = root / base / path.strip("/")
        while folder != root / "sys/fs":
            yield from _left(folder, *_GROUPS[base])
            folder = folder.parent


def _left(folder: Path, limit: str, used: str, reclaimed: str) -> Iterator[int]:
    try:
        most = (folder / limit).read_text().strip()
        now = int((folder / used).read_text())
    except (OSError, ValueError):
        return
    if most.isdecimal():  # else "max"
        yield int(most) - now + _numbers(folder / "memory.stat").get(reclaimed, 0)


def _numbers(file: Path) -> dict[str, int]:
    """Read lines of a name and a number."""
    try:
        words = [line.split() for line in file.read_text().splitlines()]
    except OSError:
        return {}
    return {each[0]: int(each[1]) for each in words if len(each) > 1 and each[1].isdecimal()}
