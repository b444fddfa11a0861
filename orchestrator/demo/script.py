"""The demo: the whole main job, step by step, by the commands that a user types.

Everything happens in a temporary home and on loopback. Whatever ends it, nothing is left running: the
services are stopped, the world ends with its context, and the janitor sees to it if we are killed.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.core.clock import SYSTEM
from orchestrator.core.files import private_folder
from orchestrator.demo import docs, traces
from orchestrator.demo.command import Commands
from orchestrator.demo.interrupts import Interrupted, Interrupts
from orchestrator.demo.janitor import Janitor, leave_nothing
from orchestrator.demo.project import SITE, Project
from orchestrator.demo.scene import Done, Line, Rows, Scene, Step
from orchestrator.demo.upstream import require_addresses
from orchestrator.demo.world import World, require_packages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The whole takes half a minute; a step that takes this long hangs.
STEP_S = 60.0

#: What people may want to look at, below the home.
FILES = {
    "orch.toml": "the configuration",
    "proxies.txt": "the list of candidates, good and bad",
    f"sites/{SITE}.toml": "what is taken from which pages of the site",
    "data/proxies/live_proxies.json": "the proxies that were found to live",
    f"data/sites/{SITE}/results.sqlite": "every page and item, as the service `results` wrote them",
    f"{SITE}.jsonl": "the items, as exported",
    "data/logs/worker.log": "what the worker did; each service has a log there",
    "world/access.log": "what the web server saw, with the address of each request",
}

#: Whose items are shown.
SAMPLES = ("json", "pathlib", "asyncio.queues")


def play(show: Callable[[Scene], None], *, keep: bool = True) -> int:
    """Play the demo; return the exit code.

    Args:
        show: shows one scene.
        keep: whether the files are still there after a demo that went well.

    Raises:
        Unavailable: something that the demo needs is not there.
        OrchError: a step failed; what was written is kept.
    """
    require_packages()
    require_addresses()
    home = Path(tempfile.mkdtemp(prefix="orch-demo-")).resolve()
    with Interrupts() as interrupts, Janitor(home) as janitor:
        try:
            code = Demo(home, show, interrupts.check, keep=keep).play()
        except Interrupted as interrupted:
            code = interrupted.exit_code
            show(Line(f"{interrupted}: ending what was started"))
            leave_nothing(home)
            shutil.rmtree(home, ignore_errors=True)
        except BaseException:
            leave_nothing(home)
            show(Line(f"what was written is still there: {home}"))
            janitor.dismiss()
            raise
        janitor.dismiss()
    return code


class Demo:
    """One run of the demo."""

    def __init__(
        self, home: Path, show: Callable[[Scene], None], check: Callable[[], None], *, keep: bool
    ) -> None:
        self._home = home
        self._show = show
        self._check = check
        self._keep = keep
        self._orch = Commands(home, check)
        self._number = 0
        self._pages = private_folder(home / "pages")
        self._known: list[int] = []

    def play(self) -> int:
        """Play every step."""
        started = SYSTEM.monotonic()
        self._show(Line(f"The main job of orch, all of it on this machine, in {self._home}"))
        with contextlib.ExitStack() as stack:
            self._write_pages()
            world = self._start_world(stack)
            self._run("start Redis, a worker, beat and results", "up", "-d")
            self._known += self._services()
            self._run("find out which proxies are good", "proxies", "refresh")
            self._run("scrape the site through them", "sites", "start", SITE)
            self._results(world)
            self._files()
            self._run("stop the services", "down")
            ports = world.ports
        left = self._proof(ports)
        seconds = SYSTEM.monotonic() - started
        shutil.rmtree(self._home if not self._keep else self._pages, ignore_errors=True)
        kept = f" The files stay until you remove {self._home}" if self._keep else ""
        self._show(Line(f"All of it in {seconds:.1f} s.{kept}"))
        return 1 if left else 0

    def _write_pages(self) -> None:
        with self._step(
            "make a site of real pages: Python's documentation, written by pydoc"
        ) as say:
            scratch = private_folder(self._home / "world")
            written = docs.write(self._pages, scratch, self._check)
            size = sum(page.stat().st_size for page in self._pages.iterdir())
            say(f"{len(written)} pages, {size / 1e6:.1f} MB")

    def _start_world(self, stack: contextlib.ExitStack) -> World:
        with self._step("start a web server for them, a judge and thirteen proxies") as say:
            mark = traces.mark(self._home)
            world = World(self._home / "world", self._pages, self._check, mark)
            stack.enter_context(world)
            good = [upstream for upstream in world.upstreams if upstream.good]
            proxies = [upstream.url for upstream in world.upstreams]
            Project(self._home, world.site_url, world.judge_url, proxies, len(good)).write()
            say(f"{world.site_url} is served")
        self._known += world.pids.values()
        self._show(
            Rows(
                ("proxy", "leaves from", "is"),
                tuple((it.url, it.plan.leave_from or "", it.kind.value) for it in world.upstreams),
            )
        )
        return world

    def _run(self, title: str, *words: str) -> None:
        with self._step(title, f"orch {' '.join(words)}"):
            self._orch.run(*words, timeout=STEP_S)

    def _results(self, world: World) -> None:
        with self._step(
            "look at what came of it", f"orch sites export {SITE} --format jsonl"
        ) as say:
            text = self._orch.output("sites", "export", SITE, "--format", "jsonl", timeout=STEP_S)
            (self._home / f"{SITE}.jsonl").write_text(text, "utf-8")
            items = [json.loads(line) for line in text.splitlines()]
            say(f"{len(items)} items")
        self._show(self._numbers())
        self._show(self._clients(world))
        self._show(Line("Three of the items:"))
        for item in samples(items):
            self._show(Line(json.dumps(item, ensure_ascii=False)))

    def _numbers(self) -> Rows:
        status = self._orch.output("sites", "status", SITE, "--json", timeout=STEP_S)
        names = ("state", "pages_done", "pages_failed", "items", "success_rate")
        row = json.loads(status)[0]
        return Rows(names, (tuple(str(row[name]) for name in names),))

    def _clients(self, world: World) -> Rows:
        """Which addresses the web server saw: those of the proxies, and never our own."""
        seen = world.clients()
        labels = {it.plan.leave_from or "127.0.0.1": it.label for it in world.upstreams}
        rows = [
            (address, labels.get(address, "?"), str(count))
            for address, count in sorted(seen.items())
        ]
        if "127.0.0.1" not in seen:
            rows.append(("127.0.0.1", "(our own)", "0"))
        return Rows(("seen by the site", "proxy", "requests"), tuple(rows))

    def _files(self) -> None:
        with self._step("see where everything is"):
            pass
        files = ((self._home / name, what) for name, what in FILES.items())
        rows = (
            (str(path), f"{path.stat().st_size / 1e3:.0f} kB", what)
            for path, what in files
            if path.exists()
        )
        self._show(Rows(("file", "size", "what it is"), tuple(rows)))

    def _services(self) -> list[int]:
        rows = json.loads(self._orch.output("status", "--json", timeout=STEP_S))["services"]
        return [row["pid"] for row in rows if row["pid"]]

    def _proof(self, ports: dict[str, int]) -> bool:
        """Look for anything that is left; tell whether there is."""
        with self._step("see that nothing is left") as say:
            left = traces.remaining(self._home, self._known)
            still_open = traces.open_ports(ports)
            say(
                f"{len(left)} processes of this demo, {len(still_open)} of its {len(ports)} ports open"
            )
        return bool(left or still_open)

    @contextlib.contextmanager
    def _step(self, title: str, command: str = "") -> Iterator[Callable[[str], None]]:
        """Show the step and how long it took; what is said in it stands beside the time."""
        self._check()
        self._number += 1
        self._show(Step(self._number, title, command))
        started = SYSTEM.monotonic()
        said: list[str] = []
        yield said.append
        self._show(Done(", ".join(said), SYSTEM.monotonic() - started))


def samples(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Three items that most people know, or else the first ones."""
    known = [item for item in items if item.get("module") in SAMPLES]
    others = [item for item in items if item not in known]
    return (known + others)[:3]
