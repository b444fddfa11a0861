"""Whether the holder of a lease still runs: on this machine its name tells its process."""

from __future__ import annotations

import socket

import psutil


def running(worker: str) -> str:
    """The process, number and command, whose name is `HOST.PID` of this machine; "": none that is known.

    The number may be another program's by now.
    """
    host, _, text = worker.rpartition(".")
    if host != socket.gethostname() or not (text.isascii() and text.isdecimal()):
        return ""
    try:
        process = psutil.Process(int(text))
        if process.status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:
            return ""
        command = " ".join(process.cmdline()) or process.name()
    except (psutil.NoSuchProcess, OverflowError, ValueError):
        return ""
    except psutil.AccessDenied:
        command = "of another user"
    return f"process {text} ({command})"
