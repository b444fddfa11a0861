"""The demo's world, as it runs: every proxy does what it is there for, and nothing is left of it."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from python_socks.sync import Proxy

from orchestrator.core.errors import OrchError, ServiceFailed
from orchestrator.demo import world as world_module
from orchestrator.demo.altering import ADDED
from orchestrator.demo.upstream import Kind, Upstream
from orchestrator.demo.world import World
from tests.support.orch import signal_each

PAGE = b"<!DOCTYPE html>\n<html><head><title>A page</title></head><body>hello</body></html>\n"

#: Starts a world in the folder named, prints its processes, and waits for its end.
OWNER = """
import json, pathlib, signal, sys
from orchestrator.demo.world import World
folder = pathlib.Path(sys.argv[1])
with World(folder / "world", folder / "pages") as world:
    print(json.dumps([world.pids, world.ports]), flush=True)
    signal.pause()
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = prepared(tmp_path_factory.mktemp("demo"))
    with World(folder / "world", folder / "pages") as running:
        yield running


def prepared(folder: Path) -> Path:
    (folder / "world").mkdir()
    (folder / "pages").mkdir()
    (folder / "pages" / "index.html").write_bytes(PAGE)
    return folder


def one(world: World, kind: Kind) -> Upstream:
    return next(upstream for upstream in world.upstreams if upstream.kind is kind)


def get(url: str, upstream: Upstream | None = None, *, timeout: float = 30) -> tuple[int, bytes]:
    """GET `url` through a proxy, or directly; plain forwarding for http, else a tunnel."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    if upstream is None or upstream.plan.scheme == "http":
        port = upstream.port if upstream else parts.port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        target = url if upstream else parts.path
    else:
        tunnel = Proxy.from_url(upstream.url.replace("https://", "http://"))
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        connection.sock = tunnel.connect(parts.hostname, parts.port, timeout=timeout)
        target = parts.path
    try:
        connection.request("GET", target, headers={"Host": parts.netloc})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def judged(world: World, upstream: Upstream) -> dict[str, object]:
    facts = json.loads(get(f"{world.judge_url}get", upstream)[1])
    assert isinstance(facts, dict)
    return facts


def alive(pids: list[int]) -> list[int]:
    found = []
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except psutil.NoSuchProcess:
            continue
    return found


def with_descendants(pids: list[int]) -> list[int]:
    families = [psutil.Process(pid).children(recursive=True) for pid in pids]
    return pids + [child.pid for family in families for child in family]


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def refused(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_each_good_proxy_leaves_from_its_own_address(world: World) -> None:
    for upstream in world.upstreams:
        if upstream.good:
            before = world.clients().get(upstream.plan.leave_from, 0)
            assert get(f"{world.site_url}index.html", upstream) == (200, PAGE), upstream.label
            assert world.clients()[upstream.plan.leave_from] == before + 1
            assert judged(world, upstream)["ip"] == upstream.plan.leave_from


def test_a_good_one_adds_nothing_to_a_request(world: World) -> None:
    direct = json.loads(get(f"{world.judge_url}get")[1])["headers"]
    good = next(upstream for upstream in world.upstreams if upstream.label == "good-1")
    headers = judged(world, good)["headers"]
    assert isinstance(headers, dict)
    assert set(headers) == set(direct)


def test_the_site_answers_404_for_what_is_not_there(world: World) -> None:
    assert get(f"{world.site_url}sys.html")[0] == 404
    assert get(f"{world.site_url}../world/access.log")[0] == 404


def test_the_site_serves_the_index_at_its_root_and_no_listings(world: World) -> None:
    assert get(world.site_url) == (200, PAGE)
    assert get(f"{world.site_url}empty/")[0] == 404


def test_the_closed_port_refuses(world: World) -> None:
    with pytest.raises(ConnectionRefusedError):
        get(world.site_url, one(world, Kind.CLOSED))


def test_the_silent_one_takes_the_connection_and_never_answers(world: World) -> None:
    with pytest.raises(TimeoutError, match="timed out"):
        get(world.site_url, one(world, Kind.SILENT), timeout=0.5)
    socket.create_connection(("127.0.0.1", one(world, Kind.SILENT).port), timeout=30).close()


def test_the_announcing_one_says_so_and_hides_us(world: World) -> None:
    upstream = one(world, Kind.ANNOUNCING)
    facts = judged(world, upstream)
    assert facts["ip"] == upstream.plan.leave_from
    assert "Via" in facts["headers"]  # type: ignore[operator]


def test_the_one_without_an_address_leaves_from_ours(world: World) -> None:
    assert judged(world, one(world, Kind.OWN_ADDRESS))["ip"] == "127.0.0.1"


def test_the_altering_one_changes_pages(world: World) -> None:
    status, page = get(world.site_url, one(world, Kind.ALTERING))
    assert status == 200
    assert page == PAGE.replace(b"</body>", ADDED + b"</body>")
    digest = judged(world, one(world, Kind.ALTERING))["page_sha256"]
    judge_page = f"{world.judge_url}page"
    assert sha256(get(judge_page)[1]).hexdigest() == digest
    assert sha256(get(judge_page, one(world, Kind.ALTERING))[1]).hexdigest() != digest


def test_leaving_ends_every_process_and_closes_every_port(tmp_path: Path) -> None:
    folder = prepared(tmp_path)
    with World(folder / "world", folder / "pages") as running:
        ports = running.ports
        family = with_descendants(list(running.pids.values()))
        assert len(alive(family)) > 13
    assert alive(family) == []
    assert all(refused(port) for port in ports.values())


def test_an_error_inside_ends_every_process(tmp_path: Path) -> None:
    folder = prepared(tmp_path)
    with (  # noqa: PT012
        pytest.raises(OrchError, match="in the middle"),
        World(folder / "world", folder / "pages") as running,
    ):
        family = with_descendants(list(running.pids.values()))
        raise OrchError("in the middle")
    assert alive(family) == []


def test_breaking_off_while_it_starts_ends_what_was_started(tmp_path: Path) -> None:
    folder = prepared(tmp_path)

    def check() -> None:
        raise KeyboardInterrupt

    starting = World(folder / "world", folder / "pages", check)
    with pytest.raises(KeyboardInterrupt):
        starting.__enter__()
    assert len(starting.pids) == 14
    assert alive(list(starting.pids.values())) == []


def test_a_program_that_does_not_start_is_named_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepared(tmp_path)
    monkeypatch.setitem(world_module.PROGRAMS, Kind.SILENT, "orchestrator.demo.no_such_program")
    failing = World(folder / "world", folder / "pages")
    with pytest.raises(ServiceFailed, match="silent") as error:
        failing.__enter__()
    assert "no_such_program" in error.value.log_tail[-1]
    assert alive(list(failing.pids.values())) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_owner_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    folder = prepared(tmp_path)
    command = [sys.executable, "-c", OWNER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as owner:
        assert owner.stdout
        pids, ports = json.loads(owner.stdout.readline())
        family = with_descendants(list(pids.values()))
        owner.send_signal(number)
    try:
        assert eventually(lambda: not alive(family), 60), alive(family)
    finally:
        signal_each(alive(family), signal.SIGKILL)
    assert all(refused(port) for port in ports.values())
