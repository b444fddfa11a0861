"""Downloads from a real server that misbehaves: never half a file, and nothing is fetched twice."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from orchestrator.pipelines import fetch as fetching
from orchestrator.pipelines import line, partial
from orchestrator.pipelines.fetch import fetch
from orchestrator.pipelines.line import SHARED
from orchestrator.pipelines.partial import Partial
from orchestrator.queue.model import Lease
from orchestrator.queue.pipeline import Done, Failure, Outcome, Retry, Task
from tests.support.file_server import FileServer, Handler, Ranged, plain
from tests.support.orch import eventually

BODY = random.Random(4).randbytes(300_000)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as found:
        yield found


@pytest.fixture
def get(tmp_path: Path) -> Iterator[Callable[..., Outcome]]:
    """Fetch as the job `job`, fast."""

    def one(payload: Any, job: str = "job", over: threading.Event | None = None) -> Outcome:
        if isinstance(payload, str):
            payload = {"url": payload}
        text = json.dumps({"rate": 1000} | payload)
        found: Outcome = fetch(
            Task(Lease(job, "1.1.1", text, 1), tmp_path, over or threading.Event())
        )
        return found

    yield one
    SHARED.close()


def files(folder: Path) -> list[Path]:
    """What is there whole."""
    found = (folder / "downloads").rglob("*")
    return [file for file in found if file.is_file() and file.parent.name != partial.FOLDER]


def parts(folder: Path) -> list[Path]:
    return list((folder / "downloads" / partial.FOLDER).iterdir())


def whole(outcome: Outcome, body: bytes = BODY) -> dict[str, Any]:
    """It is done, and the file is what the result says."""
    assert isinstance(outcome, Done), outcome
    result: dict[str, Any] = outcome.result
    path, digest = Path(result["path"]), hashlib.sha256(body).hexdigest()
    assert path.read_bytes() == body
    assert (result["sha256"], result["bytes"]) == (digest, len(body))
    assert path.parts[-3:] == ("downloads", digest[:2], digest[2:])
    return result


def again(outcome: Outcome) -> Retry:
    assert isinstance(outcome, Retry), outcome
    return outcome


def never(outcome: Outcome) -> str:
    assert isinstance(outcome, Failure), outcome
    return outcome.error


def test_a_file_is_there_under_the_hash_of_its_content(
    server: FileServer, get: Callable[..., Outcome], tmp_path: Path
) -> None:
    url = server.add("/a?b=%2B", plain(BODY, Content_Type="image/png"))
    server.pages["/a"] = plain(BODY, Content_Type="image/png")
    result = whole(get({"url": url, "headers": {"X-Mine": "yes"}}))
    assert (result["status"], result["content_type"], result["url"]) == (200, "image/png", url)
    assert parts(tmp_path) == []
    [(path, headers)] = server.asked
    assert path == "/a?b=%2B"
    assert (headers["X-Mine"], headers["Accept-Encoding"]) == ("yes", "identity")


def test_a_plain_string_is_a_url(server: FileServer, tmp_path: Path) -> None:
    text = json.dumps(server.add("/a", plain(BODY)))
    whole(fetch(Task(Lease("job", "1.1.1", text, 1), tmp_path)))


def test_the_same_content_is_one_file(
    server: FileServer, get: Callable[..., Outcome], tmp_path: Path
) -> None:
    urls = [server.add(f"/{n}.bin", plain(BODY, Content_Type=f"a/{n}")) for n in range(12)]
    with ThreadPoolExecutor(12) as pool:
        for outcome in pool.map(lambda url: get(url, job=url), urls):
            whole(outcome)
    assert len(files(tmp_path)) == 1
    assert parts(tmp_path) == []


def test_what_was_cut_off_is_gone_on_with(
    server: FileServer, get: Callable[..., Outcome], tmp_path: Path
) -> None:
    url = server.add("/a", Ranged(BODY, cuts=2, at=100_000))
    assert "goes on from 100000 bytes" in again(get(url)).error
    assert "goes on from 200000 bytes" in again(get(url)).error
    assert files(tmp_path) == []
    assert whole(get(url))["status"] == 200
    assert server.ranges("/a") == ["", "bytes=100000-", "bytes=200000-"]
    assert server.asked[1][1]["If-Range"] == '"v1"'
    assert parts(tmp_path) == []


def test_a_date_proves_it_as_well_as_an_etag(
    server: FileServer, get: Callable[..., Outcome]
) -> None:
    url = server.add("/a", Ranged(BODY, at=1000, ETag=""))
    again(get(url))
    whole(get(url))
    assert server.ranges("/a") == ["", "bytes=1000-"]


@pytest.mark.parametrize(
    "weak",
    [
        {"ETag": 'W/"v1"', "Last_Modified": ""},
        {"ETag": "", "Last_Modified": ""},
        {"ETag": "", "Last_Modified": "just now"},
    ],
)
def test_without_proof_it_begins_again(
    server: FileServer, get: Callable[..., Outcome], tmp_path: Path, weak: dict[str, str]
) -> None:
    if weak["Last_Modified"]:
        weak = {**weak, "Last_Modified": formatdate(usegmt=True)}
    url = server.add("/a", Ranged(BODY, at=1000, **weak))
    assert "begins again" in again(get(url)).error
    assert parts(tmp_path) == []
    whole(get(url))
    assert server.ranges("/a") == ["", ""]


def test_what_changed_is_fetched_anew(server: FileServer, get: Callable[..., Outcome]) -> None:
    page = Ranged(BODY, at=1000)
    url = server.add("/a", page)
    again(get(url))
    page.body, page.etag = BODY[::-1], '"v2"'
    whole(get(url), BODY[::-1])
    assert server.ranges("/a") == ["", "bytes=1000-"]


def test_a_server_that_does_not_care_whether_it_changed_is_found_out(
    server: FileServer, get: Callable[..., Outcome]
) -> None:
    page = Ranged(BODY, at=1000)
    url = server.add("/a", page)
    again(get(url))
    page.body, page.etag, page.careless = BODY[::-1], '"v2"', True
    whole(get(url), BODY[::-1])
    assert server.ranges("/a") == ["", "bytes=1000-", ""]


@pytest.mark.parametrize(
    "lie",
    [
        "bytes 999-299999/300000",
        "bytes 1000-299999/300001",
        "bytes 1000-299999/*",
        "bytes 1000-300000/300000",
        "bytes 1000-1999/300000",
        "nonsense",
    ],
)
def test_a_part_that_does_not_fit_is_not_taken(
    server: FileServer, get: Callable[..., Outcome], lie: str
) -> None:
    page = Ranged(BODY, at=1000)
    url = server.add("/a", page)
    again(get(url))

    def lies(handler: Handler) -> None:
        if handler.headers.get("Range"):
            handler.say(206, {"ETag": '"v1"', "Content-Range": lie}, b"?" * 299_000)
        else:
            page(handler)

    server.pages["/a"] = lies
    whole(get(url))
    assert server.ranges("/a") == ["", "bytes=1000-", ""]


@pytest.mark.parametrize(("sent", "what"), [(BODY[1000:-1], "goes on"), (BODY, "begins again")])
def test_a_part_without_a_length_must_be_as_long_as_it_says(
    server: FileServer, get: Callable[..., Outcome], tmp_path: Path, sent: bytes, what: str
) -> None:
    page = Ranged(BODY, at=1000)
    url = server.add("/a", page)
    again(get(url))

    def unbounded(handler: Handler) -> None:
        told = {"ETag": '"v1"', "Content-Range": "bytes 1000-299999/300000"}
        handler.say(206, told | {"Content-Length": "", "Connection": "close"}, sent)
        handler.hang_up()

    server.pages["/a"] = unbounded
    error = again(get(url)).error
    assert "300000 were announced" in error
    assert what in error
    assert files(tmp_path) == []
    server.pages["/a"] = page
    whole(get(url))


def test_a_server_that_knows_no_ranges_sends_all(
    server: FileServer, get: Callable[..., Outcome]
) -> None:
    page = Ranged(BODY, at=1000)
    url = server.add("/a", page)
    again(get(url))
    server.pages["/a"] = plain(BODY, ETag='"v1"')
    whole(get(url))
    assert server.ranges("/a") == ["", "bytes=1000-"]


def test_a_range_that_is_refused_is_not_asked_for_again(
    server: FileServer, get: Callable[..., Outcome]
) -> None:
    url = server.add("/a", Ranged(BODY, at=1000))
    again(get(url))

    def refuses(handler: Handler) -> None:
        handler.say(416 if handler.headers.get("Range") else 200, {"ETag": '"v1"'}, BODY)

    server.pages["/a"] = refuses
    whole(get(url))
    assert server.ranges("/a") == ["", "bytes=1000-", ""]


def test_another_order_of_the_same_job_begins_again(
    server: FileServer, get: Callable[..., Outcome]
) -> None:
    url = server.add("/a", Ranged(BODY, at=1000))
    again(get(url))
    whole(get({"url": url, "headers": {"Accept-Language": "de"}}))
    assert server.ranges("/a") == ["", ""]


def test_after_a_crash_of_the_machine_it_begins_again(
    server: FileServer, get: Callable[..., Outcome], tmp_path: Path
) -> None:
    """The file may have holes where the disk was to get bytes."""
    url = server.add("/a", Ranged(BODY, at=1000))
    again(get(url))
    [note] = [file for file in parts(tmp_path) if file.suffix == ".json"]
    note.write_text(note.read_text().replace(partial.boot_id(), "another-boot"))
    whole(get(url))
    assert server.ranges("/a") == ["", ""]


def test_a_body_that_is_too_short_or_breaks_off_is_no_file(
    server: FileServer, get: Callable[..., Outcome], tmp_path: Path
) -> None:
    def chunks(handler: Handler) -> None:
        handler.say(200, {"Content-Length": "", "Transfer-Encoding": "chunked"}, b"3\r\nabc\r\n")
        handler.hang_up()

    def short(handler: Handler) -> None:
        handler.say(200, {"Content-Length": "5"}, b"x")
        handler.hang_up()

    for page in (chunks, short):
        assert "shorter than announced" in again(get(server.add("/a", page))).error
    server.pages["/a"] = lambda handler: handler.hang_up()
    assert "closed without an answer" in again(get(server.url("/a"))).error
    server.pages["/a"] = lambda handler: handler.wfile.write(b"what?\r\n\r\n") and None
    assert "no HTTP" in again(get(server.url("/a"))).error
    assert files(tmp_path) == []
    assert parts(tmp_path) == []


def test_a_body_without_a_length_ends_where_the_server_hangs_up(
    server: FileServer, get: Callable[..., Outcome]
) -> None:
    def unbounded(handler: Handler) -> None:
        handler.say(200, {"Content-Length": "", "Connection": "close"}, BODY)
        handler.hang_up()

    whole(get(server.add("/a", unbounded)))
    whole(get(server.add("/empty", plain(b"", 204))), b"")


def test_bytes_are_kept_as_they_are_sent(server: FileServer, get: Callable[..., Outcome]) -> None:
    packed = gzip.compress(BODY)
    result = whole(get(server.add("/a", plain(packed, Content_Encoding="gzip"))), packed)
    assert result["content_encoding"] == "gzip"


def test_what_is_too_big_is_not_taken(
    server: FileServer, get: Callable[..., Outcome], tmp_path: Path
) -> None:
    def endless(handler: Handler) -> None:
        handler.say(200, {"Content-Length": "", "Connection": "close", "ETag": '"v1"'})
        while True:
            handler.wfile.write(BODY)

    def announced(handler: Handler) -> None:
        handler.say(200, {"Content-Length": "100001"})
        server.released.wait(60)

    for page in (announced, endless):
        found = get({"url": server.add("/a", page), "max_mb": 0.1})
        assert never(found) == "more than max_mb = 0.1 MB"
    assert files(tmp_path) == []
    assert parts(tmp_path) == []


@pytest.mark.parametrize("status", [304, 400, 401, 403, 404, 410, 451, 300])
def test_what_will_not_change_is_not_tried_again(
    server: FileServer, get: Callable[..., Outcome], status: int
) -> None:
    url = server.add("/a", plain(b"", status))
    assert never(get(url)).startswith(str(status))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_change_is_tried_again(
    server: FileServer, get: Callable[..., Outcome], status: int
) -> None:
    found = again(get(server.add("/a", plain(b"", status))))
    assert found.error.startswith((f"{status} ", f"status {status}"))
    assert found.after is None


def test_what_the_server_asks_for_is_honoured_in_full(
    server: FileServer, get: Callable[..., Outcome]
) -> None:
    assert again(get(server.add("/s", plain(b"", 429, Retry_After="86400")))).after == 86_400
    date = formatdate(time.time() + 7200, usegmt=True)
    after = again(get(server.add("/d", plain(b"", 503, Retry_After=date)))).after
    assert after == pytest.approx(7200, abs=60)


def test_an_error_in_between_does_not_cost_what_we_have(
    server: FileServer, get: Callable[..., Outcome]
) -> None:
    page = Ranged(BODY, at=1000)
    url = server.add("/a", page)
    again(get(url))
    server.pages["/a"] = plain(b"", 503)
    again(get(url))
    server.pages["/a"] = page
    whole(get(url))
    assert server.ranges("/a") == ["", "bytes=1000-", "bytes=1000-"]


def test_what_is_gone_takes_what_we_have_with_it(
    server: FileServer, get: Callable[..., Outcome], tmp_path: Path
) -> None:
    url = server.add("/a", Ranged(BODY, at=1000))
    again(get(url))
    assert parts(tmp_path)
    server.pages["/a"] = plain(b"", 410)
    assert never(get(url)) == "410 Gone"
    assert parts(tmp_path) == []


def test_redirects_are_followed_up_to_five(server: FileServer, get: Callable[..., Outcome]) -> None:
    server.add("/0", plain(BODY))
    for number in range(1, 7):
        server.add(f"/{number}", plain(b"", 302, Location=f"{number - 1}?x=1#there"))
    assert whole(get(server.url("/5")))["url"] == server.url("/0?x=1")
    assert never(get(server.url("/6"))) == "more than 5 redirects"


def test_a_download_behind_a_redirect_is_gone_on_with(
    server: FileServer, get: Callable[..., Outcome]
) -> None:
    """Where it leads is often signed anew each time."""
    server.add("/a", Ranged(BODY, at=1000))
    turns = iter(range(9))

    def redirect(handler: Handler) -> None:
        handler.say(302, {"Location": f"/a?signed={next(turns)}"})

    url = server.add("/start", redirect)
    again(get(url))
    whole(get(url))
    assert server.ranges("/a?signed=1") == ["bytes=1000-"]
    assert server.ranges("/start") == ["", ""]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://x/y", "http://", "//:x", ""])
def test_redirects_lead_to_http_only(
    server: FileServer, get: Callable[..., Outcome], target: str
) -> None:
    assert "302" in never(get(server.add("/a", plain(b"", 302, Location=target)))) or target


def test_secrets_do_not_follow_a_redirect_to_somebody_else(
    server: FileServer, get: Callable[..., Outcome]
) -> None:
    with FileServer() as other:
        target = other.add("/b", plain(BODY))
        server.add("/a", plain(b"", 302, Location="/c"))
        server.add("/c", plain(b"", 302, Location=target))
        headers = {"X-Api-Key": "secret", "Cookie": "secret", "Accept-Language": "de"}
        url = server.url("/a").replace("://", "://me:secret@")
        result = whole(get({"url": url, "headers": headers}))
        assert result["url"] == target
        [(_, told)] = other.asked
    assert "secret" not in str(told)
    assert "Authorization" not in told
    assert told["Accept-Language"] == "de"
    assert [headers["Cookie"] for _, headers in server.asked] == ["secret", "secret"]


def test_a_password_is_seen_nowhere(
    server: FileServer, get: Callable[..., Outcome], tmp_path: Path
) -> None:
    page = Ranged(BODY, at=1000)
    url = server.add("/a@b", page).replace("://", "://me:hunter2@")
    told = [again(get(url)).error]
    told += [file.read_text("latin-1") for file in parts(tmp_path) if file.suffix == ".json"]
    page.body = BODY[:900]
    result = whole(get(url), BODY[:900])
    assert result["url"] == server.url("/a@b").replace("://", "://***@")
    assert server.asked[0][1]["Authorization"].startswith("Basic ")
    for wrong in ("ftp://me:hunter2@x/", "me:hunter2@x", "http://me:hunter2@:x/", {"a": "hunter2"}):
        told.append(never(get({"url": wrong})))
    told.append(again(get("http://me:hunter2@127.0.0.1:1/")).error)
    told.append(never(get({"url": url, "headers": {"Authorization": "hunter2"}})))
    assert not [text for text in told if "hunter2" in text]


def test_wrong_payloads_are_told_all_at_once(get: Callable[..., Outcome]) -> None:
    wrong = {"url": "x", "max_mb": -1, "timeout": "soon", "headers": {"Range": "0-"}, "rate": 0}
    told = never(get(wrong))
    for key in wrong:
        assert f"payload: {key}" in told, told
    assert "url: is missing" in never(get({"link": "x"}))


def test_a_host_that_is_not_there_is_tried_again(get: Callable[..., Outcome]) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        error = again(get(f"http://127.0.0.1:{taken.getsockname()[1]}/")).error
    assert "refused" in error
    assert "not known" in again(get("http://nowhere.invalid/")).error


def test_a_trickle_is_bounded_by_the_whole_timeout(
    server: FileServer, get: Callable[..., Outcome]
) -> None:
    def trickle(handler: Handler) -> None:
        handler.say(200, {"Content-Length": "1000000", "ETag": '"v1"'})
        while not server.released.wait(0.05):
            handler.wfile.write(b"x")

    begun = time.monotonic()
    found = again(get({"url": server.add("/a", trickle), "timeout": 6.5}))
    assert found.error.startswith("not whole within 6.5 s; goes on from ")
    assert time.monotonic() - begun < 40


def test_silence_is_bounded(
    server: FileServer, get: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "READ_S", 0.3)
    SHARED.close()  # the next one is made with that
    url = server.add("/a", lambda _: server.released.wait(60) and None)
    assert "nothing came" in again(get(url)).error


@pytest.mark.parametrize("hangs", ["head", "body"])
def test_who_is_called_off_ends_at_once(
    server: FileServer, get: Callable[..., Outcome], hangs: str
) -> None:
    over = threading.Event()

    def page(handler: Handler) -> None:
        if hangs == "body":
            handler.say(200, {"Content-Length": "1000000"})
        over.set()
        server.released.wait(60)

    begun = time.monotonic()
    assert again(get(server.add("/a", page), over=over)).error == "called off"
    assert time.monotonic() - begun < 5


def test_a_job_that_waits_for_its_turn_is_called_off(
    server: FileServer, get: Callable[..., Outcome]
) -> None:
    payload = {"url": server.add("/a", plain(BODY)), "rate": 0.01}
    whole(get(payload))
    over = threading.Event()
    threading.Timer(0.2, over.set).start()
    begun = time.monotonic()
    assert again(get(payload, over=over)).error == "called off"
    assert time.monotonic() - begun < 5
    assert len(server.asked) == 1


def test_a_host_is_asked_at_its_rate(server: FileServer, get: Callable[..., Outcome]) -> None:
    payload = {"url": server.add("/a", plain(BODY)), "rate": 10}
    begun = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        for outcome in pool.map(lambda n: get(payload, job=str(n)), range(6)):
            whole(outcome)
    assert time.monotonic() - begun > 0.45


def child(folder: Path, payload: object) -> subprocess.Popen[str]:
    words = ["-m", "tests.support.pipeline_process", "fetch", str(folder), "job"]
    return subprocess.Popen(
        [sys.executable, *words, json.dumps(payload)], stdout=subprocess.PIPE, text=True
    )


def test_kill_9_in_the_middle_costs_only_what_was_on_its_way(
    server: FileServer, tmp_path: Path
) -> None:
    page = Ranged(BODY, cuts=0)

    def stops(handler: Handler) -> None:
        if handler.headers.get("Range"):
            page(handler)
            return
        handler.say(200, {"ETag": '"v1"', "Content-Length": str(len(BODY))}, BODY[:123_456])
        server.released.wait(60)

    payload = {"url": server.add("/a", stops), "rate": 1000}
    with child(tmp_path, payload) as first:
        eventually(lambda: part_size(tmp_path) == 123_456)
        first.send_signal(signal.SIGKILL)
    assert files(tmp_path) == []
    with child(tmp_path, payload) as second:
        told = second.communicate(timeout=60)[0]
    assert told.startswith("Done"), told
    [file] = files(tmp_path)
    assert file.read_bytes() == BODY
    assert file.name == hashlib.sha256(BODY).hexdigest()[2:]
    assert server.ranges("/a") == ["", "bytes=123456-"]
    assert parts(tmp_path) == []


def part_size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.part"))


def test_kill_9_at_any_time_leaves_no_half_file(server: FileServer, tmp_path: Path) -> None:
    page = Ranged(BODY * 20, cuts=0)
    payload = {"url": server.add("/a", page), "rate": 1000}
    draw = random.Random(7)
    with child(tmp_path, payload) as first:  # how long it takes when nobody kills it
        begun = time.monotonic()
        first.wait(60)
        took = time.monotonic() - begun
    for _ in range(12):
        for file in files(tmp_path):
            file.unlink()
        with child(tmp_path, payload) as killed:
            try:
                killed.wait(took * draw.uniform(0.5, 1.0))
            except subprocess.TimeoutExpired:
                killed.kill()
        for file in files(tmp_path):
            assert file.name == hashlib.sha256(page.body).hexdigest()[2:]
            assert file.stat().st_size == len(page.body)
    with child(tmp_path, payload) as last:
        last.wait(60)
    [file] = files(tmp_path)
    assert file.read_bytes() == page.body


def test_what_was_killed_between_the_last_byte_and_the_name_is_not_asked_for_again(
    server: FileServer, get: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.add("/a", Ranged(BODY, cuts=0))

    def killed(_: Partial) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Partial, "publish", killed)
    with pytest.raises(KeyboardInterrupt):
        get(url)
    monkeypatch.undo()
    whole(get(url))
    assert len(server.asked) == 1


def test_two_attempts_at_one_job_do_not_write_into_one_file(
    server: FileServer,
    get: Callable[..., Outcome],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The lease of the first ran out, and it does not know yet."""
    monkeypatch.setattr(partial, "LET_GO_S", 0.1)
    half = threading.Event()

    def slow(handler: Handler) -> None:
        half.set()
        handler.say(200, {"ETag": '"v1"', "Content-Length": str(len(BODY))}, BODY[:1000])
        server.released.wait(60)
        handler.wfile.write(BODY[1000:])

    url = server.add("/a", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(get, url)
        assert half.wait(20)
        eventually(lambda: part_size(tmp_path) == 1000)
        server.pages["/a"] = plain(BODY[::-1])
        whole(get(url), BODY[::-1])
        server.released.set()
        whole(first.result(60))
    assert len(files(tmp_path)) == 2
    assert parts(tmp_path) == []


def test_what_a_killed_attempt_left_is_removed_after_a_week(tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    over = threading.Event()
    with Partial(downloads, "held", "order", over) as held:
        for name in ("old.part", "old.json", "new.part"):
            (held.path.parent / name).write_text("x")
        for file in parts(tmp_path):
            if file.name != "new.part":
                os.utime(file, (1, 1))
        partial.tidy(downloads)
        assert {file.name for file in parts(tmp_path)} == {"new.part", held.path.name}


def test_a_full_disk_is_said_and_leaves_no_file(
    server: FileServer,
    get: Callable[..., Outcome],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write = os.pwrite

    def full(file: int, piece: bytes = b"", at: int = 1) -> int:
        if at == 0:  # what has room
            return write(file, piece[:1000], 0)
        raise OSError(28, "No space left on device")

    url = server.add("/a", plain(BODY, ETag='"v1"'))
    for call in ("pwrite", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(partial.os, call, full)
            assert "is full" in again(get(url)).error
        assert files(tmp_path) == []
        assert parts(tmp_path) == []
    whole(get(url))


def test_what_finds_no_room_is_not_begun(
    server: FileServer, get: Callable[..., Outcome], tmp_path: Path
) -> None:
    room = os.statvfs(tmp_path)
    length = room.f_bavail * room.f_frsize + 10**9
    url = server.add("/a", plain(b"x", Content_Length=str(length), ETag='"v1"'))
    assert "no room for" in again(get({"url": url, "max_mb": 1_000_000})).error
    assert files(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KB; mounting needs root."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=512k", "orch-test", str(folder)]
    subprocess.run(mount, check=True)
    yield folder
    subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)


@pytest.mark.machine
def test_a_disk_that_is_really_full(
    server: FileServer, get: Callable[..., Outcome], small_disk: Path, tmp_path: Path
) -> None:
    def unbounded(handler: Handler) -> None:
        handler.say(200, {"Content-Length": "", "Connection": "close", "ETag": '"v1"'}, BODY * 3)
        handler.hang_up()

    assert "no room for" in again(get(server.add("/known", plain(BODY * 3)))).error
    assert "is full" in again(get(server.add("/a", unbounded))).error
    assert files(tmp_path) == []
    whole(get(server.add("/b", plain(BODY))))  # it has room again


def test_a_folder_that_cannot_be_written_to_is_said(
    server: FileServer, get: Callable[..., Outcome], tmp_path: Path
) -> None:
    (tmp_path / "downloads").write_text("in the way")
    assert "cannot write" in again(get(server.add("/a", plain(BODY)))).error


def test_the_session_is_closed_at_the_end(server: FileServer, tmp_path: Path) -> None:
    driver = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(line._session.closed, line._loop.is_closed()))\n"
        "from orchestrator.pipelines.line import SHARED\n"
        "from tests.support.pipeline_process import main\n"
        "main(*sys.argv[1:])\n"
        "line = SHARED.get()\n"
    )
    words = ["-X", "dev", "-c", driver, "fetch", str(tmp_path), "job"]
    payload = json.dumps({"url": server.add("/a", plain(BODY))})
    done = subprocess.run(
        [sys.executable, *words, payload], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Done")
    assert done.stdout.endswith("True True\n")
    assert done.stderr == ""


def test_a_fork_has_a_line_of_its_own(server: FileServer, get: Callable[..., Outcome]) -> None:
    url = server.add("/a", plain(BODY))
    whole(get(url))
    pid = os.fork()
    if not pid:
        code = 1
        try:
            code = 0 if isinstance(get(url, job="fork"), Done) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    whole(get(url))


def test_defaults_are_what_is_documented() -> None:
    assert (fetching.TIMEOUT_S, fetching.MOST_MB) == (600.0, 1024.0)
    assert fetching.POLITENESS._rate == 2.0
