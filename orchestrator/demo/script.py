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
from typing import TYPE_CHECKING

from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import OrchError
from orchestrator.core.files import private_folder
from orchestrator.core.home import Home
from orchestrator.demo import docs, findings, traces
from orchestrator.demo.command import Commands
from orchestrator.demo.interrupts import Interrupted, Interrupts
from orchestrator.demo.janitor import Janitor, leave_nothing
from orchestrator.demo.project import SITE, Project
from orchestrator.demo.scene import Done, Line, Scene, Step
from orchestrator.demo.upstream import OUR_ADDRESS, require_addresses
from orchestrator.demo.world import World, require_packages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The whole takes half a minute; a step that takes this long hangs.
STEP_S = 60.0


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
    with Interrupts() as interrupts:
        home = Path(tempfile.mkdtemp(prefix="orch-demo-")).resolve()
        with Janitor(home) as janitor:
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
            self._refresh(world)
            self._scrape(world)
            self._export()
            self._files()
            self._run("stop the services", "down")
            ports = world.ports
        left = self._proof(ports)
        if left:
            leave_nothing(self._home)
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
        with self._step("start a web server for them, a judge, and good and bad proxies") as say:
            mark = traces.mark(self._home)
            world = World(self._home / "world", self._pages, self._check, mark)
            stack.enter_context(world)
            self._known += world.pids.values()
            good = sum(upstream.good for upstream in world.upstreams)
            say(f"{world.site_url}, {good} good proxies, {len(world.upstreams) - good} bad ones")
        proxies = [upstream.url for upstream in world.upstreams]
        Project(self._home, world.site_url, world.judge_url, proxies, good).write()
        return world

    def _run(self, title: str, *words: str) -> None:
        with self._step(title, f"orch {' '.join(words)}"):
            self._orch.run(*words, timeout=STEP_S)

    def _refresh(self, world: World) -> None:
        self._run("find out which proxies are good", "proxies", "refresh")
        snapshot = json.loads(Home(self._home).live_proxies.read_text("utf-8"))
        self._show(findings.verdicts(world.upstreams, snapshot))
        if wrong := findings.trusted(world.upstreams, snapshot):
            raise OrchError(f"the refresh trusts {', '.join(it.label for it in wrong)}")

    def _scrape(self, world: World) -> None:
        self._run("scrape the site through them", "sites", "start", SITE)
        status = self._orch.output("sites", "status", SITE, "--json", timeout=STEP_S)
        self._show(findings.numbers(json.loads(status)[0]))
        seen = world.clients()
        self._show(findings.visitors(world.upstreams, seen))
        if OUR_ADDRESS in seen:
            raise OrchError("the site was asked from our own address, past the proxies")

    def _export(self) -> None:
        name = f"{SITE}.jsonl"
        self._run("take the items out; three of them", "sites", "export", SITE, "--output", name)
        lines = (self._home / name).read_text("utf-8").splitlines()
        self._show(findings.samples([json.loads(line) for line in lines]))

    def _files(self) -> None:
        self._begin("see where everything is")
        self._show(findings.files(self._home))

    def _services(self) -> list[int]:
        rows = json.loads(self._orch.output("status", "--json", timeout=STEP_S))["services"]
        return [row["pid"] for row in rows if row["pid"]]

    def _proof(self, ports: dict[str, int]) -> bool:
        """Look for anything that is left; tell whether there is."""
        with self._step("see that nothing is left") as say:
            left = traces.remaining(self._home, self._known)
            still_open = traces.open_ports(ports)
            say(
                f"processes of this demo: {len(left)}, open ports of {len(ports)}: {len(still_open)}"
            )
        for label, number in [("process", pid) for pid in left] + list(still_open.items()):
            self._show(Line(f"   left: {label} {number}"))
        return bool(left or still_open)

    @contextlib.contextmanager
    def _step(self, title: str, command: str = "") -> Iterator[Callable[[str], None]]:
        """Show the step and how long it took; what is said in it stands beside the time."""
        self._begin(title, command)
        started = SYSTEM.monotonic()
        said: list[str] = []
        yield said.append
        self._show(Done(", ".join(said), SYSTEM.monotonic() - started))

    def _begin(self, title: str, command: str = "") -> None:
        self._check()
        self._number += 1
        self._show(Step(self._number, title, command))
