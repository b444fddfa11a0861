"""What is wrong, and how to mend it: one finding for each thing that has to be right."""

from __future__ import annotations

import resource
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from celery import __version__ as celery_version

from orchestrator.core import config
from orchestrator.core.built_in import BUILT_IN
from orchestrator.core.clock import Deadline
from orchestrator.core.errors import NotRunning, OrchError
from orchestrator.core.redis import RedisError, connect
from orchestrator.supervise import redis_binary
from orchestrator.supervise.control import ask
from orchestrator.supervise.state import StateFile
from sites.results.aside import aside_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.core.config import Config
    from orchestrator.core.home import Home

#: Below this AOF, results and logs will soon have no room, in bytes.
LITTLE_DISK = 500_000_000
#: A check keeps hundreds of connections open at once.
ENOUGH_FILES = 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `mend` says what to do when it is not `ok`."""

    what: str
    ok: bool
    told: str
    mend: str = ""


def examine(home: Home, overrides: Mapping[str, str]) -> list[Finding]:
    """Look at everything; what cannot be looked at is a finding too, never an exception."""
    looks: dict[str, Callable[[], Finding]] = {
        "disk": lambda: _room(home),
        "open files": _files,
        "celery": _celery,
        "supervisor": lambda: _supervisor(home),
        "results": lambda: _results(home),
    }
    try:
        loaded = config.load(home, overrides)
    except OrchError as error:
        read = _wrong("configuration", error)
    else:
        read = _looked("configuration", lambda: _configuration(loaded))
        looks["redis server"] = lambda: _server(loaded)
        looks["redis"] = lambda: _redis(loaded)
    return [_python(), read, *(_looked(what, look) for what, look in looks.items())]


def _looked(what: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except OrchError as error:
        return _wrong(what, error)


def _wrong(what: str, error: OrchError) -> Finding:
    return Finding(what, ok=False, told=str(error), mend=error.hint)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("python", ok=True, told=version)


def _configuration(loaded: Config) -> Finding:
    loaded.require_commands()
    home = loaded.home
    told = str(home.config_file) if home.config_file.exists() else "all defaults"
    more = {*loaded.settings.worker.named, *loaded.settings.service} - {*BUILT_IN}
    besides = f"; besides orch's own services: {', '.join(sorted(more))}" if more else ""
    return Finding("configuration", ok=True, told=told + besides)


def _server(loaded: Config) -> Finding:
    if not loaded.redis_is_local:
        return Finding("redis server", ok=True, told="on another machine, not ours to start")
    try:
        chosen = redis_binary.choose(loaded.home, loaded.settings.redis.binary, keep=False)
    except OrchError as error:
        return Finding("redis server", ok=False, told=str(error), mend=error.hint)
    return Finding("redis server", ok=True, told=str(chosen))


def _room(home: Home) -> Finding:
    free = shutil.disk_usage(home.path).free
    told = f"{free / 1e9:.1f} GB free"
    return Finding(
        "disk", free > LITTLE_DISK, told, "free some space: AOF, results and logs need it"
    )


def _files() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    mend = f"raise it before `orch up`: ulimit -n {4 * ENOUGH_FILES}"
    return Finding("open files", soft >= ENOUGH_FILES, f"{soft} allowed", mend)


def _celery() -> Finding:
    # 5.7.0 ends its own worker when Redis restarts while a message is unacknowledged.
    fine = celery_version.startswith("5.6.")
    return Finding("celery", fine, celery_version, "install orch again: it wants celery 5.6")


def _results(home: Home) -> Finding:
    path = aside_file(home)
    if not path.exists():
        return Finding("results", ok=True, told="all could be read")
    told = f"some could not be read, and were set aside: {path}"
    return Finding("results", ok=False, told=told, mend="look at why (`why`), then delete the file")


def _supervisor(home: Home) -> Finding:
    try:
        status = ask(home.socket("control.sock"), {"do": "status"}, Deadline.after(5.0))
    except NotRunning:
        left = StateFile(home.run / "state.json").read()
        told = f"gone, but left running: {', '.join(left)}" if left else "not running"
        return Finding(
            "supervisor", not left, told, "`orch up` adopts them, `orch down` stops them"
        )
    bad = [row["name"] for row in status["services"] if row["state"] in {"failed", "unhealthy"}]
    told = f"running (pid {status['supervisor']['pid']})" + (
        f", failed: {', '.join(bad)}" if bad else ""
    )
    return Finding(
        "supervisor", not bad, told, "`orch logs SERVICE` says why; `orch restart SERVICE`"
    )


def _redis(loaded: Config) -> Finding:
    """A PING proves little: a full or read-only server answers it too, so a write is tried."""
    try:
        client = connect(loaded.redis_url)
        client.set(loaded.keys.lease("doctor"), "1", ex=1)
    except OrchError:
        return Finding("redis", ok=True, told="not running")
    except RedisError as error:
        return Finding(
            "redis", ok=False, told=f"does not take writes: {error}", mend="free memory or disk"
        )
    return Finding("redis", ok=True, told="answers, and takes writes")
