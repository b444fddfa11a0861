"""Lines of files become jobs, or are told with their numbers and all that is wrong."""

from __future__ import annotations

import doctest
import io
import itertools
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from orchestrator.core.errors import ConfigError
from orchestrator.queue import bulk, given
from orchestrator.queue.bulk import BadLine, Batch, Form, Piece, form_of, read
from orchestrator.queue.given import BadJob, Defaults, new_job
from orchestrator.queue.model import LONGEST_NAME, LONGEST_TEXT, NewJob
from tests.support.fake_clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator


def jsonl(text: str | bytes, defaults: Defaults = given.PLAIN) -> list[NewJob | BadLine]:
    return list(read(_file(text), Form.JSONL, defaults))


def csv(text: str | bytes, defaults: Defaults = given.PLAIN) -> list[NewJob | BadLine]:
    return list(read(_file(text), Form.CSV, defaults))


def pieces(file: io.BufferedIOBase, form: Form) -> Iterator[Piece]:
    """What a batch hands on, as soon as it does."""
    made: list[Piece] = []
    batch = Batch(made.append)
    for found in read(file, form):  # type: ignore[arg-type]
        batch.add(found)
        yield from made
        made.clear()
    batch.flush()
    yield from made


def _file(text: str | bytes) -> io.BytesIO:
    return io.BytesIO(text if isinstance(text, bytes) else text.encode())


def bad(found: list[NewJob | BadLine]) -> list[str]:
    return [str(each) for each in found if isinstance(each, BadLine)]


@pytest.mark.parametrize("module", [bulk, given])
def test_the_examples_in_the_docstrings_hold(module: Any) -> None:
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed


def test_a_line_of_json_has_the_fields_of_a_job() -> None:
    line = {
        "id": "a",
        "payload": {"url": "https://x.example/1", "n": 1.50},
        "key": "k",
        "host": "HTTPS://X.example:443/",
        "priority": -3,
        "delay": "1h30m",
    }
    assert jsonl(json.dumps(line)) == [
        NewJob("a", '{"url": "https://x.example/1", "n": 1.5}', -3, 5400.0, "k", "x.example")
    ]


def test_without_a_payload_the_other_fields_are_it() -> None:
    assert jsonl('{"id": 7, "url": "u", "tags": ["ä"]}') == [
        NewJob("7", '{"url": "u", "tags": ["ä"]}')
    ]
    assert csv("id,url,key\na,u,k\n") == [NewJob("a", '{"url": "u"}', key="k")]
    assert csv("id\na\n") == [NewJob("a", "{}")]
    assert jsonl('{"id": "a", "payload": null}') == [NewJob("a", "null")]
    assert jsonl('{"id": "a", "payload": ""}') == [NewJob("a", '""')]


def test_a_column_payload_is_json() -> None:
    text = 'id,payload,priority\na,"{""n"": 1}",5\nb,,\nc,{,x\n'
    found = csv(text)
    assert found[:2] == [NewJob("a", '{"n": 1}', 5), NewJob("b", "{}")]
    assert bad(found)[0].startswith("line 4: priority: must be a whole number from -4000 to 4000")
    assert bad(found)[0].endswith("enclosed in double quotes (character 2)")


def test_defaults_hold_for_lines_that_say_nothing_else() -> None:
    defaults = Defaults(key="d", host="h.example", priority=2, delay=5.0)
    assert jsonl('{"id": "a"}\n{"id": "b", "key": "k", "priority": 0}', defaults) == [
        NewJob("a", "{}", 2, 5.0, "d", "h.example"),
        NewJob("b", "{}", 0, 5.0, "k", "h.example"),
    ]


def test_the_host_may_come_from_the_url() -> None:
    found = jsonl(
        '{"id": "a", "url": "https://X.example:8080/a"}\n{"id": "b", "url": 3}\n'
        '{"id": "c", "payload": {"url": "http://y.example"}, "host": "z"}\n{"id": "d"}\n'
        '{"id": "e", "payload": "http://Q.example/"}',
        Defaults(host_from_url=True),
    )
    assert [job.host for job in found if isinstance(job, NewJob)] == [
        "x.example:8080",
        "",
        "z",
        "",
        "q.example",
    ]


def test_everything_that_is_wrong_with_a_line_is_told_at_once() -> None:
    line = {"id": "a\tb", "key": 1.5, "host": "::", "priority": True, "delay": -1, "payload": 1}
    told = bad(jsonl("\n\n" + json.dumps(line)))
    assert len(told) == 1
    assert told[0].startswith("line 3: ")
    for field in ("id: control", "key: must be text", "priority: ", "delay: "):
        assert field in told[0]


WRONG = [
    ("{", "this is not JSON"),
    ("[1]", "must be an object"),
    ('{"key": "a"}', "id: is missing"),
    ('{"id": null}', "id: is missing"),
    ('{"id": ""}', "id: is missing"),
    ('{"id": true}', "id: must be text"),
    ('{"id": ["a"]}', "id: must be text"),
    ('{"id": "\\u0000"}', "id: control characters"),
    ('{"id": "\\ud800"}', "id: control characters and broken letters"),
    (json.dumps({"id": "ä" * LONGEST_NAME}), f"longer than {LONGEST_NAME} bytes"),
    ('{"id": "a", "host": "a b"}', "host: 'a b' is no host"),
    ('{"id": "a", "priority": 4001}', "from -4000 to 4000, not 4001"),
    ('{"id": "a", "priority": 1.5}', "priority: must be a whole number"),
    ('{"id": "a", "delay": "soon"}', "write it like 30s"),
    ('{"id": "a", "delay": 1e400}', "delay: must be at most"),
    ('{"id": "a", "delay": [1]}', "delay: must be a length of time"),
    ('{"id": "a", "payload": NaN}', "NaN is no number in JSON"),
    ('{"id": "a", "payload": 1e400}', "Out of range"),
    ('{"id": "a", "payload": {}, "prio": 1}', "did you mean priority?"),
    ('{"id": "a", "payload": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
    ('{"id": "a", "payload": ' + "9" * 5000 + "}", "value has 5000 digits"),
    (json.dumps({"id": "a", "payload": "x" * LONGEST_TEXT}), "at most"),
]


@pytest.mark.parametrize(("line", "told"), WRONG)
def test_a_wrong_line_is_told_and_the_next_one_is_taken(line: str, told: str) -> None:
    first, second = jsonl(f'{line}\n{{"id": "next"}}\n')
    assert str(first).startswith("line 1: ")
    assert told in str(first)
    assert second == NewJob("next")


def test_half_a_surrogate_pair_in_a_payload_is_kept_as_its_escape() -> None:
    assert jsonl('{"id": "a", "payload": "\\ud800ä"}') == [NewJob("a", '"\\ud800\\u00e4"')]


def test_bytes_that_are_no_text_are_told_and_the_rest_is_taken() -> None:
    assert bad(jsonl(b'{"id": "a\xff"}\n{"id": "b"}')) == [
        "line 1: this is not UTF-8 text (byte 10)"
    ]
    assert csv(b"id,n\na,\xff\nb,1\n") == [
        BadLine(2, ("this is not UTF-8 text",)),
        NewJob("b", '{"n": "1"}'),
    ]


def test_a_line_that_is_too_long_is_told_and_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "LONGEST_LINE", 100)
    long = json.dumps({"id": "a", "payload": "x" * 1000})
    found = jsonl(f'{long}\n{{"id": "b"}}\n{long}')
    assert [getattr(each, "number", 0) for each in found] == [1, 0, 3]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_ends_of_lines_and_a_byte_order_mark_are_nothing(end: str, mark: str) -> None:
    assert jsonl(f'{mark}{end}{{"id": "a"}}{end}{end}{{"id": "b"}}') == [NewJob("a"), NewJob("b")]
    assert csv(f"{mark}id{end}a{end}{end}b") == [NewJob("a"), NewJob("b")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_are_parted_as_the_first_line_does_it(delimiter: str) -> None:
    text = f"id{delimiter} url\na{delimiter}x\n"
    assert csv(text) == [NewJob("a", '{"url": "x"}')]


def test_a_record_of_csv_may_have_several_lines_and_is_told_by_its_first() -> None:
    found = csv('\nid,text\na,"one\ntwo"\n"b\n",x\nc,y,z\nd,"open\n')
    assert found[0] == NewJob("a", '{"text": "one\\ntwo"}')
    told = bad(found)
    assert told[0].startswith("line 5: id: control characters")
    assert told[1] == "line 7: 3 values for 2 columns"
    assert told[2].startswith("line 8: this is not CSV")
    assert len(found) == 4


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("url,name", "no column `id`; there are: url, name"),
        ("id,id", "two columns 'id'"),
        ("id,payload,prio", "did you mean priority?"),
        ("id,n\udcff", "not UTF-8"),
    ],
)
def test_a_wrong_header_is_told_with_what_is_allowed(header: str, told: str) -> None:
    with pytest.raises(ConfigError, match="line 1") as caught:
        csv(header.encode("utf-8", "surrogateescape"))
    assert told in str(caught.value)
    assert "priority" in caught.value.hint


def test_an_empty_file_has_no_jobs() -> None:
    assert jsonl("") == csv("") == csv("\n \n") == []


FORMS = [
    ("a.jsonl", "", Form.JSONL),
    ("a.NDJSON", "x", Form.JSONL),
    ("a.csv", "{", Form.CSV),
    ("a.tsv", "", Form.CSV),
    ("-", '\ufeff \n{"id"', Form.JSONL),
    ("-", "id,url", Form.CSV),
    ("jobs", "{", Form.JSONL),
]


@pytest.mark.parametrize(("name", "start", "form"), FORMS)
def test_the_form_is_known_by_the_name_or_by_the_first_letter(
    name: str, start: str, form: Form
) -> None:
    assert form_of(name, start.encode()) is form


def test_a_json_array_is_told_from_lines() -> None:
    with pytest.raises(ConfigError) as caught:
        form_of("all.json", b" [\n{")
    assert "jq" in caught.value.hint


def test_pieces_are_bounded_by_jobs_bad_lines_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f'{{"id": {n}}}\n' for n in range(2500)) + "x\n" * 1001
    sizes = [(len(piece.jobs), len(piece.bad)) for piece in pieces(_file(text), Form.JSONL)]
    assert sizes == [(1000, 0), (1000, 0), (500, 1000), (0, 1)]
    monkeypatch.setattr(bulk, "PIECE_TEXT", 100)
    large = "".join(f'{{"id": {n}, "payload": "{"x" * 60}"}}\n' for n in range(5))
    assert [len(piece.jobs) for piece in pieces(_file(large), Form.JSONL)] == [2, 2, 1]


def test_what_waits_for_long_goes_on_without_more() -> None:
    clock, made = FakeClock(), list[Piece]()
    batch = Batch(made.append, clock)
    batch.flush_late()
    batch.add(NewJob("a"))
    clock.sleep(bulk.LATE_S / 2)
    batch.add(NewJob("b"))
    batch.flush_late()
    assert made == []
    clock.sleep(bulk.LATE_S / 2)
    batch.flush_late()
    assert [[job.id for job in piece.jobs] for piece in made] == [["a", "b"]]
    clock.sleep(bulk.LATE_S)
    batch.flush_late()
    assert len(made) == 1


class Endless(io.RawIOBase):
    """A large file that nobody has to hold."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        line = next(self._lines, b"")
        buffer[: len(line)] = line
        return len(line)


def test_memory_does_not_grow_with_the_file() -> None:
    lines = (b'{"id": "%d", "payload": "%s"}\n' % (n, b"x" * 200) for n in itertools.count())
    file = io.BufferedReader(Endless(itertools.islice(lines, 30_000)))
    found = pieces(file, Form.JSONL)
    next(found)
    tracemalloc.start()
    for _ in itertools.islice(found, 10):
        pass
    _, early = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    assert sum(len(piece.jobs) for piece in found) == 19_000
    _, late = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert late < early * 1.5


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@examples(VALUES)
def test_any_json_payload_is_kept_as_it_is(payload: Any) -> None:
    (job,) = jsonl(json.dumps({"id": "a", "payload": payload}))
    assert isinstance(job, NewJob)
    assert json.loads(job.payload) == payload
    job.payload.encode()


@examples(st.lists(st.binary(max_size=40), max_size=5), st.sampled_from(Form))
def test_no_bytes_whatever_end_the_reading(lines: list[bytes], form: Form) -> None:
    file = io.BytesIO((b"id,n\n" if form is Form.CSV else b"") + b"\n".join(lines))
    for found in read(file, form):
        assert isinstance(found, BadLine | NewJob)
        str(found).encode()


def test_a_job_of_the_command_line_has_its_payload_as_text() -> None:
    assert new_job({"id": "a", "payload": "[1]"}, text=True) == NewJob("a", "[1]")
    with pytest.raises(BadJob, match="payload: this is not JSON"):
        new_job({"id": "a", "payload": "{"}, text=True)


def test_a_line_of_spaces_is_no_job() -> None:
    assert ids(csv("id,n\na,1\n  ,  \nb,2")) == ["a", "b"]
    assert ids(csv("id\n   \na")) == ["a"]


def test_a_quotation_that_is_not_closed_says_how_far_it_reaches() -> None:
    (told,) = bad(csv('id,n\na,1\nb,"open\nc,3\nd,4'))
    assert "line 3" in told
    assert "all up to line 5" in told


def ids(found: list[NewJob | BadLine]) -> list[str]:
    return [each.id for each in found if isinstance(each, NewJob)]
