"""`exec`: a job is a command, with the payload on its stdin; its exit code says what came of it."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from orchestrator.core import child, which
from orchestrator.core.child import Bounds, Command, Ended, Why
from orchestrator.core.errors import ConfigError
from orchestrator.pipelines.payload import Order, Timeout, ordered
from orchestrator.queue.pipeline import Done, Failure, Outcome, Retry, Skip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.queue.pipeline import Pipeline, Task

TIMEOUT_S = 3600.0
#: Bytes of stdout that are kept when it is JSON, and when it is text.
MOST_JSON = 1024 * 1024
MOST_TEXT = 64 * 1024
#: Bytes of stderr in the reason of a failure.
MOST_STDERR = 2048

#: What a command says by its exit code (sysexits.h).
RETRY = os.EX_TEMPFAIL
SKIP = os.EX_DATAERR

#: Who sends these ends the machine, the service or the terminal; it is not the command's fault.
_FROM_OUTSIDE = frozenset({signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP})
#: It will not start the next time either.
_HOPELESS = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.E2BIG}
)
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _words(value: object) -> object:
    """A string is split as a shell would do it; no shell runs it."""
    return shlex.split(value) if isinstance(value, str) else value


def _program_first(words: list[str]) -> list[str]:
    if not words or not words[0]:
        raise ValueError('must name a program, like ["prog", "argument"]')
    return words


Words = Annotated[list[str], BeforeValidator(_words), AfterValidator(_program_first)]


class ExecOrder(Order):
    """`{"command": ["prog", "arg"], "timeout": "10m", "cwd": "folder", "env": {"NAME": "value"}}`."""

    command: Words
    timeout: Timeout = TIMEOUT_S
    cwd: str | None = None
    env: dict[str, str] = Field(default_factory=dict)


def run_command(task: Task) -> Outcome:
    """Run the command that the payload names; the whole payload is on its stdin."""
    try:
        order = ordered(task, ExecOrder)
        command = _command(order.command, order.cwd, order.env)
    except ConfigError as error:
        return Failure("; ".join(error.problems))
    return _run(task, command, order.timeout)


def exec_with(
    command: str | Sequence[str],
    *,
    timeout: float = TIMEOUT_S,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Pipeline:
    """Make a pipeline that runs one command for every job; a payload cannot change which.

    A string is split as a shell would do it, but no shell runs it.

    Raises:
        ConfigError: there is no such program or folder, or the string has an open quote.
    """
    try:
        words = _program_first(list(shlex.split(command) if isinstance(command, str) else command))
    except ValueError as error:
        raise ConfigError((f"command: {error}",)) from None
    _command(words, cwd, env or {})

    def run_it(task: Task) -> Outcome:
        try:
            found = _command(words, cwd, env or {})
        except ConfigError as error:  # it was there when we began: somebody replaces it just now
            return Retry("; ".join(error.problems))
        return _run(task, found, timeout)

    return run_it


def _command(words: Sequence[str], cwd: str | None, env: Mapping[str, str]) -> Command:
    if cwd is not None and not Path(cwd).is_dir():
        raise ConfigError((f"cwd: {cwd} is no folder",))
    try:
        program = which.find(words[0], Path(cwd or ".").absolute(), env.get("PATH"))
    except ValueError as error:
        raise ConfigError((f"command: {error}",)) from None
    return Command(program, words, cwd, env)


def _run(task: Task, command: Command, timeout: float) -> Outcome:
    told = {"ORCH_JOB_ID": task.id, "ORCH_JOB_ATTEMPT": str(task.lease.attempt)}
    command = Command(command.program, command.words, command.cwd, {**told, **command.env})
    bounds = Bounds(timeout, out=MOST_JSON, err=MOST_STDERR)
    try:
        feed = task.lease.payload.encode() + b"\n"
        ended = child.run(command, bounds, feed=feed, over=task.over)
    except ValueError as error:
        return Failure(f"{command.words[0]}: cannot be started: {error}")
    except OSError as error:
        reason = f"{error.filename or command.words[0]}: cannot be started: {error.strerror}"
        return Failure(reason) if error.errno in _HOPELESS else Retry(reason)
    return judge(ended, timeout)


def judge(ended: Ended, timeout: float) -> Outcome:
    """Say what came of a job whose command ended so: 0 done, 75 retry, 65 skip, else error."""
    stderr = _COLOURS.sub("", ended.err.decode("utf-8", "replace")).strip()
    if ended.why is Why.CALLED_OFF:
        return Retry(_reason("called off", stderr))
    if ended.why is Why.TIMEOUT:
        return Retry(_reason(f"not ended within {timeout:g} s", stderr))
    if ended.code < 0:
        reason = _reason(f"ended by {_name(-ended.code)}", stderr)
        return Retry(reason) if -ended.code in _FROM_OUTSIDE else Failure(reason)
    if ended.code == 0:
        return Done(result_of(ended.out, ended.said))
    return _refused(ended.code, stderr)


def _refused(code: int, stderr: str) -> Outcome:
    reason = _reason(f"exit code {code}", stderr)
    if code == RETRY:
        return Retry(reason)
    return Skip(stderr or reason) if code == SKIP else Failure(reason)


def result_of(out: bytes, said: int) -> Any:
    r"""Make a result of what a command wrote: JSON if it is that, else text; None for nothing.

    >>> result_of(b'{"a": 1}\n', 9), result_of(b"fine\n", 5), result_of(b"", 0)
    ({'a': 1}, 'fine', None)
    """
    if said == len(out):
        try:
            found = json.loads(out, parse_constant=_no_json)
            # Half a surrogate pair cannot be kept, and 1e999 is read as infinite.
            json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError):
            pass
        else:
            return found
    text = out[:MOST_TEXT].decode("utf-8", "replace")
    cut = f"\n[the first {MOST_TEXT} of {said} bytes]" if said > MOST_TEXT else ""
    return text.rstrip("\n") + cut or None


def _no_json(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _reason(what: str, stderr: str) -> str:
    return f"{what}: {stderr}" if stderr else what


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
