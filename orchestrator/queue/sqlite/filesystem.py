"""File systems on which a queue would not be safe."""

from __future__ import annotations

import os
import re
from pathlib import Path

from orchestrator.core.errors import Unavailable

#: The locks, or the shared memory, of these hold on one machine only, or not at all.
_SHARED = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ncpfs",
        "coda",
        "ceph",
        "lustre",
        "gfs2",
        "ocfs2",
        "glusterfs",
        "davfs",
        "vboxsf",
        "prl_fs",
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse.ceph",
        "fuse.s3fs",
        "fuse.rclone",
        "fuse.gcsfuse",
        "fuse.davfs2",
        "fuse.juicefs",
        "fuse.vmhgfs-fuse",
        "fuse.blobfuse2",
        "fuse.lizardfs",
        "fuse.moosefs",
    ]
)
_MOUNTS = Path("/proc/self/mountinfo")
#: How a space, a tab, a line feed and a backslash stand there.
_ESCAPED = re.compile(r"\\(0\d\d|134)")


def refuse_shared(path: Path) -> None:
    """Refuse a file on a network's file system.

    Raises:
        Unavailable: it is on one.
    """
    try:
        mounts = _MOUNTS.read_text("utf-8", "surrogateescape")
    except OSError:
        return  # no Linux: nobody says what it is
    kind = kind_of(Path(os.path.realpath(path)), mounts)
    if kind in _SHARED:
        raise Unavailable(
            f"{path} is on a network file system ({kind}): locks there cannot be relied on",
            hint="put the queue on a disk of this machine, or use one in Redis (redis://…)",
        )


def kind_of(path: Path, mounts: str) -> str:
    """The kind of file system that holds `path`, by the text of `/proc/self/mountinfo`; "" if none does.

    >>> kind_of(Path("/data/queue.sqlite"), "36 35 0:33 / /data rw - nfs4 host:/export rw")
    'nfs4'
    """
    best, kind = -1, ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:  # noqa: PLR2004
            continue
        point = Path(_ESCAPED.sub(lambda found: chr(int(found[1], 8)), fields[4]))
        # The later one of two at the same place covers the other.
        if (point == path or point in path.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split(" ", 1)[0]
    return kind
