"""Which Redis `orch up` uses, and which it refuses."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import time
from pathlib import Path

import pytest

from orchestrator.core.redis import connect
from tests.support.orch import SMALL, Orch, alive, command_line
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer


def use(orch: Orch, url: str, more: str = "") -> None:
    (orch.home / "orch.toml").write_text(f'{SMALL}\n[redis]\nurl = "{url}"\n{more}')


def test_a_healthy_server_of_somebody_else_is_used_and_never_stopped(
    orch: Orch, theirs: RedisServer
) -> None:
    assert theirs.process
    connect(theirs.url).set("their", "data")
    use(orch, theirs.url)
    orch.up()
    row = orch.service("redis")
    assert (row["state"], row["external"], row["adopted"], row["pid"]) == (
        "ready",
        True,
        True,
        None,
    )
    assert orch("down").returncode == 0
    assert alive(theirs.process.pid)
    assert connect(theirs.url).get("their") == "data"
    # Everything of ours carries our prefix, so that nobody's worker is taken for ours.
    ours = [key for key in connect(theirs.url).scan_iter() if key != "their"]
    assert ours
    assert all(key.startswith("orch-") for key in ours), ours


def test_where_nobody_listens_a_server_is_started_there(orch: Orch) -> None:
    port = free_port()
    use(orch, f"redis://127.0.0.1:{port}/0")
    orch.up("redis")

    assert connect(f"redis://127.0.0.1:{port}/0").ping()
    assert orch.service("redis")["external"] is False
    orch("down")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_password_in_the_url_guards_the_server_and_is_shown_nowhere(orch: Orch) -> None:
    port = free_port()
    use(orch, f"redis://:sesame%20open@127.0.0.1:{port}/0")
    orch.up()

    assert connect(f"redis://:sesame%20open@127.0.0.1:{port}/0").ping()
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"PING\r\n")
        assert client.recv(100).startswith(b"-NOAUTH")
    shown = orch("status", "--json").stdout + orch("config", "show").stdout
    for log in (orch.home / "data/logs").iterdir():
        shown += log.read_text()
    for pid in orch.processes():
        shown += command_line(pid)
    assert "sesame" not in shown


@pytest.mark.alone
def test_something_that_is_no_redis_is_refused_by_name(orch: Orch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        use(orch, f"redis://127.0.0.1:{port}/0")
        began = time.monotonic()
        done = orch("up", "-d")

    assert time.monotonic() - began < 6
    assert done.returncode == 3, done.stderr
    assert f"127.0.0.1:{port}" in done.stderr
    assert f"pid {os.getpid()}" in done.stderr  # it was this very process
    assert "Traceback" not in done.stderr
    assert not orch.processes()


def test_a_server_that_wants_another_password_is_refused_with_its_words(
    orch: Orch, tmp_path: Path
) -> None:
    port = free_port()
    server = RedisServer(tmp_path / "theirs", port=port, options=("--requirepass", "other"))
    server.url = f"redis://:other@127.0.0.1:{port}/0"
    with server:
        use(orch, f"redis://:wrong@127.0.0.1:{port}/0")
        done = orch("up", "-d")

    assert done.returncode == 3, done.stderr
    assert "WRONGPASS" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_binary_is_one_clear_message(orch: Orch) -> None:
    use(orch, "redis://127.0.0.1:1/0")
    (orch.home / "orch.toml").write_text(f'{SMALL}\n[redis]\nbinary = "/nowhere/redis-server"\n')

    done = orch("up", "-d")

    assert done.returncode == 3
    assert "/nowhere/redis-server" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_choice_is_kept_beside_the_data(orch: Orch) -> None:
    orch.up("redis")
    first = (orch.home / "data/redis/server.json").read_text()
    orch("down")
    # Another server appears on the PATH: the home stays with the one that wrote its data.
    tools = orch.home / "tools"
    tools.mkdir()
    bundled = json.loads(first)["path"]
    shutil.copy(bundled, tools / "redis-server")
    orch.environment["PATH"] = f"{tools}:{orch.environment['PATH']}"
    orch.up("redis")

    assert (orch.home / "data/redis/server.json").read_text() == first


def test_a_folder_that_the_server_cannot_read_is_refused_naming_both(orch: Orch) -> None:
    orch.up("redis")
    orch("down")
    record = orch.home / "data/redis/server.json"
    record.write_text('{"path": "/usr/bin/valkey-server", "name": "valkey", "version": "99.1.0"}')
    before = sorted(path.name for path in (orch.home / "data/redis").rglob("*"))

    done = orch("up", "-d")

    assert done.returncode == 3
    assert "99.1.0" in done.stderr
    assert "redis.binary" in done.stderr
    assert sorted(path.name for path in (orch.home / "data/redis").rglob("*")) == before


def test_without_a_server_on_the_path_the_one_in_the_wheel_is_used(orch: Orch) -> None:
    orch.environment["PATH"] = str(Path(sys.executable).parent)
    orch.up("redis")

    assert json.loads((orch.home / "data/redis/server.json").read_text())["name"] == "valkey"
