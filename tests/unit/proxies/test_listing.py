"""What a list says: text, JSON and CSV, well made and not."""

from __future__ import annotations

import doctest
import json
import time

import pytest

from orchestrator.core.clock import Deadline
from orchestrator.core.proxies_section import SourceTable
from proxies.sources import failure, listing
from proxies.sources.failure import SourceFailed
from proxies.sources.listing import Listing, Manner, decode, read


def understood(text: str, scheme: str | None = None, **table: object) -> Listing:
    said = SourceTable.model_validate({"file": "x", **table})
    return read(text, Manner(said, scheme), Deadline.after(20))


def keys(text: str, scheme: str | None = "http", **table: object) -> list[str]:
    return list(understood(text, scheme, **table).proxies)


def refused(text: str, **table: object) -> str:
    with pytest.raises(SourceFailed) as failed:
        understood(text, **table)
    return str(failed.value)


@pytest.mark.parametrize("module", [failure, listing])
def test_the_examples_in_the_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_bad_lines_are_counted_and_named_without_what_they_hold() -> None:
    text = "# a list\n10.0.0.1:80\n\n10.0.0.2:80 # quick\nann:secret\n10.0.0.3:99999\n"

    found = understood(text, "http")

    assert list(found.proxies) == ["http://10.0.0.1:80", "http://10.0.0.2:80"]
    assert (found.addresses, found.bad) == (2, 2)
    assert found.first_bad[0].startswith("line 5: ")
    assert "secret" not in "".join(found.first_bad)


def test_an_address_without_a_scheme_is_all_that_it_may_be_unless_one_is_said() -> None:
    found = understood("10.0.0.1:1080\nsocks4://10.0.0.2:1080\n")

    assert list(found.proxies) == [
        "http://10.0.0.1:1080",
        "socks5://10.0.0.1:1080",
        "socks4://10.0.0.2:1080",
    ]
    assert found.addresses == 2
    assert keys("10.0.0.1:1080\n", "socks4") == ["socks4://10.0.0.1:1080"]


def test_what_stands_twice_counts_once() -> None:
    found = understood("10.0.0.1:80\nhttp://10.0.0.1:80\nhttp://ann:pw@10.0.0.1:80\n", "http")

    assert list(found.proxies) == ["http://10.0.0.1:80", "http://ann@10.0.0.1:80"]
    assert found.addresses == 2


def test_a_json_list_is_found_by_its_path_and_its_fields_by_their_usual_names() -> None:
    entries = [
        {"ip": "10.0.0.1", "port": "80", "protocols": ["socks4", "socks5"]},
        {"IP": "10.0.0.2", "Port": 80.0, "protocol": "HTTP, socks5", "url": "https://x/about"},
        {"proxy": "socks5://ann:pw@10.0.0.3:1080"},
        "10.0.0.4:80",
        {"host": "2001:db8::1", "port": 80, "username": "a@b", "password": "p:w"},
    ]
    text = json.dumps({"data": [{"list": entries}]})

    found = understood(text, "http", format="json", path="data.0.list")

    assert list(found.proxies) == [
        "socks4://10.0.0.1:80",
        "socks5://10.0.0.1:80",
        "http://10.0.0.2:80",
        "socks5://10.0.0.2:80",
        "socks5://ann@10.0.0.3:1080",
        "http://10.0.0.4:80",
        "http://a%40b@[2001:db8::1]:80",
    ]
    assert [proxy.password for proxy in found.proxies.values() if proxy.username] == ["pw", "p:w"]


def test_json_fields_may_be_named_also_one_inside_another() -> None:
    text = json.dumps([{"at": {"v4": "10.0.0.1"}, "p": 80, "port": 1, "how": "socks4"}])
    fields = {"host": "at.v4", "port": "p", "scheme": "how"}

    assert keys(text, format="json", fields=fields) == ["socks4://10.0.0.1:80"]


@pytest.mark.parametrize("entry", [None, 3, [], {}, {"ip": "10.0.0.1"}, {"port": 80}, True, "x"])
def test_an_entry_that_names_nobody_is_counted(entry: object) -> None:
    found = understood(json.dumps([entry, "10.0.0.1:80"]), "http", format="json")

    assert (len(found.proxies), found.bad) == (1, 1)
    assert found.first_bad[0].startswith("entry 1: ")


@pytest.mark.parametrize(
    ("text", "path", "told"),
    [
        ("10.0.0.1:80", None, "is no JSON: Extra data: line 1 column 5"),
        ("", None, "is no JSON: Expecting value"),
        ("[" * 100_000, None, "nested too deeply"),
        ("9" * 5000, None, "is no JSON: Exceeds the limit"),
        ('{"data": []}', None, "is no list as a whole, but an object with data; `path` says"),
        ('{"data": {"a": 1, "b": 2}}', "data.list", "has no 'list' at 'data'; there are a, b"),
        ('{"data": {}}', "date", "has no 'date' as a whole; there are data"),
        ("[1]", "3", "has no '3' as a whole: that is a list"),
        ('{"a": "x"}', "a", "is no list at 'a', but a text"),
        ('{"a\\u001b[31m": 1}', None, "an object with a"),
    ],
)
def test_json_that_is_not_as_said_is_named(text: str, path: str | None, told: str) -> None:
    assert told in refused(text, format="json", path=path)


def test_csv_columns_are_found_by_their_names() -> None:
    text = "\ufeff\nPort;Country;IP;Protocol\n80;'DE';10.0.0.1;socks5\n\n81;FR;10.0.0.2;\n82\n"

    found = understood(decode(text.encode()), "http", format="csv", delimiter=";")

    assert list(found.proxies) == ["socks5://10.0.0.1:80", "http://10.0.0.2:81"]
    assert found.first_bad == ["line 6: has no host"]


def test_csv_columns_may_be_named_and_cells_may_hold_the_delimiter() -> None:
    text = 'where,p,note\n10.0.0.1,80,"a, ""b""\nc"\n10.0.0.2,81,\n'

    fields = {"host": "Where", "port": "p"}

    assert keys(text, format="csv", fields=fields) == ["http://10.0.0.1:80", "http://10.0.0.2:81"]


def test_csv_without_the_columns_is_named_with_what_is_there() -> None:
    assert "host and port; `fields` names them; there are a, b" in refused("a,b\n1,2", format="csv")
    told = refused("ip,port\n", format="csv", fields={"host": "addr"})
    assert told == "has no column 'addr'; there are ip, port"
    assert "is no CSV: line 2" in refused("ip,port\n" + "x" * 200_000, format="csv")


def test_a_pattern_finds_proxies_in_anything() -> None:
    text = "<td>10.0.0.1</td>\n <td>80</td><i>socks5\n<td>10.0.0.2</td><td>81</td>"
    pattern = r"(?P<host>\d+\.\d+\.\d+\.\d+)</td>\s*<td>(?P<port>\d+)</td>(?:<i>(?P<scheme>\w+))?"

    assert keys(text, pattern=pattern) == ["socks5://10.0.0.1:80", "http://10.0.0.2:81"]


def test_a_pattern_reads_lines_with_the_credentials_behind() -> None:
    pattern = "^(?P<host>[^:]+):(?P<port>[0-9]+):(?P<username>[^:]+):(?P<password>.+)$"

    found = understood("10.0.0.1:80:ann:p:w\n10.0.0.2:80:bob:x@y\n", "http", pattern=pattern)

    assert list(found.proxies) == ["http://ann@10.0.0.1:80", "http://bob@10.0.0.2:80"]
    assert [proxy.password for proxy in found.proxies.values()] == ["p:w", "x@y"]


def test_a_pattern_that_would_take_for_ever_is_ended() -> None:
    said = SourceTable(file="x", pattern="(?P<proxy>(a+)+)$")
    began = time.monotonic()

    with pytest.raises(SourceFailed, match="the pattern took too long"):
        read("a" * 64 + "!", Manner(said), Deadline.after(1))
    assert time.monotonic() - began < 20


def test_credentials_that_are_said_for_the_list_are_for_those_that_have_none() -> None:
    said = SourceTable(file="x")
    manner = Manner(said, "http", "ann", "secret")

    found = read("10.0.0.1:80\nhttp://bob:pw@10.0.0.2:80\n", manner, Deadline.after(5)).proxies

    assert [proxy.url for proxy in found.values()] == [
        "http://ann:secret@10.0.0.1:80",
        "http://bob:pw@10.0.0.2:80",
    ]
    assert "secret" not in repr(manner)


def test_a_list_that_names_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST_ENTRIES", 10)

    assert refused("".join(f"10.0.0.{n}:80\n" for n in range(20))) == "names more than 10 proxies"


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        ("10.0.0.1:80 # é".encode(), ""),
        ("10.0.0.1:80 # é".encode("utf-8-sig"), "ascii"),
        ("10.0.0.1:80 # é".encode("latin-1"), "utf-8"),
        ("10.0.0.1:80 # é".encode("utf-16"), "utf-8"),
        ("10.0.0.1:80 # é".encode("utf-16-le"), ""),
        ("\ufeff10.0.0.1:80 # é".encode("utf-16-be"), ""),
        (b"10.0.0.1:80 # ok", "utf-16"),
        (b"10.0.0.1:80 # \xff", "no-such-charset"),
    ],
)
def test_a_wrong_encoding_does_no_harm(body: bytes, charset: str) -> None:
    assert keys(decode(body, charset)) == ["http://10.0.0.1:80"]
