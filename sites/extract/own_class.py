"""Loading `sites/<name>.py` of the home: the only code of the user's that a site may run.

It is run only if it belongs to whoever runs us and nobody else can write to it, or to its folder: else
anybody on the machine could let us do what he likes.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from orchestrator.core.errors import ConfigError
from sites.scraper import Scraper

if TYPE_CHECKING:
    from sites.definition.definition import Definition

#: A file that holds more than this is no class that somebody wrote, in bytes.
MOST_BYTES = 1_000_000
#: What is told of a failure on a page: it is kept for every page.
LONGEST_CHARS = 300
#: Where a module keeps what it was made of.
_SOURCE = "__orch_source__"


def load(definition: Definition, folder: Path) -> Scraper | None:
    """Return an instance of the class that `python` names; None when the definition names none.

    Every call reads the file anew: a change counts from the next slice of a job on.

    Raises:
        ConfigError: it is not there, not to be trusted, or does not run.
    """
    if definition.python is None:
        return None
    path = folder / f"{definition.name}.py"
    module = _run(path, trusted(path), f"orch_site_{definition.name.replace('-', '_')}")
    found = getattr(module, definition.python, None)
    if not isinstance(found, type) or not issubclass(found, Scraper):
        raise ConfigError(
            (f"{path}: has no class {definition.python} of sites.scraper.Scraper",),
            hint="from sites.scraper import Scraper; class " + f"{definition.python}(Scraper): …",
        )
    try:
        return found()
    except Exception as error:
        raise _told(path, error) from error


def source_of(own: Scraper | None) -> bytes:
    """Return the source that a class was loaded from; nothing for none."""
    module = sys.modules.get(type(own).__module__)
    return bytes(getattr(module, _SOURCE, b"")) if own is not None else b""


def trusted(path: Path) -> bytes:
    """Return the source of a file that nobody but we can have written.

    Raises:
        ConfigError: it is not there, or somebody else may have.
    """
    try:
        with path.open("rb") as file:
            # What was opened is looked at, not what the name may lead to by now.
            facts = os.fstat(file.fileno())
            source = file.read(MOST_BYTES + 1)
        around = path.resolve().parent
        problems = _doubts(path, facts) + _doubts(around, around.stat())
    except OSError as error:
        raise ConfigError((f"{path}: {error.strerror or error}",)) from error
    if not stat.S_ISREG(facts.st_mode) or len(source) > MOST_BYTES:
        problems = [f"{path}: is no file of Python code"]
    if problems:
        raise ConfigError(tuple(problems), hint="its code would be run, so only you may write it")
    return source


def _doubts(path: Path, facts: os.stat_result) -> list[str]:
    found = []
    if facts.st_uid != os.geteuid():
        found.append(f"{path}: belongs to user {facts.st_uid}, and we are {os.geteuid()}: chown it")
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        found.append(f"{path}: may be written by others: chmod go-w {path}")
    return found


def _run(path: Path, source: bytes, name: str) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = str(path)
    setattr(module, _SOURCE, source)
    sys.modules[name] = module  # dataclasses and pickles look there
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 (trusted, see above)
    except Exception as error:  # whatever the user's code does
        raise _told(path, error) from error
    return module


def failure(own: Scraper, error: Exception) -> str:
    """Say what a class of the user's raised, and where in its file."""
    path = str(sys.modules[type(own).__module__].__file__)
    return " ".join(_said(path, Path(path).name, error).split())[:LONGEST_CHARS]


def _told(path: Path, error: Exception) -> ConfigError:
    return ConfigError((_said(str(path), str(path), error),))


def _said(path: str, called: str, error: Exception) -> str:
    """Say what happened, and where in the user's own file."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    where = f"{called}:{line}" if line else called
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{where}: {type(error).__name__}: {said}"
