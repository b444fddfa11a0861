"""`fetch`: download the URL of the payload to `data/downloads/`, by the hash of the content.

An attempt that was cut off, also by kill -9, is gone on with, where the server proves that the content
is still the same. A file is there whole or not at all. Its length is held against what the server
announced; what has neither length nor chunks ends where the server hangs up, and nobody can tell.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from orchestrator.core.clock import Deadline
from orchestrator.core.errors import ConfigError, OrchError
from orchestrator.pipelines import address
from orchestrator.pipelines.download import Download
from orchestrator.pipelines.line import SHARED, CalledOff, Patience, Trouble
from orchestrator.pipelines.partial import Partial, tidy
from orchestrator.pipelines.payload import Order, Timeout, ordered
from orchestrator.pipelines.politeness import Politeness
from orchestrator.queue.pipeline import Failure, Outcome, Retry

if TYPE_CHECKING:
    from pathlib import Path

    from yarl import URL

    from orchestrator.queue.pipeline import Task

FOLDER = "downloads"
#: For one attempt, waits for politeness not counted.
TIMEOUT_S = 600.0
MOST_MB = 1024.0

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
#: These say how the body comes, which is not the payload's to say.
_NOT_THEIRS = frozenset({"range", "if-range", "content-length", "transfer-encoding", "connection"})

POLITENESS = Politeness()


def _url(text: str) -> str:
    address.parse(text)
    return text


def _headers(given: dict[str, str]) -> dict[str, str]:
    for name, value in given.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name[:40]!r} is no name of a header")
        if name.lower() in _NOT_THEIRS:
            raise ValueError(f"{name} cannot be set here")
        if not value.isprintable() or not value.isascii():
            raise ValueError(f"the value of {name} must be printable ASCII")
    return given


class FetchOrder(Order):
    """`{"url": …, "headers": {…}, "max_mb": 1024, "timeout": "10m", "rate": 2}`.

    `rate` is how many requests a second the host may get, from the next one of this process on.
    """

    url: Annotated[str, AfterValidator(_url)]
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field(default_factory=dict)
    max_mb: Annotated[float, Field(gt=0, le=1_000_000)] = MOST_MB
    timeout: Timeout = TIMEOUT_S
    rate: Annotated[float, Field(gt=0, le=1000)] | None = None

    @property
    def digest(self) -> str:
        """What tells a download from others: it is not the same with other headers."""
        text = json.dumps([self.url, sorted(self.headers.items())])
        return hashlib.sha256(text.encode()).hexdigest()


def fetch(task: Task) -> Outcome:
    """Download it. What may work later is a `Retry`, other 3xx and 4xx a `Failure`.

    Result: `path`, `sha256`, `bytes`, `status`, `content_type`, `url` (the last, without user and
    password), and `content_encoding` when the server packed the bytes, which are kept as they came.
    """
    try:
        order = ordered(task, FetchOrder, short="url")
    except ConfigError as error:
        return Failure("; ".join(error.problems))
    downloads = task.folder.absolute() / FOLDER
    _tidy_once(downloads)
    url = address.parse(order.url)
    if not POLITENESS.wait(url, order.rate, task.over, task.shared):
        return Retry("called off")
    try:
        with Partial(downloads, task.id, order.digest, task.over) as partial:
            return _download(task, order, url, partial)
    except OrchError as error:
        return Retry(str(error))


def _download(task: Task, order: FetchOrder, url: URL, partial: Partial) -> Outcome:
    asked = False

    def polite(host: URL) -> bool:
        nonlocal asked
        first, asked = not asked, True
        return first or POLITENESS.wait(host, None, task.over, task.shared)

    patience = Patience(Deadline.after(order.timeout), task.over)
    most = int(order.max_mb * 1_000_000)
    download = Download(
        SHARED.get(), partial, patience, order=order.digest, most=most, polite=polite
    )
    try:
        outcome = download.run(url, order.headers)
    except CalledOff:
        return Retry("called off")
    except Trouble as trouble:
        late = f"not whole within {order.timeout:g} s" if patience.deadline.passed else str(trouble)
        return Retry(f"{late}; {partial.progress}")
    except ValueError:  # a user and password beside a header that says the same
        outcome = Failure("these headers cannot be sent with this URL")
    if isinstance(outcome, Failure):
        partial.drop()
    return outcome


@functools.cache
def _tidy_once(downloads: Path) -> None:
    tidy(downloads)
