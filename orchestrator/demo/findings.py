"""Short tables of what came of the demo, from the files and answers that a user has too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.demo.project import SITE
from orchestrator.demo.scene import Rows
from orchestrator.demo.upstream import OUR_ADDRESS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from orchestrator.demo.upstream import Upstream

#: What people may want to look at, below the home.
FILES = {
    "orch.toml": "the configuration",
    "proxies.txt": "the list of proxies, good and bad",
    f"sites/{SITE}.toml": "what is taken from which pages",
    "data/proxies/live_proxies.json": "the proxies that are alive",
    f"data/sites/{SITE}/results.sqlite": "every page and item",
    f"{SITE}.jsonl": "the items, as exported",
    "data/logs/worker.log": "a log of each service",
    "world/access.log": "what the web server saw",
}

#: Whose items are shown, and what of them.
SAMPLES = ("json", "heapq", "asyncio.tasks")
FIELDS = ("module", "classes", "functions", "synopsis")

#: What may be used: a proxy that announces itself is anonymous, but does not tell of us.
USABLE = (Kind.HONEST, Kind.ANNOUNCING)

#: Numbers of a job that are shown, with the words for them.
NUMBERS = {
    "state": "state",
    "pages_known": "pages known",
    "pages_done": "done",
    "pages_skipped": "not there (404)",
    "pages_failed": "failed",
    "items": "items",
}


def verdicts(upstreams: Iterable[Upstream], snapshot: Mapping[str, Any]) -> Rows:
    """What each proxy is, and what the refresh found it to be (`live_proxies.json`)."""
    found = {record["url"]: record for record in snapshot["proxies"]}
    rows = []
    for it in upstreams:
        record = found.get(it.url)
        verdict = record["anonymity"] if record else "not live"
        use = "usable" if record and record["usable"] else "not used"
        rows.append((it.url, it.kind.value, verdict, use))
    return Rows(("proxy", "what it is", "found to be", ""), tuple(rows))


def trusted(upstreams: Iterable[Upstream], snapshot: Mapping[str, Any]) -> list[Upstream]:
    """Return the bad proxies that the refresh takes for usable; there should be none."""
    usable = {record["url"] for record in snapshot["proxies"] if record["usable"]}
    return [it for it in upstreams if it.url in usable and it.kind not in USABLE]


def numbers(status: Mapping[str, Any]) -> Rows:
    """How a job ended, from its row of `orch sites status --json`."""
    return Rows(tuple(NUMBERS.values()), (tuple(str(status[name]) for name in NUMBERS),))


def visitors(upstreams: Iterable[Upstream], clients: Mapping[str, int]) -> Rows:
    """Which addresses the web server saw: those of the proxies, and never our own."""
    labels = {it.plan.leave_from: it.label for it in upstreams if it.plan.leave_from}
    labels[OUR_ADDRESS] = "none: our own address"
    rows = [
        (address, label, str(clients.get(address, 0)))
        for address, label in labels.items()
        if address in clients or address == OUR_ADDRESS
    ]
    return Rows(("the site saw", "which is", "requests"), tuple(rows))


def samples(items: Sequence[Mapping[str, Any]]) -> Rows:
    """Three items: of modules that many know, else the first ones."""
    known = [item for item in items if item.get("module") in SAMPLES]
    chosen = (known + [item for item in items if item not in known])[: len(SAMPLES)]
    rows = (tuple(str(item.get(name, "")) for name in FIELDS) for item in chosen)
    return Rows(FIELDS, tuple(rows))


def files(home: Path) -> Rows:
    """Where what was written is, with its size."""
    rows = (
        (name, _size(home / name), what) for name, what in FILES.items() if (home / name).exists()
    )
    return Rows((f"in {home}", "size", "what it is"), tuple(rows))


def _size(path: Path) -> str:
    """The size of a file, with the changes that a database keeps beside it."""
    journal = path.with_name(f"{path.name}-wal")
    size = sum(part.stat().st_size for part in (path, journal) if part.exists())
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"  # noqa: PLR2004
