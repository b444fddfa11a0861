"""`make bench-supervise`: our supervisor beside others, in rounds that take turns.

A slow moment of the machine hits all of them; medians are quoted. `python -m tests.bench.supervise
PART…` does only these parts, and writes nothing.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.bench import kept, meters, peers
from tests.bench.bare import Bare
from tests.bench.kept import Ours
from tests.bench.meters import timed_ms
from tests.bench.table import Parts, Row, measure, median, medians, spread

#: runit and s6 wait for the rest of a second when what they keep lived for less.
SETTLED_S = 1.5
IDLE_S = 60.0
STOP_S = 0.2
#: How soon a worker ends depends on how long it has been there.
WORKED_S = 1.0
HUNG_WITHIN_S = 30.0
BARE_PYTHON = [sys.executable, "-c", "pass"]
ORCH = str(Path(sys.executable).with_name("orch"))
Samples = defaultdict[str, list[float]]


def revival(rounds: int = 15) -> list[Row]:
    """kill -9 of Redis until PING is answered, by a client that asks without any pause."""
    took: Samples = defaultdict(list)
    with contextlib.ExitStack() as stack:
        alone, whole = stack.enter_context(kept.up("redis")), stack.enter_context(kept.up())
        command = alone.specs["redis"].command
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bare-")))
        others = stack.enter_context(kept.all_peers(alone.specs["redis"]))
        sockets = {"ours": alone.socket, "whole": whole.socket}
        sockets |= {peer.name: peer.socket for peer in others}
        for _ in range(rounds):
            took["bare"].append(_exec_until_answer_ms(command, folder))
            for home in (alone, whole):  # a fresh start: its deaths are not added up
                home.orch("restart", "redis")
            time.sleep(SETTLED_S)
            for name in random.sample(list(sockets), len(sockets)):
                took[name].append(meters.kill_until_answer_ms(sockets[name]))
    ours, whole_ms = took.pop("ours"), took.pop("whole")
    note = f"bare: exec to PING without a supervisor; {spread(ours)}"
    rows = [Row("kill -9 redis to PING", "ms", median(ours), medians(took), 22, note)]
    if "runit" in took:
        ratio = round(median(ours) / median(took["runit"]), 2)
        rows.append(Row("kill -9 redis to PING, over runit's", "ratio", ratio, {}, 1.5))
    note = f"beside worker, beat and results, who reconnect; {spread(whole_ms)}"
    return [*rows, Row("the same with all services up", "ms", median(whole_ms), {}, None, note)]


def _exec_until_answer_ms(ours: tuple[str, ...], folder: Path) -> float:
    """Twice in the same folder: the first one only makes the files that the others find there."""
    took = 0.0
    for _ in range(2):
        words = peers.redis_command(ours, folder)
        began = time.perf_counter()
        server = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        meters.until_answer(folder / "redis.sock")
        took = 1000 * (time.perf_counter() - began)
        server.kill()
        server.wait()
    return took


def start_and_stop(rounds: int = 9) -> list[Row]:
    """`up` and Ctrl+C, over what the same services take in a plain loop."""
    took: Samples = defaultdict(list)
    with kept.up() as ours:
        bare, orch = Bare(list(ours.specs.values()), ours.orch.environment), ours.orch
        orch("down")
        for _ in range(rounds):
            took["bare up"].append(timed_ms(bare.start))
            time.sleep(WORKED_S)
            took["bare stop"].append(timed_ms(bare.stop))
            took["up"].append(timed_ms(orch.up))
            time.sleep(WORKED_S)
            took["down"].append(timed_ms(lambda: orch("down")))
            took["ctrl+c"].append(_interrupt_ms(ours))

    def row(measure: str, what: str, own: str, goal: float | None) -> Row:
        over = median(took[what], 0) - median(took[f"bare {own}"], 0)
        note = f"of {spread(took[what])}; in a plain loop {spread(took[f'bare {own}'])}"
        return Row(measure, "ms", over, {}, goal, note)

    return [
        row("orch up -d until all ready, over bare start", "up", "up", 150),
        row("Ctrl+C until all ended, over bare stop", "ctrl+c", "stop", 100),
        row("orch down, over bare stop", "down", "stop", None),
    ]


def ordered_stop(rounds: int = 9) -> list[Row]:
    """Ctrl+C with services whose own stop takes an exact time, and who leave a child behind."""
    stop = f"trap 'sleep {STOP_S}; exit 0' TERM; sleep 3600 & wait"
    names = ["one", "two", "three", "four"]
    toml = "".join(
        f'[service.{name}]\ncommand = ["sh", "-c", "{stop}"]\nneeds = {names[:i][-1:]}\n'
        'ready = { after = "100ms" }\n'
        for i, name in enumerate(names)
    )
    with kept.up(*names, toml=toml) as ours:
        ours.orch("down")
        took = [_interrupt_ms(ours, *names) for _ in range(rounds)]
    over = [value - 1000 * STOP_S * len(names) for value in took]
    note = f"four services, one after the other, {1000 * STOP_S:g} ms each; {spread(over)}"
    return [Row("Ctrl+C, over stops of an exact length", "ms", median(over), {}, 100, note)]


def _interrupt_ms(ours: Ours, *names: str) -> float:
    child = ours.orch.popen("up", *names, stdout=subprocess.DEVNULL)
    while not _all_ready(ours):
        time.sleep(0.05)
    time.sleep(WORKED_S)
    os.kill(child.pid, signal.SIGINT)
    return timed_ms(child.wait)


def _all_ready(ours: Ours) -> bool:
    rows = ours.orch.status()["services"]
    wanted = [row for row in rows if row["name"] in ours.specs]
    return bool(wanted) and all(row["state"] == "ready" for row in wanted)


def typing(rounds: int = 21) -> list[Row]:
    """What is typed most, over Python's own start."""
    with kept.up() as ours, kept.all_peers(ours.specs["redis"]) as others:
        commands = {"python": BARE_PYTHON, "up": [ORCH, "up"], "json": [ORCH, "status", "--json"]}
        commands |= {peer.name: list(peer.client) for peer in others if peer.client}
        took: Samples = defaultdict(list)
        for _ in range(rounds):
            for name, command in commands.items():
                took[name].append(timed_ms(lambda words=command: _run(ours, words)))
    bare = median(took.pop("python"))
    over = {name: round(value - bare, 1) for name, value in medians(took).items()}
    up, status = over.pop("up"), over.pop("json")
    note = f"Python's own start: {bare} ms"
    return [
        Row("second orch up, over bare Python", "ms", up, {}, 60, note),
        Row("orch status --json, over bare Python", "ms", status, over, 35, note),
    ]


def _run(ours: Ours, words: list[str]) -> None:
    subprocess.run(
        words, cwd=ours.orch.home, env=ours.orch.environment, capture_output=True, check=True
    )


def idle() -> list[Row]:
    """All at rest, at the same time: processor, wake-ups and memory of the supervisors alone."""
    with kept.up() as ours, kept.all_peers(ours.specs["redis"]) as others:
        pids = {"ours": ours.daemon} | {peer.name: peer.pid for peer in others}
        time.sleep(5)
        before = {name: (meters.cpu_ms(pid), meters.wakeups(pid)) for name, pid in pids.items()}
        time.sleep(IDLE_S)
        cpu, woken = {}, {}
        for name, pid in pids.items():
            cpu[name] = round((meters.cpu_ms(pid) - before[name][0]) * 60 / IDLE_S, 1)
            woken[name] = round((meters.wakeups(pid) - before[name][1]) / IDLE_S, 2)
        memory = {name: round(meters.pss_mb(pid), 1) for name, pid in pids.items()}
        own = round(meters.private_mb(pids["ours"]), 1)
    note = "ours keeps and probes four services, the others one; runit and s6 need one each"
    return [
        Row("idle processor time", "ms/min", cpu.pop("ours"), cpu, 40, note),
        Row("idle wake-ups", "1/s", woken.pop("ours"), woken, 3, note),
        Row(
            "memory (PSS)", "MB", memory.pop("ours"), memory, 12, f"{own} MB of it its own; {note}"
        ),
    ]


def hung(rounds: int = 5) -> list[Row]:
    """A Redis that is stopped (SIGSTOP) until another one answers."""
    took: Samples = defaultdict(list)
    with kept.up("redis") as ours, kept.all_peers(ours.specs["redis"]) as others:
        blind = [peer for peer in others if peer.name != "monit"]
        began = time.monotonic()
        frozen = [meters.freeze(peer.socket) for peer in blind]
        try:
            for _ in range(rounds):
                ours.orch("restart", "redis")
                for peer in (peer for peer in others if peer not in blind):
                    took[peer.name].append(meters.freeze_until_answer_s(peer.socket, HUNG_WITHIN_S))
                took["ours"].append(meters.freeze_until_answer_s(ours.socket, HUNG_WITHIN_S))
            waited = time.monotonic() - began
            unnoticed = [p.name for p, pid in zip(blind, frozen, strict=True) if meters.alive(pid)]
        finally:
            for pid in frozen:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
    mine = took.pop("ours")
    note = f"not noticed in {waited:.0f} s by {', '.join(unnoticed)}; {spread(mine)}"
    return [Row("hung redis (SIGSTOP) replaced", "s", median(mine, 2), medians(took, 2), 4, note)]


def crash_loop(rounds: int = 3) -> list[Row]:
    """A Redis that was ready once and from then on dies at once, until the supervisor gives it up."""
    spent, starts = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            broken, program = Path(folder) / "broken", Path(folder) / "redis"
            server = peers.find("redis-server")
            program.write_text(f'#!/bin/sh\n[ -e {broken} ] && exit 1\nexec {server} "$@"\n')
            program.chmod(0o755)
            with kept.up("redis", toml=f'[redis]\nbinary = "{program}"\n') as ours:
                daemon, before = ours.daemon, len(_starts(ours))
                broken.touch()
                cpu = meters.cpu_ms(daemon)
                os.kill(ours.orch.pid("redis"), signal.SIGKILL)
                while not _gave_up(ours):
                    time.sleep(0.2)
                spent.append(meters.cpu_ms(daemon) - cpu)
                starts.append(len(_starts(ours)) - before)
    note = f"{max(starts)} starts until it is given up"
    return [Row("crash loop, processor time in all", "ms", median(spent), {}, 50, note)]


def _starts(ours: Ours) -> list[object]:
    return [event for event in ours.orch.events() if event["event"] == "service.started"]


def _gave_up(ours: Ours) -> bool:
    return any(event["event"] == "service.failed" for event in ours.orch.events())


PARTS: Parts = {
    "revival": revival,
    "start_and_stop": start_and_stop,
    "ordered_stop": ordered_stop,
    "typing": typing,
    "idle": idle,
    "hung": hung,
    "crash_loop": crash_loop,
}


if __name__ == "__main__":
    # In the background of a script it would be ignored by all that is started; here it is sent.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    measure("supervise", PARTS, beside=list(peers.present()), missing=peers.absent())
