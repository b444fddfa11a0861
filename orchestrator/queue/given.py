"""What people give as a job, on a command line or in a file: all that is wrong is told at once."""

from __future__ import annotations

import difflib
import functools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from orchestrator.core import duration
from orchestrator.queue.host import host_key
from orchestrator.queue.model import LONGEST_NAME, MAX_PRIORITY, NewJob
from orchestrator.queue.texts import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

FIELDS = ("id", "payload", "key", "host", "priority", "delay")
_KEPT = ("priority", "delay", "key", "host", "payload")
#: Ten years: nobody means a longer one.
LONGEST_DELAY_S = 3650 * 86_400.0

#: Control characters, and halves of surrogate pairs, which no store can keep.
_NO_NAME = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SHOWN = 60


class BadJob(ValueError):
    """What was given is no job; `problems` lists everything that is wrong."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for a job that says nothing else.

    With `host_from_url` its host is that of the `url` in its payload, or of one that is all of it.
    """

    key: str = ""
    host: str = ""
    priority: int = 0
    delay: float = 0.0
    host_from_url: bool = False


PLAIN = Defaults()


def new_job(given: Mapping[str, Any], defaults: Defaults = PLAIN, *, text: bool = False) -> NewJob:
    """Check the fields of one job; in `text`, as from CSV, the payload is JSON text still.

    Without a field `payload` those that are no `FIELDS` are the payload. What neither the fields nor the
    defaults say, a job that is known keeps.

    >>> new_job({"id": "page-7", "url": "https://x.example/7", "delay": "10m"})
    NewJob(id='page-7', payload='{"url": "https://x.example/7"}', priority=0, delay=600.0, key='', host='')
    >>> new_job({"id": "page-7", "priority": 5}, Defaults(key="shop")).keep
    ('delay', 'host', 'payload')

    Raises:
        BadJob: listing everything that is wrong.
    """
    problems: list[str] = []

    def of(field: str, checked: Callable[[Any], Any], default: Any) -> Any:
        value = given.get(field)
        if value is None or value == "":
            return default
        try:
            return checked(value)
        except ValueError as error:
            problems.append(f"{field}: {error}")
            return default

    job_id = of("id", name, "")
    if not job_id and not problems:
        problems.append("id: is missing")
    key, host = of("key", name, defaults.key), of("host", host_name, defaults.host)
    priority = of("priority", _priority, defaults.priority)
    delay = of("delay", _delay, defaults.delay)
    written = ""
    try:
        payload = _payload(given, text=text)
        if defaults.host_from_url and not host:
            host = _host_of_url(payload.get("url") if isinstance(payload, dict) else payload)
        written = json_text("it", payload)
    except ValueError as error:
        problems.append(f"payload: {error}")
    if problems:
        raise BadJob(problems)
    return NewJob(job_id, written, priority, delay, key, host, _kept(given, key, host, text=text))


def name(value: object) -> str:
    """An id or a key.

    Raises:
        ValueError: it cannot be one.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {shown(value)}")  # noqa: TRY004
    if _NO_NAME.search(value):
        raise ValueError(f"control characters and broken letters are not allowed: {shown(value)}")
    if len(value) > LONGEST_NAME // 4 and len(value.encode()) > LONGEST_NAME:
        raise ValueError(f"longer than {LONGEST_NAME} bytes: {shown(value)}")
    return value


def host_name(value: object) -> str:
    """A host, in the spelling that limits count by.

    Raises:
        ValueError: it cannot be one.
    """
    found = _normal(name(value))
    if not found:
        raise ValueError(f"{shown(value)} is no host")
    return found


def parsed(text: str) -> Any:
    """A JSON value.

    Raises:
        ValueError: it is none, and where it stops being one.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"this is not JSON: {error.msg} (character {error.pos + 1})") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits, or no number in JSON
        raise ValueError(str(error).partition(";")[0]) from None


def shown(value: object) -> str:
    """A value as a message quotes it: short, and without harm."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def unknown(field: str) -> str:
    """Say that there is no such field, and which one may be meant."""
    close = difflib.get_close_matches(field, FIELDS, n=1)
    return f"no such field: {shown(field)}" + (f" (did you mean {close[0]}?)" if close else "")


@functools.lru_cache(10_000)
def _normal(host: str) -> str:
    return host_key(host)


def _host_of_url(url: object) -> str:
    return host_key(url) if isinstance(url, str) and "://" in url else ""


def _priority(value: object) -> int:
    allowed = f"must be a whole number from {-MAX_PRIORITY} to {MAX_PRIORITY}"
    try:
        number = int(value) if isinstance(value, int | str) else None
    except ValueError:
        number = None
    if number is None or isinstance(value, bool) or abs(number) > MAX_PRIORITY:
        raise ValueError(f"{allowed}, not {shown(value)}")
    return number


def _delay(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a length of time like 30s, 10m, 6h or 1h30m")  # noqa: TRY004
    seconds = duration.parse(value)
    if not seconds <= LONGEST_DELAY_S:
        raise ValueError(f"must be at most {LONGEST_DELAY_S / 86_400:g} days, not {shown(value)}")
    return seconds


def _kept(given: Mapping[str, Any], key: str, host: str, *, text: bool) -> tuple[str, ...]:
    """What is said of neither this job nor all of them; an empty cell of a table says nothing."""
    said = {name for name in given if given[name] is not None and not (text and given[name] == "")}
    said |= {name for name, found in (("key", key), ("host", host)) if found}
    if ("payload" in given and not text) or not said.issubset(FIELDS):
        said.add("payload")
    return tuple(name for name in _KEPT if name not in said)


def _payload(given: Mapping[str, Any], *, text: bool) -> Any:
    more = [field for field in given if field not in FIELDS]
    if "payload" not in given:
        return {field: given[field] for field in more}
    if more:
        raise ValueError(f"stands beside what is no field: {'; '.join(map(unknown, more))}")
    value = given["payload"]
    if text:
        return parsed(value) if value else {}
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_number)
