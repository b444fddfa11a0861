"""Lists on servers and from commands, of every kind of bad behaviour."""

from __future__ import annotations

import base64
import gzip
import json
import os
import socket
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from orchestrator.core.home import Home
from orchestrator.core.proxies_section import ProxiesSection
from proxies.sources.sources import Candidates, SourceReport, read_all
from tests.support.file_server import OLD, FileServer, Handler, plain
from tests.support.marked import marked
from tests.support.orch import eventually
from tests.support.ports import free_port

LIST = b"10.0.0.1:80\n10.0.0.2:80\n"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as made:
        yield made


class Reader:
    """A home with one good source beside those of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "good.txt").write_text("10.9.9.9:80\n")

    def all(self, *sources: str, most: float = 60, **more: Any) -> Candidates:
        said = {"sources": [*sources, "good.txt"], "default_scheme": "http"} | more
        found = read_all(ProxiesSection.model_validate(said), Home(self.folder), most)
        assert "10.9.9.9" in {proxy.host for proxy in found.proxies}
        return found

    def one(self, **table: Any) -> SourceReport:
        (report,) = self.tables(own=table)
        return report

    def tables(self, **tables: Any) -> tuple[SourceReport, ...]:
        """A source never stops another: the good one is always read."""
        found = self.all(source=tables).reports
        assert found[0].source == "good.txt"
        assert not found[0].error
        return found[1:]


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


class Versioned:
    """A list with a version, which answers 304 to whoever has that already."""

    def __init__(self, body: bytes, **proof: str) -> None:
        self.body = body
        self.proof = {name.replace("_", "-"): value for name, value in proof.items()}

    def __call__(self, handler: Handler) -> None:
        asked = handler.headers
        etag, modified = self.proof.get("ETag"), self.proof.get("Last-Modified")
        same = (etag and asked.get("If-None-Match") == etag) or (
            modified and asked.get("If-Modified-Since") == modified
        )
        if same:
            handler.say(304, self.proof | {"Content-Length": ""})
        else:
            handler.say(200, self.proof, self.body)


class Deaf:
    """An address where no connection comes about: its queue of connections is full."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self._queued = [socket.socket() for _ in range(4)]
        for one in self._queued:
            one.setblocking(False)
            one.connect_ex(self._listener.getsockname())
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in (*self._queued, self._listener):
            one.close()


def test_a_list_with_an_etag_is_not_fetched_again_until_it_changes(
    reader: Reader, server: FileServer
) -> None:
    page = Versioned(LIST, ETag='W/"one"')
    url = server.add("/list", page)

    first, second = reader.all(url), reader.all(url)
    page.body, page.proof = b"10.0.0.3:80\n", {"ETag": '"two"'}
    third, fourth = reader.all(url), reader.all(url)

    assert [report.unchanged for report in _first(first, second, third, fourth)] == [
        False,
        True,
        False,
        True,
    ]
    assert [len(found.proxies) for found in (first, second, third, fourth)] == [3, 3, 2, 2]
    asked = [headers.get("If-None-Match") for _, headers in server.asked]
    assert asked == [None, 'W/"one"', 'W/"one"', '"two"']


def test_a_date_is_asked_with_when_there_is_no_etag(reader: Reader, server: FileServer) -> None:
    url = server.add("/list", Versioned(LIST, Last_Modified=OLD))

    first, second = _first(reader.all(url), reader.all(url))

    assert (first.unchanged, second.unchanged, second.candidates) == (False, True, 2)
    assert server.asked[1][1]["If-Modified-Since"] == OLD


def test_what_proved_one_url_proves_nothing_for_another(
    reader: Reader, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add("/a", Versioned(LIST, ETag='"1"'))
    server.add("/b", Versioned(b"10.0.0.3:80\n", ETag='"1"'))
    table = {"url": "${LIST_URL}"}
    monkeypatch.setenv("LIST_URL", server.url("/a"))
    reader.one(**table)
    monkeypatch.setenv("LIST_URL", server.url("/b"))

    report = reader.one(**table)

    assert (report.unchanged, report.candidates) == (False, 1)


def test_nothing_has_changed_since_never_is_no_answer(reader: Reader, server: FileServer) -> None:
    report = reader.one(url=server.add("/list", plain(b"", status=304)))

    assert report.error == "answered 304 Not Modified"


def test_redirects_are_followed_and_no_secret_goes_to_another_server(
    reader: Reader, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIST_TOKEN", "sesame")
    with FileServer() as other:
        theirs = other.add("/list", plain(LIST))
        server.add("/here", plain(b"", status=302, Location=theirs))
        url = server.add("/list", plain(b"", status=301, Location="/here"))

        report = reader.one(url=url, headers={"X-Token": "${LIST_TOKEN}"}, user="a", password="b")

        assert report.candidates == 2
        here, there = server.asked[-1][1], other.asked[-1][1]
    assert (here["X-Token"], here["Authorization"]) == ("sesame", _basic("a", "b"))
    assert "sesame" not in str(there)
    assert "Authorization" not in there


def test_redirects_have_an_end_and_lead_to_http_only(reader: Reader, server: FileServer) -> None:
    loop = server.add("/loop", plain(b"", status=302, Location="/loop"))
    away = server.add("/away", plain(b"", status=302, Location="file:///etc/passwd"))
    nowhere = server.add("/nowhere", plain(b"", status=302))

    found = reader.tables(a={"url": loop}, b={"url": away}, c={"url": nowhere})

    assert [report.error for report in found] == [
        "more than 5 redirects",
        "redirected to what must be a http:// or https:// URL with a host",
        "answered 302 Found",
    ]
    assert [path for path, _ in server.asked].count("/loop") == 6


def test_credentials_come_from_the_environment_whatever_is_in_them(
    reader: Reader, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIST_USER", "a@b/c")
    monkeypatch.setenv("LIST_PASSWORD", "p:w?#%é")
    monkeypatch.setenv("LIST_TOKEN", "x&y z/#")
    server.add("/in/x&y z/#/list", plain(LIST))
    base = server.url("").removeprefix("http://")
    asked = "/list?token="
    server.add("/list", plain(LIST))

    report = reader.one(
        url=f"http://${{LIST_USER}}:${{LIST_PASSWORD}}@{base}{asked}${{LIST_TOKEN}}"
    )

    assert report.candidates == 2
    path, headers = server.asked[-1]
    assert path == "/list?token=x%26y%20z%2F%23"
    assert headers["Authorization"] == _basic("a@b/c", "p:w?#%é")
    assert "p:w" not in repr(report)


def test_what_cannot_be_sent_is_named_without_its_value(
    reader: Reader, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.add("/list", plain(LIST))
    monkeypatch.setenv("LIST_TOKEN", " sesame\n")
    monkeypatch.setenv("LIST_BROKEN", "sesame\nX: y")
    monkeypatch.setenv("LIST_ODD", os.fsdecode(b"sesame\xff"))
    monkeypatch.setenv("LIST_URL", "ftp://sesame@x/")

    found = reader.tables(
        fine={"url": url, "headers": {"X": "${LIST_TOKEN}"}},
        broken={"url": url, "headers": {"X": "${LIST_BROKEN}"}},
        odd={"url": url + "?${LIST_ODD}"},
        ftp={"url": "${LIST_URL}"},
    )

    assert [report.error for report in found] == [
        "",
        "its URL or a header cannot be sent",
        "a variable in its URL is no text",
        "its URL must be a http:// or https:// URL with a host",
    ]
    assert ("/list", "sesame") in [(path, headers.get("X")) for path, headers in server.asked]


def test_a_header_of_the_users_own_beats_ours(reader: Reader, server: FileServer) -> None:
    url = server.add("/list", plain(LIST)).replace("http://", "http://ann:pw@")

    reader.one(url=url, headers={"authorization": "Bearer x", "User-Agent": "me"})

    headers = server.asked[-1][1]
    assert (headers["authorization"], headers["User-Agent"]) == ("Bearer x", "me")
    assert "Authorization" not in headers


def test_the_proxies_of_a_paid_list_get_their_credentials(
    reader: Reader, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAID_PASSWORD", "sesame")
    url = server.add("/list", plain(LIST))
    table = {"url": url, "proxy_user": "ann", "proxy_password": "${PAID_PASSWORD}"}

    found = reader.all(source={"paid": table})

    paid = found.lists[found.reports[1].key]
    assert [proxy.url for proxy in paid] == [
        "http://ann:sesame@10.0.0.1:80",
        "http://ann:sesame@10.0.0.2:80",
    ]
    assert "sesame" not in repr(found)


def test_a_variable_that_is_gone_later_stops_no_other_source(
    reader: Reader, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIST_TOKEN", "sesame")
    table = {"url": server.add("/list", plain(LIST)) + "?t=${LIST_TOKEN}"}
    reader.one(**table)
    monkeypatch.delenv("LIST_TOKEN")

    report = reader.one(**table)

    assert (report.error, report.candidates) == ("LIST_TOKEN is not set", 2)


def test_a_server_that_fails_costs_the_last_list_nothing(
    reader: Reader, server: FileServer
) -> None:
    url = server.add("/list", plain(LIST, ETag='"1"'))
    reader.one(url=url)

    server.add("/list", plain(b"10.0.0.7:80\n", status=500))
    failed = reader.one(url=url)
    server.add("/list", plain(b"<html>sorry</html>"))
    nonsense = reader.one(url=url)
    server.add("/list", plain(b""))
    empty = reader.one(url=url)
    server.add("/list", plain(b"10.0.0.7:80\n"))
    again = reader.one(url=url)

    assert failed.error == "answered 500 Internal Server Error"
    assert nonsense.error.startswith("names no proxy: line 1: ")
    assert empty.error == "is empty"
    for report in (failed, nonsense, empty):
        assert (report.candidates, report.kept_s is not None) == (2, True)
    assert (again.error, again.candidates, again.kept_s) == ("", 1, None)


def test_a_body_that_breaks_off_is_no_list(reader: Reader, server: FileServer) -> None:
    def half(handler: Handler) -> None:
        handler.say(200, {"Content-Length": "1000"}, LIST)
        handler.hang_up()

    def chunked(handler: Handler) -> None:
        handler.say(200, {"Content-Length": "", "Transfer-Encoding": "chunked"})
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(LIST), LIST))
        handler.hang_up()

    cut = gzip.compress(LIST * 100)[:-12]
    found = reader.tables(
        a={"url": server.add("/half", half)},
        b={"url": server.add("/chunked", chunked)},
        c={"url": server.add("/cut", plain(cut, Content_Encoding="gzip"))},
        d={"url": server.add("/no", plain(LIST, Content_Encoding="gzip"))},
        e={"url": server.add("/br", plain(LIST, Content_Encoding="br"))},
    )

    assert [report.error for report in found] == [
        "the body is shorter than announced",
        "the body is shorter than announced",
        "the packed body is cut off",
        "the packed body is broken: Error -3 while decompressing data: invalid stored block lengths",
        "packed as br, which nobody asked for",
    ]


def test_packed_lists_are_unpacked(reader: Reader, server: FileServer) -> None:
    packed = {"gzip": gzip.compress(LIST), "deflate": zlib.compress(LIST)}

    found = reader.tables(
        **{
            name: {"url": server.add(f"/{name}", plain(body, Content_Encoding=name))}
            for name, body in packed.items()
        }
    )

    assert [(report.error, report.candidates) for report in found] == [("", 2), ("", 2)]
    assert "gzip" in server.asked[0][1]["Accept-Encoding"]


def test_a_bomb_an_endless_body_and_a_long_one_end_at_the_size_and_cost_no_memory(
    reader: Reader, server: FileServer
) -> None:
    def endless(handler: Handler) -> None:
        handler.say(200, {"Content-Length": ""})
        while True:
            handler.wfile.write(b"10.0.0.1:80\n" * 1000)

    bomb = gzip.compress(b"10.0.0.1:80\n" * 4_000_000, 9)
    pages = {
        "bomb": plain(bomb, Content_Encoding="gzip"),
        "endless": endless,
        "said": plain(b"", Content_Length="999999999"),
    }
    tables = {
        name: {"url": server.add(f"/{name}", page), "max_size": "1MB"}
        for name, page in pages.items()
    }
    tracemalloc.start()

    found = reader.tables(**tables)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {report.error for report in found} == {"the list is larger than 1 MB"}
    assert peak < 10_000_000


@pytest.mark.parametrize("part", ["head", "body", "connect"])
def test_whoever_is_silent_or_slow_costs_its_own_time_only(
    reader: Reader, server: FileServer, part: str
) -> None:
    def slow(handler: Handler) -> None:
        if part == "body":
            handler.say(200, {"Content-Length": "1000"})
        while not server.released.wait(0.05):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    with Deaf() as deaf:
        url = server.add("/slow", slow) if part != "connect" else f"http://{deaf.address}/list"
        began = time.monotonic()

        report = reader.one(url=url, timeout="1s")

    assert report.error
    assert not report.candidates
    assert time.monotonic() - began < 15


def test_all_sources_are_read_at_once_and_within_what_the_refresh_has(
    reader: Reader, server: FileServer
) -> None:
    def silent(handler: Handler) -> None:
        server.released.wait()

    urls = [server.add(f"/{number}", silent) for number in range(8)]
    began = time.monotonic()

    found = reader.all(*urls, most=4.0)

    assert {report.error for report in found.reports[:-1]} == {"no answer in time"}
    assert time.monotonic() - began < 28, "one after the other they take 32 s"


#: What a dead name server is like: names that end so are asked for, and there is never an answer.
NEVER = """
import socket, time
real = socket.getaddrinfo
def getaddrinfo(host, *args, **more):
    if str(host).endswith(".never"):
        time.sleep(120)
    return real(host, *args, **more)
socket.getaddrinfo = getaddrinfo
"""
READ = """
import sys
from pathlib import Path
from orchestrator.core.home import Home
from orchestrator.core.proxies_section import ProxiesSection
from proxies.sources.sources import read_all
urls = [f"http://{number}.never/list" for number in range(40)]
settings = ProxiesSection(sources=(*urls, sys.argv[1]), source_timeout="10s")
print(read_all(settings, Home(Path("."))).reports[-1].candidates)
"""


def test_a_dead_name_server_holds_up_neither_the_others_nor_the_end(
    tmp_path: Path, server: FileServer
) -> None:
    (tmp_path / "sitecustomize.py").write_text(NEVER)
    url = server.add("/list", plain(LIST)).replace("127.0.0.1", "localhost")

    done = subprocess.run(
        [sys.executable, "-c", READ, url],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout == "2\n", done.stderr


def test_a_wrong_encoding_does_no_harm(reader: Reader, server: FileServer) -> None:
    kinds = {
        "utf16": ("10.0.0.1:80 # é\n".encode("utf-16"), "text/plain; charset=utf-8"),
        "lies": (b"10.0.0.1:80 # \xe9\n", "text/plain; charset=utf-16"),
        "odd": (b"10.0.0.1:80 # \xe9\n", 'text/plain; charset="no-such"; x=y'),
    }

    found = reader.tables(
        **{
            name: {"url": server.add(f"/{name}", plain(body, Content_Type=kind))}
            for name, (body, kind) in kinds.items()
        }
    )

    assert [(report.error, report.candidates) for report in found] == [("", 1)] * 3


def test_json_and_csv_and_pages_are_read_from_servers(reader: Reader, server: FileServer) -> None:
    data = json.dumps({"data": [{"ip": "10.0.0.1", "port": 80}]}).encode()
    page = b"<tr><td>10.0.0.1<td>80\n<tr><td>10.0.0.2<td>81\n"

    found = reader.tables(
        json={"url": server.add("/json", plain(data)), "format": "json", "path": "data"},
        csv={"url": server.add("/csv", plain(b"ip,port\n10.0.0.1,80\n")), "format": "csv"},
        page={
            "url": server.add("/page", plain(page)),
            "pattern": r"<td>(?P<host>[\d.]+)<td>(?P<port>\d+)",
        },
    )

    assert [(report.error, report.candidates) for report in found] == [("", 1), ("", 1), ("", 2)]


def test_what_an_error_says_has_no_secret_and_no_control_characters(
    reader: Reader, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIST_TOKEN", "sesame-token")
    closed = f"http://ann:sesame@127.0.0.1:{free_port()}/list?token=sesame"
    said = "echo 'no \x1b[31mway to http://ann:sesame@x/ with' $LIST_TOKEN >&2; exit 3"

    found = reader.all(
        closed, source={"a": {"url": closed + "&t=${LIST_TOKEN}"}, "b": {"shell": said}}
    )

    assert "sesame" not in repr(found)
    assert found.reports[0].source.startswith("http://***@127.0.0.1:")
    shown = found.reports[-1].error
    assert shown == "ended with exit code 3: no way to http://***@x/ with ${LIST_TOKEN}"


def test_a_command_runs_in_the_home_with_the_environment_and_no_shell(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIST_TOKEN", "7")
    program = reader.folder / "lists.sh"
    program.write_text('#!/bin/sh\necho "10.0.0.$LIST_TOKEN:80"\necho "$1"\ncat good.txt\n')
    program.chmod(0o755)

    found = reader.all(source={"own": {"command": ["./lists.sh", "10.0.0.8:80; echo no"]}})
    shell = reader.all(source={"own": {"shell": "./lists.sh x | head -1"}})

    report = found.reports[1]
    assert [proxy.host for proxy in found.lists[report.key]] == ["10.0.0.7", "10.9.9.9"]
    assert report.bad_lines == 1
    assert [proxy.host for proxy in shell.lists[shell.reports[1].key]] == ["10.0.0.7"]


@pytest.mark.parametrize(
    ("shell", "error"),
    [
        ("echo 10.0.0.1:80; exit 3", "ended with exit code 3"),
        ("echo 10.0.0.1:80; kill -9 $$", "was ended by signal 9"),
        ("echo 10.0.0.1:80; sleep 60", "no answer in time"),
        (
            "trap '' TERM; echo 10.0.0.1:80; while :; do sleep 0.1; done",
            "no answer in time",
        ),
        ("yes 10.0.0.1:80 >&2 & echo x; exit 0", "names no proxy: line 1: not of the form"),
        ("true", "is empty"),
    ],
)
def test_a_command_is_bounded_in_time_and_output(reader: Reader, shell: str, error: str) -> None:
    timeout = "1s" if error == "no answer in time" else "20s"
    began = time.monotonic()

    report = reader.one(shell=shell, timeout=timeout, max_size="1MB")

    assert report.error.startswith(error)
    assert time.monotonic() - began < 30


def test_a_command_that_prints_for_ever_is_ended_at_the_size(reader: Reader) -> None:
    began = time.monotonic()

    report = reader.one(command=["yes", "10.0.0.1:80"], timeout="1m", max_size="1MB")

    assert report.error == "the list is larger than 1 MB"
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "left",
    ["sleep 271 &", "sleep 271 & sleep 271 & wait", "setsid sleep 271 & sleep 0.2"],
)
def test_nothing_of_a_command_is_left_running(reader: Reader, left: str) -> None:
    mark = f"mark-{os.getpid()}-{time.monotonic_ns()}"

    reader.tables(own={"shell": f"export WHO={mark}; echo 10.0.0.1:80; {left}", "timeout": "1s"})

    eventually(lambda: not marked(mark), what="nothing is left")


def test_a_program_that_goes_away_stops_no_other_source(reader: Reader) -> None:
    program = reader.folder / "lists.sh"
    program.write_text("#!/bin/sh\necho 10.0.0.1:80\n")
    program.chmod(0o755)
    reader.one(command=["./lists.sh"])
    program.unlink()

    report = reader.one(command=["./lists.sh"])

    assert report.error == f"cannot be started: {program} is not there"
    assert report.candidates == 1


def _first(*found: Candidates) -> list[SourceReport]:
    return [each.reports[0] for each in found]


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
