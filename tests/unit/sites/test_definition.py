"""Site files: what is understood, and how what is wrong is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator.core.errors import ConfigError
from orchestrator.core.home import Home
from sites.definition import Definition, parse_rate
from sites.registry import Registry, read

SMALL = """
start_urls = ["http://Example.com"]
[item]
fields = { title = "h1::text" }
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / "sites" / f"{name}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_few_lines_are_enough(tmp_path: Path) -> None:
    site = read(write(tmp_path, "shop", SMALL))

    assert site.name == "shop"
    assert site.start_urls == ("http://example.com/",)
    assert site.allowed_hosts == ("example.com",)
    assert site.item.fields["title"].css == "h1::text"
    assert site.proxies == "never"


def test_every_problem_is_told_at_once_with_file_key_value_and_what_is_allowed(
    tmp_path: Path,
) -> None:
    path = write(
        tmp_path,
        "shop",
        """
start_urls = ["ftp://example.com/"]
allowed_hosts = ["http://example.com/"]
proxies = "always"
rate = "fast"
concurency = 3
[[follow]]
css = "a[["
match = "("
[item]
css = "div::text"
[item.fields]
title = { css = "h1", typ = "int" }
price = { css = "p", type = "dollars" }
[limits]
depth = -1
""",
    )

    with pytest.raises(ConfigError) as wrong:
        read(path)

    told = "\n".join(wrong.value.problems)
    assert all(line.startswith(f"{path}: ") for line in wrong.value.problems)
    assert "start_urls.0 = 'ftp://example.com/': must start with http:// or https://" in told
    assert "allowed_hosts.0 = 'http://example.com/': must be a host name" in told
    assert "proxies = 'always': input should be 'never', 'prefer' or 'require'" in told
    assert "rate = 'fast': write requests per time, like 5/s" in told
    assert "concurency: no such key; did you mean concurrency?" in told
    assert "follow.0.css = 'a[[': this CSS cannot be understood" in told
    assert "follow.0.match = '(': this regular expression cannot be understood" in told
    assert "item.css = 'div::text': must be plain CSS" in told
    assert "item.fields.title.typ: no such key; did you mean type?" in told
    assert "item.fields.price.type = 'dollars': input should be 'text', 'int'" in told
    assert "limits.depth = -1: input should be greater than or equal to 0" in told


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as wrong:
        read(write(tmp_path, "shop", "rate = 1"))

    told = "\n".join(wrong.value.problems)
    assert "start_urls: is missing" in told
    assert "item: is missing" in told


def test_a_file_that_is_no_toml_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this is not TOML"):
        read(write(tmp_path, "shop", "start_urls = ["))


def test_a_definition_travels_as_json(tmp_path: Path) -> None:
    site = read(write(tmp_path, "shop", SMALL))

    assert Definition.model_validate_json(site.model_dump_json()) == site


def test_a_definition_never_changes(tmp_path: Path) -> None:
    site = read(write(tmp_path, "shop", SMALL))

    with pytest.raises(ValidationError):
        site.rate = 1000.0  # type: ignore[misc]


@pytest.mark.parametrize(("text", "rate"), [("5/s", 5), ("120 / m", 2), ("360/h", 0.1), (3, 3)])
def test_a_rate_is_requests_per_time(text: object, rate: float) -> None:
    assert parse_rate(text) == rate


def test_we_say_who_we_are_and_whom_to_write_to(tmp_path: Path) -> None:
    site = read(write(tmp_path, "shop", 'contact = "mailto:me@example.org"\n' + SMALL))

    assert site.agent == "orch (+mailto:me@example.org)"


def test_a_host_without_a_port_means_any_port() -> None:
    site = Definition.model_validate(
        {
            "name": "s",
            "start_urls": ["http://Shop.example:8080/"],
            "allowed_hosts": ["shop.example", "static.example:81"],
            "item": {"fields": {"a": "b"}},
        }
    )

    assert site.allows("http://shop.example/")
    assert site.allows("http://shop.example:8080/")
    assert site.allows("http://static.example:81/")
    assert not site.allows("http://static.example/")
    assert not site.allows("http://other.example/")


def test_the_shipped_sites_are_valid(tmp_path: Path) -> None:
    found, problems = Registry(Home(tmp_path)).entries()

    assert list(found) == ["books", "pydocs", "quotes"]
    assert not problems


def test_the_home_wins_by_name_whatever_the_file_is_called(tmp_path: Path) -> None:
    write(tmp_path, "mine", 'name = "books"\n' + SMALL)

    entry = Registry(Home(tmp_path)).get("books")

    assert not entry.shipped
    assert entry.definition.start_urls == ("http://example.com/",)


def test_two_files_of_one_name_are_a_problem(tmp_path: Path) -> None:
    write(tmp_path, "a", 'name = "shop"\n' + SMALL)
    write(tmp_path, "b", 'name = "shop"\n' + SMALL)

    _, problems = Registry(Home(tmp_path)).entries()

    assert len(problems) == 1
    assert "has this name too" in problems[0]


def test_a_broken_file_stops_its_own_site_only(tmp_path: Path) -> None:
    path = write(tmp_path, "shop", "rate = -1")
    registry = Registry(Home(tmp_path))

    with pytest.raises(ConfigError, match="rate = -1"):
        registry.get("shop")
    assert registry.get("quotes").shipped
    assert str(path) in registry.entries()[1][0]


def test_an_unknown_site_is_told_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there are: books, pydocs, quotes"):
        Registry(Home(tmp_path)).get("bookz")
