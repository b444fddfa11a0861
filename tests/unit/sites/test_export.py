"""Items as lines, tables and columns."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from orchestrator.core.errors import Unavailable
from orchestrator.core.files import whole_file
from sites.results import export_parquet
from sites.results.export import Format, export

#: What a site may have on its pages.
ITEMS: list[dict[str, Any]] = [
    {"title": "=1+1", "price": 5, "tags": ["a", "b"], "_url": "http://a.example/1"},
    {"title": None, "price": -5.5, "more": {"x": 1}, "_url": "http://a.example/2"},
    {"title": 'ü "quoted", ;\n', "price": None, "tags": [], "_url": "http://a.example/3"},
]


def written(folder: Path, form: Format, items: list[dict[str, Any]], **more: Any) -> Path:
    path = folder / f"out.{form}"
    with whole_file(path) as file:
        assert export(lambda: iter(items), form, file, name="shop", **more) == len(items)
    return path


def cells(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline="")))


def test_lines_of_json_are_the_items(tmp_path: Path) -> None:
    lines = written(tmp_path, "jsonl", ITEMS).read_text().splitlines()

    assert [json.loads(line) for line in lines] == ITEMS


def test_csv_has_a_header_of_all_fields_and_the_page_last(tmp_path: Path) -> None:
    path = written(tmp_path, "csv", ITEMS)

    assert path.read_text().splitlines()[0] == "title,price,tags,more,_url"
    rows = cells(path)
    assert rows[0] == {
        "title": "=1+1",
        "price": "5",
        "tags": '["a", "b"]',
        "more": "",
        "_url": "http://a.example/1",
    }
    assert rows[2]["title"] == 'ü "quoted", ;\n'


def test_safe_csv_has_no_formulas_and_leaves_numbers_alone(tmp_path: Path) -> None:
    texts = ["=1+1", "+1", "-1", "@a", "\tx", "plain", ""]
    items = [{"text": text, "n": -1, "_url": "u"} for text in texts]

    rows = cells(written(tmp_path, "csv", items, safe=True))

    assert [row["text"] for row in rows] == ["'=1+1", "'+1", "'-1", "'@a", "'\tx", "plain", ""]
    assert {row["n"] for row in rows} == {"-1"}
    assert [row["text"] for row in cells(written(tmp_path, "csv", items))] == texts


def test_sqlite_is_a_table_of_the_site_with_typed_columns(tmp_path: Path) -> None:
    db = sqlite3.connect(written(tmp_path, "sqlite", ITEMS))

    types = {name: kind for _, name, kind, *_ in db.execute("PRAGMA table_info(shop)")}
    assert types == {
        "title": "TEXT",
        "price": "REAL",
        "tags": "TEXT",
        "more": "TEXT",
        "_url": "TEXT",
    }
    rows = db.execute("SELECT title, price, tags, more FROM shop").fetchall()
    assert rows[:2] == [("=1+1", 5.0, '["a", "b"]', None), (None, -5.5, None, '{"x": 1}')]


def test_parquet_has_typed_columns_and_lists(tmp_path: Path) -> None:
    table = parquet.read_table(written(tmp_path, "parquet", ITEMS))

    assert [str(field.type) for field in table.schema] == [
        "string",
        "double",
        "list<element: string>",
        "string",
        "string",
    ]
    assert table.column("price").to_pylist() == [5.0, -5.5, None]
    assert table.column("tags").to_pylist() == [["a", "b"], None, []]
    assert table.column("more").to_pylist() == [None, '{"x": 1}', None]


def test_parquet_is_written_group_by_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_parquet, "GROUP", 2)

    assert parquet.ParquetFile(written(tmp_path, "parquet", ITEMS)).num_row_groups == 2


def test_without_pyarrow_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "sites.results.export_parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(Unavailable, match="pyarrow") as error:
        written(tmp_path, "parquet", ITEMS)
    assert "orch[parquet]" in error.value.hint
    assert list(tmp_path.iterdir()) == []


FORMS: list[Format] = ["jsonl", "csv", "sqlite", "parquet"]


@pytest.mark.parametrize("form", FORMS)
def test_values_that_fit_no_column_are_texts_and_none_is_lost(tmp_path: Path, form: Format) -> None:
    items: list[dict[str, Any]] = [
        {"mixed": 1, "large": 2**70, "Name": "a", "name": "b", 'od"d': True, "_url": "u"},
        {"mixed": "x", "large": 1, "Name": "c", "name": "d", 'od"d': False, "_url": "u"},
    ]

    path = written(tmp_path, form, items)

    if form == "sqlite":
        rows = sqlite3.connect(path).execute("SELECT * FROM shop").fetchall()
        assert rows[0] == ("1", str(2**70), "a", "b", 1, "u")
    if form == "parquet":
        assert parquet.read_table(path).to_pylist()[0] == {
            **items[0],
            "mixed": "1",
            "large": str(2**70),
        }


@pytest.mark.parametrize("form", FORMS)
def test_without_items_there_is_an_empty_file_of_the_form(tmp_path: Path, form: Format) -> None:
    path = written(tmp_path, form, [])

    if form == "csv":
        assert path.read_text() == "_url\n"
    if form == "sqlite":
        assert sqlite3.connect(path).execute("SELECT _url FROM shop").fetchall() == []
    if form == "parquet":
        assert parquet.read_table(path).num_rows == 0


@pytest.mark.parametrize("form", FORMS)
def test_a_file_is_whole_or_what_it_was_before(tmp_path: Path, form: Format) -> None:
    path = tmp_path / "out"
    path.write_text("before")

    def items() -> Any:
        yield from ITEMS
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        export(items, form, file)

    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["out"]
