"""Other supervisors, each keeping the same Redis with the same arguments, in a folder of its own.

They are looked for on PATH and in the folders of `$BENCH_PATH`. Each is started here, and ended
here by its pid, with its Redis.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.meters import alive, server_pid, until_answer

SEARCHED = os.pathsep.join([os.environ.get("BENCH_PATH", ""), os.environ.get("PATH", "")])


@dataclass(slots=True)
class Peer:
    """A supervisor that runs; `client` asks it for the state of its services."""

    name: str
    pid: int
    socket: Path
    client: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """How to run one: `prepare` writes its files into the folder and returns its command."""

    name: str
    program: str
    prepare: Callable[[Path, str], list[str]]
    client: Callable[[Path], tuple[str, ...]] = lambda _: ()


def find(program: str) -> str | None:
    return shutil.which(program, path=SEARCHED)


def redis_command(ours: tuple[str, ...], folder: Path) -> list[str]:
    """The command that we run Redis with, its socket and data in another folder."""
    words = list(ours)
    for option, value in (("--unixsocket", folder / "redis.sock"), ("--dir", folder)):
        words[words.index(option) + 1] = str(value)
    return words


@contextlib.contextmanager
def running(kind: Kind, redis: tuple[str, ...]) -> Iterator[Peer]:
    """Start it and wait for its Redis; both end with the block."""
    with tempfile.TemporaryDirectory(prefix=f"{kind.name}-") as name:
        folder, path = Path(name), Path(name) / "redis.sock"
        command = shlex.join(redis_command(redis, folder))
        words = kind.prepare(folder, f"{command} >>{folder}/redis.log 2>&1")
        with (folder / "out").open("ab") as log:
            daemon = subprocess.Popen(
                [str(find(kind.program)), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            until_answer(path)
            yield Peer(kind.name, daemon.pid, path, kind.client(folder))
        finally:
            _end(daemon, path)


def _end(daemon: subprocess.Popen[bytes], path: Path) -> None:
    """The supervisor first, so that it does not start what is ended after it."""
    server = 0
    with contextlib.suppress(OSError):
        server = server_pid(path)
    daemon.terminate()
    try:
        daemon.wait(10)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
    if server and alive(server):
        os.kill(server, signal.SIGKILL)


def _script(path: Path, command: str) -> None:
    path.write_text(f"#!/bin/sh\nexec {command}\n")
    path.chmod(0o755)


def _runit(folder: Path, command: str) -> list[str]:
    _script(folder / "run", command)
    return [str(folder)]


def _supervisord(folder: Path, command: str) -> list[str]:
    _script(folder / "run", command)
    (folder / "conf").write_text(
        f"[supervisord]\nnodaemon=true\nlogfile={folder}/supervisord.log\n"
        f"pidfile={folder}/pid\nchildlogdir={folder}\n"
        f"[unix_http_server]\nfile={folder}/ctl.sock\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
        f"[supervisorctl]\nserverurl=unix://{folder}/ctl.sock\n"
        f"[program:redis]\ncommand={folder}/run\nautorestart=true\n"
    )
    return ["-c", str(folder / "conf")]


def _circusd(folder: Path, command: str) -> list[str]:
    _script(folder / "run", command)
    (folder / "conf").write_text(
        f"[circus]\nendpoint=ipc://{folder}/ctl.sock\npubsub_endpoint=ipc://{folder}/pub.sock\n"
        f"[watcher:redis]\ncmd={folder}/run\ncopy_env=true\n"
    )
    return [str(folder / "conf")]


def _monit(folder: Path, command: str) -> list[str]:
    """It starts what puts itself into the background, and finds it by a pid file."""
    start, stop, conf = folder / "start", folder / "stop", folder / "conf"
    start.write_text(f"#!/bin/sh\n{command} &\necho $! >{folder}/pid\n")
    stop.write_text(f"#!/bin/sh\nkill -9 $(cat {folder}/pid)\n")
    for script in (start, stop):
        script.chmod(0o755)
    conf.write_text(
        f"set daemon 1\nset pidfile {folder}/monit.pid\nset idfile {folder}/id\n"
        f"set statefile {folder}/state\nset httpd unixsocket {folder}/ctl.sock\n  allow admin:monit\n"
        f"check process redis with pidfile {folder}/pid\n"
        f'  start program = "{start}" with timeout 2 seconds\n  stop program = "{stop}"\n'
        f"  if failed unixsocket {folder}/redis.sock protocol redis with timeout 1 second\n"
        "  then restart\n"
    )
    conf.chmod(0o600)
    return ["-I", "-c", str(conf)]


RUNIT = Kind("runit", "runsv", _runit)
S6 = Kind("s6", "s6-supervise", _runit)
SUPERVISORD = Kind(
    "supervisord",
    "supervisord",
    _supervisord,
    lambda folder: (str(find("supervisorctl")), "-c", str(folder / "conf"), "status"),
)
CIRCUS = Kind(
    "circus",
    "circusd",
    _circusd,
    lambda folder: (str(find("circusctl")), "--endpoint", f"ipc://{folder}/ctl.sock", "status"),
)
MONIT = Kind(
    "monit",
    "monit",
    _monit,
    lambda folder: (str(find("monit")), "-c", str(folder / "conf"), "status"),
)
KINDS = (RUNIT, S6, SUPERVISORD, CIRCUS, MONIT)


def present() -> dict[str, Kind]:
    return {kind.name: kind for kind in KINDS if find(kind.program)}


def absent() -> list[str]:
    return [kind.name for kind in KINDS if not find(kind.program)]
