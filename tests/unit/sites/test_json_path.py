"""JSON of an API."""

from __future__ import annotations

import pytest

from sites.extract.json_path import JsonPath, read_json

DATA = {"data": {"items": [{"price": 1.5, "on": True}, {"price": None}, {"price": "2"}]}, "x-y": 1}


def found(path: str, data: object = DATA) -> list[object]:
    reader = JsonPath.parse(path)
    return [reader.read(match) for match in reader.matches(data)]


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("data.items[*].price", [1.5, "2"]),
        ("data.items[0].on", [True]),
        ("data.items[?price=='2'].price", ["2"]),
        ('"x-y"', [1]),
        ("data.none", []),
        ("data.items[9]", []),
        ("data.items[0]", ['{"price": 1.5, "on": true}']),
        ("length(data)", [2 - 1]),
        ("max(data)", []),
    ],
)
def test_a_path_finds_values(path: str, values: list[object]) -> None:
    assert found(path) == values


@pytest.mark.parametrize("wrong", ["data..x", "data[", "", "a b"])
def test_what_is_no_path_is_told(wrong: str) -> None:
    with pytest.raises(ValueError, match="this JSON path cannot be understood"):
        JsonPath.parse(wrong)


@pytest.mark.parametrize("text", ["", "<html>", "{", "[" * 100_000, '{"a": 1} x', "9" * 5000])
def test_what_is_no_json_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expect|Extra|deep|digits"):
        read_json(text)


def test_what_python_takes_for_numbers_and_json_does_not_is_no_value() -> None:
    assert read_json('{"a": NaN, "b": -Infinity, "c": "x\ny"}') == {
        "a": None,
        "b": None,
        "c": "x\ny",
    }
