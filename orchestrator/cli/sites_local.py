"""`orch sites start|resume|retry-failed --local`: crawling without services, followed to the end."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager, suppress
from queue import Empty
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.console import err
from orchestrator.cli.log_file import logged_to
from orchestrator.cli.signals import BY_SIGNAL, ECHO_S, caught
from orchestrator.cli.site_progress import code, shown, tell, told
from orchestrator.core.clock import SYSTEM, Deadline
from orchestrator.core.errors import ConfigError, NotRunning, OrchError, RedisUnavailable
from sites import local
from sites.local.place import LocalPlace, is_run, who
from sites.local.status import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from orchestrator.cli.signals import Inbox
    from orchestrator.facade import Orchestrator
    from sites.local.crawl import LocalCrawl
    from sites.local.run import LocalRun

Local = Annotated[bool, typer.Option("--local", help="Crawl without Redis, workers and services.")]

LOOK_EVERY_S = 0.25
#: Requests have 2 s after a stop, and what came at the last moment is written.
STOP_S = 4.5


def crawl(orch: Orchestrator, sites: Sequence[str], *, wait: bool, changed_only: bool) -> int:
    """Crawl the sites without services; return the exit code. Ctrl+C stops them."""
    need_wait("--no-wait", wait=wait)
    return follow(orch, sites, orch.sites.local.started(sites, changed_only=changed_only))


def go_on(orch: Orchestrator, site: str, *, wait: bool) -> int:
    """Go on with a job without services; return the exit code."""
    need_wait("--no-wait", wait=wait)
    return follow(orch, [site], orch.sites.local.resumed([site]))


def retry(
    orch: Orchestrator,
    site: str,
    classes: Sequence[str],
    *,
    dry_run: bool,
    json: bool,
    wait: bool,
) -> int:
    """Fetch failed pages again; return the exit code."""
    need_wait("--no-wait", wait=wait or dry_run)
    need_wait("--json", wait=dry_run or not json)
    job, failed = orch.sites.local.failed(site, classes)
    counts = Counter(page.kind for page in failed)
    if not told(job, counts, dry_run=dry_run, json=json):
        return 0
    return follow(orch, [site], orch.sites.local.retried(site, classes))


def need_wait(option: str, *, wait: bool) -> None:
    """Refuse not to wait.

    Raises:
        ConfigError: we should not.
    """
    if not wait:
        problem = f"{option}: with --local this command is the one that crawls"
        raise ConfigError((problem,), hint="leave one of them out")


def follow(
    orch: Orchestrator, sites: Sequence[str], held: AbstractContextManager[list[LocalCrawl]]
) -> int:
    """Have a child crawl what is held, and follow that to the end; return the exit code.

    Those of `sites` that another process crawls are only followed.
    """
    home = orch.context.home
    with logged_to(home.log("sites")), held as crawls, caught() as inbox:
        run = local.LocalRun(home, crawls)
        ours = {each.place.site: each.record.ref.id for each in crawls}
        others = [LocalPlace(home, site) for site in sites if site not in ours]
        for site, job in ours.items():
            err.print(f"{site}: job {job}, in process {run.pid}", markup=False)
        for place in others:
            if is_run(place):
                told = f"{place.site}: {who(place)} is crawling it already; that is followed"
                err.print(told, markup=False)
        with shown() as show:
            stopped_by = _Watch(run, others, inbox).to_the_end(lambda: show(rows(home, sites)))
    for site, job in ours.items():
        orch.sites.local.settle(site, job, run.broke, stopped=stopped_by is not None)
    return _told(orch, sites, stopped_by)


class _Watch:
    """Waits for the end of our child, and for the ends of what other processes crawl."""

    def __init__(self, run: LocalRun, others: Sequence[LocalPlace], inbox: Inbox) -> None:
        self._run = run
        self._others = others
        self._inbox = inbox
        self._stopped: tuple[int, float] | None = None
        self._patience: Deadline | None = None

    def to_the_end(self, show: Callable[[], None]) -> int | None:
        """Wait and show; return the signal that ended it, if one did. A second one ends all at once."""
        while not self._over():
            if self._hear():
                continue  # how it stands is written down when it is gone
            with suppress(OrchError):  # a file that cannot be read just now ends nothing
                show()
        return self._stopped and self._stopped[0]

    def _over(self) -> bool:
        if not self._run.wait(LOOK_EVERY_S):
            return False
        if self._stopped or not any(is_run(place) for place in self._others):
            return True
        SYSTEM.sleep(LOOK_EVERY_S)
        return False

    def _hear(self) -> bool:
        """Act on a signal; who has not stopped in time is killed. Tell whether that was done."""
        signalled = None
        with suppress(Empty):
            signalled = self._inbox.get_nowait()
        if signalled and self._stopped is None:
            self._stopped, self._patience = signalled, Deadline.after(STOP_S)
            self._run.stop()
            err.print("stopping; once more ends it at once")
        elif self._stopped and self._patience:
            insists = signalled is not None and signalled[1] - self._stopped[1] >= ECHO_S
            if insists or self._patience.passed:
                self._run.kill()
                return True
        return False


def _told(orch: Orchestrator, sites: Sequence[str], stopped_by: int | None) -> int:
    found = rows(orch.context.home, sites)
    if stopped_by is None:
        tell(found)
        return code([row["state"] for row in found])
    for row in found:
        site, goes_on = row["site"], "goes on in another process"
        if row["state"] == "stopped":
            goes_on = f"stopped; `orch sites resume {site} --local` goes on"
        elif row["finished_at"] is not None:
            goes_on = f"{row['state']}, before it was stopped"
        err.print(f"{site}: {goes_on}", markup=False)
    return BY_SIGNAL + stopped_by


def need_shared(orch: Orchestrator, verb: str, site: str, *, ended: bool = False) -> None:
    """Refuse to let the workers go on with what was crawled with --local, or with `ended` had ended so.

    Raises:
        ConfigError: the newest job of the site was.
    """
    found = rows(orch.context.home, [site])
    left = bool(found) and (found[0]["state"] == "stopped" or found[0]["finished_at"] is None)
    if found and (left or ended) and orch.sites.status([site]) == found:
        problem = f"{site}: its newest job was crawled with --local"
        raise ConfigError((problem,), hint=f"`orch sites {verb} {site} --local` goes on with it")


@contextmanager
def offered(verb: str, sites: Sequence[str]) -> Iterator[None]:
    """Say, where nothing is up, that it goes without."""
    try:
        yield
    except (NotRunning, RedisUnavailable) as error:
        way = f"`orch sites {verb} {' '.join(sites)} --local` crawls without services"
        raise type(error)(
            str(error), hint=f"{error.hint}, or {way}" if error.hint else way
        ) from error
