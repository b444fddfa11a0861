"""Corners of the life of a service: lost programs, frozen supervisors, needs that are away."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.orch import SMALL, Orch, alive, eventually
from tests.support.ports import free_port


def declare(orch: Orch, text: str) -> None:
    (orch.home / "orch.toml").write_text(SMALL + text)


def declare_slow_to_end(orch: Orch, *, grace_s: int) -> tuple[Path, Path]:
    """A service `x` that ends only when the first of these files is there; last it writes the second."""
    gate, ended = orch.home / "gate", orch.home / "ended"
    waits = f"until [ -e {gate} ]; do sleep 0.1; done"
    script = f'trap "{waits}; touch {ended}; exit 0" TERM; while :; do sleep 0.1; done'
    declare(
        orch,
        f"[service.x]\ncommand = ['sh', '-c', '{script}']\nready = {{ after = '100ms' }}\n"
        f"grace = '{grace_s}s'\n",
    )
    return gate, ended


def has_looked(orch: Orch) -> None:
    """The supervisor, at all that is due: between two questions it takes a turn."""
    for _ in range(2):
        orch.ask("status")


def supervisor(orch: Orch) -> int:
    pid = orch.status()["supervisor"]["pid"]
    assert isinstance(pid, int)
    return pid


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("ready", ['{ after = "0s" }', '{ exec = ["true"] }'])
def test_a_program_that_is_lost_ends_in_failed_and_not_the_supervisor(
    orch: Orch, ready: str
) -> None:
    script = orch.home / "serve.sh"
    script.write_text("#!/bin/sh\nexec sleep 1000\n")
    script.chmod(0o755)
    declare(orch, f'[service.x]\ncommand = ["{script}"]\nready = {ready}\nrestart_limit = 3\n')
    orch.up("x")
    daemon, before = supervisor(orch), cpu_s(supervisor(orch))

    script.unlink()
    os.kill(orch.pid("x"), signal.SIGKILL)

    eventually(lambda: orch.service("x")["state"] == "failed", 60)
    assert supervisor(orch) == daemon
    assert cpu_s(daemon) - before < 0.3


def test_a_supervisor_that_stood_still_does_not_take_a_starting_service_for_ready(
    orch: Orch,
) -> None:
    flag = orch.home / "flag"
    declare(
        orch,
        f'[service.x]\ncommand = ["sleep", "1000"]\nready = {{ exec = ["test", "-e", "{flag}"] }}\n'
        'alive = { exec = ["true"] }\nstart_timeout = "60s"\n',
    )
    up = orch.popen("up", "-d", "x")
    eventually(lambda: orch.service("x")["state"] == "starting")
    daemon = supervisor(orch)

    os.kill(daemon, signal.SIGSTOP)
    time.sleep(5)  # standing still is what is done to it
    os.kill(daemon, signal.SIGCONT)

    eventually(lambda: orch.service("x")["probe"]["at"])
    assert orch.service("x")["state"] == "starting"
    flag.touch()
    assert up.wait(60) == 0
    assert orch.service("x")["state"] == "ready"


def test_time_in_which_all_stood_still_is_not_taken_from_a_stop(orch: Orch) -> None:
    gate, ended = declare_slow_to_end(orch, grace_s=10)
    orch.up("x")
    daemon, service = supervisor(orch), orch.pid("x")
    stop = orch.popen("stop", "x")
    eventually(lambda: orch.service("x")["state"] == "stopping")

    for pid in (daemon, service):
        os.kill(pid, signal.SIGSTOP)
    time.sleep(11)  # longer than the grace
    for pid in (service, daemon):
        os.kill(pid, signal.SIGCONT)
    has_looked(orch)
    gate.touch()

    assert stop.wait(60) == 0
    assert ended.exists()


def test_a_turn_that_stands_still_takes_nothing_from_a_stop_either(orch: Orch) -> None:
    gate, ended = declare_slow_to_end(orch, grace_s=10)
    with (orch.home / "orch.toml").open("a") as file:
        file.write("[service.y]\ncommand = ['sleep', '1000']\nready = { after = '0s' }\n")
    orch.up("x", "y")
    stop = orch.popen("stop", "x")
    eventually(lambda: orch.service("x")["state"] == "stopping")

    log, y = orch.home / "data/logs/events.jsonl", orch.pid("y")
    pipe = orch.home / "pipe"
    os.mkfifo(pipe)
    pipe.replace(log)  # whoever has something to write stands still until somebody reads
    os.kill(y, signal.SIGKILL)
    time.sleep(11)  # longer than the grace
    reader = os.open(log, os.O_RDWR)
    has_looked(orch)
    gate.touch()

    assert stop.wait(60) == 0
    log.unlink()
    os.close(reader)
    assert ended.exists()


def test_a_restart_starts_what_is_needed_too(orch: Orch) -> None:
    declare(
        orch,
        "[service.a]\ncommand = ['sleep', '1000']\nready = { after = '0s' }\n"
        "[service.b]\ncommand = ['sleep', '1001']\nready = { after = '0s' }\nneeds = ['a']\n",
    )
    orch.up("b")
    assert orch("stop", "a").returncode == 0

    done = orch("restart", "b")

    assert done.returncode == 0, done.stderr
    assert orch.service("a")["state"] == orch.service("b")["state"] == "ready"


def test_whoever_waits_for_a_need_costs_nothing(orch: Orch) -> None:
    gate = orch.home / "gate"
    gate.touch()
    declare(
        orch,
        f"[service.a]\ncommand = ['sh', '-c', 'test -e {gate} && exec sleep 1000']\n"
        "ready = { after = '100ms' }\nrestart_limit = 2\n"
        "[service.b]\ncommand = ['sleep', '1001']\nready = { after = '100ms' }\nneeds = ['a']\n",
    )
    orch.up("b")
    gate.unlink()
    os.kill(orch.pid("a"), signal.SIGKILL)
    eventually(lambda: orch.service("a")["state"] == "failed")
    os.kill(orch.pid("b"), signal.SIGKILL)
    eventually(lambda: orch.service("b")["state"] == "backoff")
    daemon = supervisor(orch)

    def switches() -> int:
        words = Path(f"/proc/{daemon}/status").read_text().split()
        return int(words[words.index("voluntary_ctxt_switches:") + 1])

    before, began = switches(), time.monotonic()
    time.sleep(4)  # a span to count in

    assert switches() - before < 3 * (time.monotonic() - began)
    gate.touch()
    assert orch("restart", "a").returncode == 0
    eventually(lambda: orch.service("b")["state"] == "ready")


def test_a_service_whose_child_computes_is_busy_and_not_hung(orch: Orch) -> None:
    program = orch.home / "serve.py"
    program.write_text(
        "import http.server, os, time\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        if os.path.exists('busy'):\n"
        "            os.unlink('busy')\n"
        "            end = time.monotonic() + 8\n"
        "            while time.monotonic() < end: pass\n"
        "        self.send_response(200); self.end_headers()\n"
        "import sys\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()\n"
    )
    port = free_port()
    declare(
        orch,
        f"[service.web]\ncommand = ['sh', '-c', 'python3 serve.py {port}; exit 1']\n"
        f"ready = {{ http = 'http://127.0.0.1:{port}/', every = '500ms', timeout = '400ms' }}\n",
    )
    orch.up("web")
    before = orch.pid("web")

    (orch.home / "busy").touch()

    eventually(lambda: orch.service("web")["state"] == "unhealthy")
    eventually(lambda: orch.service("web")["state"] == "ready")
    assert orch.pid("web") == before


def test_what_is_declared_no_more_gets_its_own_grace(orch: Orch) -> None:
    gate, ended = declare_slow_to_end(orch, grace_s=60)
    orch.up("x", "redis")
    service = orch.pid("x")
    declare(orch, "")

    assert orch("restart", "--changed").returncode == 0

    assert orch.service("redis")["state"] == "ready"  # it answers meanwhile
    assert alive(service)
    gate.touch()
    eventually(lambda: not alive(service))
    eventually(lambda: "x" not in {row["name"] for row in orch.status()["services"]})
    assert ended.exists()


def test_a_first_service_that_was_done_is_done_again_after_a_down(orch: Orch) -> None:
    log = orch.home / "log"
    declare(orch, f"[service.once]\ncommand = ['sh', '-c', 'echo x >> {log}']\nrestart = 'never'\n")
    for _ in range(2):
        orch.up("once")
        assert orch("down").returncode == 0

    assert log.read_text().split() == ["x", "x"]
