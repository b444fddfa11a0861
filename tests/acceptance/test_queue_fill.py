"""`orch queue enqueue` and `import`, as people type them."""

from __future__ import annotations

import fcntl
import json
import signal
import sys
import termios
import time
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from tests.support.orch import eventually
from tests.support.queue_home import QueueHome
from tests.support.typed import Typed


def test_a_job_is_enqueued_once_and_whether_it_was_new_is_said(either: QueueHome) -> None:
    job = ["report-7", '{"n": 1, "ä": "€"}', "--key", "k", "--priority", "-3"]
    more = ["--host", "HTTPS://X.example:443/a", "--delay", "1h"]
    assert either.fine("enqueue", *job, *more) == "report-7: new\n"
    assert either.fine("enqueue", "report-7") == "report-7: known already (queued)\n"

    shown = either.json("show", "report-7")

    assert shown["payload"] == {"n": 1, "ä": "€"}
    assert (shown["key"], shown["host"], shown["priority"]) == ("k", "x.example", -3)
    assert shown["state"] == "queued"
    assert 3590 < shown["not_before"] - shown["enqueued_at"] < 3610
    assert either.json("stats")["delayed"] == 1


def test_a_payload_is_any_json_value_also_from_standard_input(home: QueueHome) -> None:
    assert home.fine("enqueue", "a", "-", said="[1, null]\n") == "a: new\n"
    assert home.fine("enqueue", "b") == "b: new\n"
    assert [home.json("show", job_id)["payload"] for job_id in "ab"] == [[1, None], {}]


def test_a_known_job_is_renewed_or_queued_anew_if_that_is_asked_for(either: QueueHome) -> None:
    either.fine("enqueue", "a", "1")
    assert either.fine("enqueue", "a", "2", "--on-conflict", "update") == "a: updated\n"
    assert either.json("show", "a")["payload"] == 2
    again = either.fine("enqueue", "a", "2", "--on-conflict", "requeue")
    assert again == "a: known already (queued)\n"
    either.fine("cancel", "a")
    assert "known already (skipped)" in either.fine("enqueue", "a", "3", "--on-conflict", "update")
    again = either.fine("enqueue", "a", "3", "--on-conflict", "requeue")
    assert again == "a: queued anew (it was skipped)\n"
    assert either.json("show", "a")["payload"] == 3


def test_what_is_not_typed_stays_as_it_is(either: QueueHome) -> None:
    """A priority was changed, and the payload was gone."""
    fields = ("payload", "key", "host", "priority")
    said = ["--key", "k", "--host", "x.example", "--priority", "-3", "--delay", "1h"]
    either.fine("enqueue", "a", '{"n": 1}', *said)
    due = either.json("show", "a")["not_before"]
    assert (
        either.fine("enqueue", "a", "--priority", "7", "--on-conflict", "update") == "a: updated\n"
    )
    found = either.json("show", "a")
    assert [found[name] for name in fields] == [{"n": 1}, "k", "x.example", 7]
    assert found["not_before"] == due

    either.fine("cancel", "a")
    either.fine("enqueue", "a", "--on-conflict", "requeue")
    found = either.json("show", "a")
    assert [found[name] for name in fields] == [{"n": 1}, "k", "x.example", 7]
    assert found["not_before"] is None

    (either.orch.home / "jobs.csv").write_text("id,payload,key,priority\na,,,9\nb,,,9\n")
    either.fine("import", "jobs.csv", "--on-conflict", "update")
    found = either.json("show", "a")
    assert [found[name] for name in fields] == [{"n": 1}, "k", "x.example", 9]
    either.fine("enqueue", "a", "--key", "", "--host", "", "--on-conflict", "update")
    found = either.json("show", "a")
    assert [found[name] for name in fields] == [{"n": 1}, "", "", 9]


def test_everything_that_is_wrong_with_a_job_is_told_at_once(home: QueueHome) -> None:
    wrong = ["a\tb", "{", "--priority", "5000", "--delay", "soon", "--host", "a b"]
    more = ["--on-conflict", "upsert", "--queue", "http://:secret@x"]
    told = ["'a\\tb'", "not JSON", "-4000 to 4000", "'soon'", "'a b' is no host", "requeue"]
    home.refuses("enqueue", *wrong, *more, told=[*told, "http://***@x", "redis://"])
    home.refuses("enqueue", "", told=["id: is missing"])
    home.refuses("enqueue", "a", "-", told=["payload: this is not JSON"])


def test_lines_of_json_are_imported_once(either: QueueHome) -> None:
    lines = "".join(json.dumps({"id": f"a{n}", "payload": {"n": n}}) + "\n" for n in range(2500))
    (either.orch.home / "jobs.jsonl").write_text(lines)
    assert either.fine("import", "jobs.jsonl", "--key", "k") == "jobs.jsonl: 2,500 new\n"
    assert either.fine("import", "jobs.jsonl") == "jobs.jsonl: 0 new, 2,500 known already\n"
    assert either.states() == {"queued": 2500}
    assert either.json("stats")["by_key"] == {"k": {"queued": 2500}}
    assert either.json("show", "a2499")["payload"] == {"n": 2499}


def test_a_table_is_imported_its_other_columns_as_payload(home: QueueHome) -> None:
    table = "id,url,priority\n1,https://X.example/1,\n2,https://y.example:8080/2,-5\n"
    assert home.fine("import", "-", "--host-from-url", said=table) == "-: 2 new\n"
    jobs = [home.json("show", job_id) for job_id in "12"]
    assert [job["host"] for job in jobs] == ["x.example", "y.example:8080"]
    assert jobs[1]["payload"] == {"url": "https://y.example:8080/2"}
    assert jobs[1]["priority"] == -5


def test_bad_lines_are_told_with_their_numbers_and_the_rest_is_imported(home: QueueHome) -> None:
    good = '{"id": "a"}\n'
    text = good + "x\n" * 30 + '{"id": "b", "priority": "high"}\n'
    done = home("import", "-", said=text)
    assert done.returncode == 6
    assert done.stdout == "-: 1 new, 31 bad lines\n"
    told = done.stderr.splitlines()
    assert told[0] == "-: line 2: this is not JSON: Expecting value (character 1)"
    assert told[19].startswith("-: line 21: ")
    assert told[20:] == ["… and 11 more bad lines"]
    as_json = home("import", "-", "--json", said=text)
    assert as_json.returncode == 6
    found = json.loads(as_json.stdout)
    assert (found["new"], found["known"], found["bad"]) == (0, 1, 31)
    assert found["first_bad"][0]["line"] == 2


@pytest.mark.parametrize("piped", [True, False])
def test_a_strict_import_of_a_bad_line_imports_nothing(home: QueueHome, piped: bool) -> None:
    text = "".join(f'{{"id": {n}}}\n' for n in range(3000)) + "{\n"
    (home.orch.home / "jobs.jsonl").write_text(text)
    name, said = ("-", text) if piped else ("jobs.jsonl", None)
    done = home("import", name, "--strict", said=said)
    assert done.returncode == 1
    assert "line 3001: this is not JSON" in done.stderr
    assert "nothing was imported" in done.stderr
    assert done.stdout == ""
    assert not (home.orch.home / "data").exists()

    right = text.removesuffix("{\n")
    (home.orch.home / "jobs.jsonl").write_text(right)
    assert "3,000 new" in home.fine("import", name, "--strict", said=right if piped else None)


def test_a_file_that_cannot_be_read_makes_no_queue(home: QueueHome) -> None:
    (home.orch.home / "no-id.csv").write_text("url,payload,prio\n")
    (home.orch.home / "array.json").write_text('[{"id": 1}]')
    home.refuses("import", "none.jsonl", told=["none.jsonl: cannot be read: No such file"])
    home.refuses("import", ".", told=[".: cannot be read: Is a directory"])
    home.refuses("import", "no-id.csv", told=["no column `id`", "did you mean priority?"])
    home.refuses("import", "array.json", told=["JSON array", "jq"])
    assert home.fine("import", "-", said="") == "-: 0 new\n"


def test_on_a_terminal_an_import_shows_how_far_it_is(home: QueueHome) -> None:
    lines = "".join(f'{{"id": {n}, "payload": {{"n": {n}}}}}\n' for n in range(20_000))
    (home.orch.home / "jobs.jsonl").write_text(lines)
    with Typed(home.orch, *home.words("import", "jobs.jsonl", "--strict")) as typed:
        assert typed.end() == 0
    assert "checking" in typed.shown
    assert "importing" in typed.shown
    assert "%" in typed.shown
    assert "20,000 new" in typed.shown
    assert home.states() == {"queued": 20_000}


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_what_comes_slowly_is_queued_within_a_second(either: QueueHome, form: str) -> None:
    """Also before a record that is there in part only."""
    head = 'id,n\na,1\n"b0' if form == "csv" else '{"id": "a"}\n{"id": '
    rest = '",2\n"b{}' if form == "csv" else '"b{}"}}\n{{"id": '
    took = []
    with either.popen("import", "-", stdin=PIPE, stderr=PIPE) as importing:
        say(importing, head)
        eventually(lambda: either("stats").returncode == 0 and either.states() == {"queued": 1})
        with either.opened() as queue:
            for number in range(1, 4):
                began = time.monotonic()
                say(importing, rest.format(number))
                eventually(lambda: queue.stats().queued == 1 + number)  # noqa: B023 - asked at once
                took.append(time.monotonic() - began)
        importing.send_signal(signal.SIGTERM)
        assert importing.wait(20) == 143
    assert min(took) < 1.5, took  # a second; whatever else the machine does only adds to it


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_import_that_is_called_off_keeps_all_that_it_read(
    home: QueueHome, number: signal.Signals, code: int
) -> None:
    with home.popen("import", "-", stdin=PIPE, stderr=PIPE) as importing:
        say(importing, "".join(f'{{"id": {n}}}\n' for n in range(5500)) + "x\n" + '{"id": "half')
        eventually(lambda: home("stats").returncode == 0 and home.states().get("queued", 0))
        eventually(lambda: not unread(importing))
        importing.send_signal(number)
        assert importing.wait(20) == code
        assert importing.stderr
        told = importing.stderr.read()
    assert "not to the end of -: 5,500 new, 1 bad line" in told
    assert "line 5501: this is not JSON" in told
    assert home.states() == {"queued": 5500}


@pytest.mark.parametrize("strict", [True, False])
def test_an_import_is_called_off_before_anything_came(home: QueueHome, strict: bool) -> None:
    words = ["--strict"] if strict else []
    with home.popen("import", "-", *words, stdin=PIPE, stderr=PIPE) as importing:
        say(importing, '{"id": 1}\n' if strict else "")
        # From then on signals are noted.
        eventually(lambda: _caught(importing.pid, signal.SIGTERM))
        importing.send_signal(signal.SIGTERM)
        assert importing.wait(20) == 143
    assert not (home.orch.home / "data").exists()


def test_ctrl_c_in_the_import_of_a_file_says_how_far_it_was(home: QueueHome) -> None:
    lines = "".join(f'{{"id": {n}}}\n' for n in range(1_500_000))
    (home.orch.home / "jobs.jsonl").write_text(lines)
    with home.popen("import", "jobs.jsonl", stderr=PIPE) as importing:
        eventually((home.orch.home / "data/queue.sqlite").exists)
        with home.opened() as queue:
            eventually(lambda: queue.stats().queued)
        importing.send_signal(signal.SIGINT)
        assert importing.wait(20) == 130
        assert importing.stderr
        told = importing.stderr.read()
    queued = home.states()["queued"]
    assert f"not to the end of jobs.jsonl: {queued:,} new" in told
    assert queued < 1_500_000


def say(importing: Popen[str], text: str) -> None:
    assert importing.stdin
    importing.stdin.write(text)
    importing.stdin.flush()


def unread(importing: Popen[str]) -> int:
    """How many bytes it has not read yet."""
    assert importing.stdin
    told = fcntl.ioctl(importing.stdin.fileno(), termios.FIONREAD, bytes(4))
    return int.from_bytes(told, sys.byteorder)


def _caught(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
