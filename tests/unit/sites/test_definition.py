"""Site files: what is understood, and how what is wrong is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator.core.errors import ConfigError
from orchestrator.core.home import Home
from orchestrator.gate.limits import Limits, parse_rate
from sites.definition.definition import Definition
from sites.definition.registry import Registry, read
from sites.politeness.gates import SLOT_TTL_S, limits_of

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


def test_a_login_in_a_url_is_refused_and_never_shown(tmp_path: Path) -> None:
    path = write(tmp_path, "shop", SMALL.replace("http://", "http://ann:secret@"))

    with pytest.raises(ConfigError) as error:
        read(path)

    told = " ".join(error.value.problems)
    assert "start_urls.0" in told
    assert "must have no login before the host: none is ever sent" in told
    assert "secret" not in told


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


def test_a_priority_goes_by_the_url(tmp_path: Path) -> None:
    rules = '[[follow]]\nmatch = "/product/"\npriority = 10\n[[follow]]\nmatch = "/tag/"\npriority = -5\n'
    site = read(write(tmp_path, "shop", SMALL + rules))

    urls = ("/product/1", "/tag/1", "/about")
    assert [site.priority_of(f"https://example.com{url}") for url in urls] == [-10, 5, 0]
    with pytest.raises(ConfigError, match="priority goes by the URL of a page: add match"):
        read(write(tmp_path, "shop", SMALL + "[[follow]]\npriority = 1\n"))


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


GATE = """
rate = "120/m"
burst = 3
concurrency = 4
adaptive = false
rate_min = "6/m"
host_rate = "1/s"
host_burst = 2
host_concurrency = 2
merge_www = true
[breaker]
failures = 7
window = "1m"
ratio = 0.8
open = "10s"
open_cap = "1h"
trials = 2
"""


def test_what_a_site_allows_is_what_its_gate_does(tmp_path: Path) -> None:
    text = SMALL.replace("[item]", GATE + "[item]")
    site = read(write(tmp_path, "shop", text))

    assert limits_of(site) == Limits(
        rate=2.0,
        burst=3,
        slots=4,
        host_rate=1.0,
        host_burst=2,
        host_slots=2,
        failures=7,
        window_s=60.0,
        ratio=0.8,
        open_s=10.0,
        open_cap_s=3600.0,
        trials=2,
        adaptive=False,
        rate_min=0.1,
        merge_www=True,
        lease_s=SLOT_TTL_S,
    )


def test_a_site_that_says_nothing_has_the_defaults_of_the_gate(tmp_path: Path) -> None:
    site = read(write(tmp_path, "shop", SMALL))

    assert limits_of(site) == Limits(rate=2.0, lease_s=SLOT_TTL_S)


def test_whatever_is_wrong_about_the_gate_is_told_at_once(tmp_path: Path) -> None:
    wrong = """
rate = "1/m"
rate_min = "2/m"
host_burst = 2
host_rate = "-1/s"
host_concurrency = -1
adaptive = "sometimes"
merge_www = "maybe"
[breaker]
failures = 0
ratio = 1.5
open = "10m"
trials = 0
timeout = "1s"
"""
    path = write(tmp_path, "shop", SMALL.replace("[item]", wrong + "[item]"))

    with pytest.raises(ConfigError) as found:
        read(path)

    told = "\n".join(line.removeprefix(f"{path}: ") for line in found.value.problems)
    assert "rate_min = '2/m': must be at most rate" in told
    assert "host_rate = '-1/s': write requests per time, like 5/s" in told
    assert "host_concurrency = -1: input should be greater than or equal to 0" in told
    assert "adaptive = 'sometimes': input should be a valid boolean" in told
    assert "merge_www = 'maybe': input should be a valid boolean" in told
    assert "breaker.failures = 0: input should be greater than or equal to 1" in told
    assert "breaker.ratio = 1.5: input should be less than or equal to 1" in told
    assert "breaker.open_cap = 300.0: must be at least open" in told
    assert "breaker.trials = 0: input should be greater than or equal to 1" in told
    assert "breaker.timeout: no such key" in told


@pytest.mark.parametrize("rate", ["0", '"0/s"', '"0.01/h"', "1e-9", "20000"])
def test_a_rate_that_is_none_is_told(tmp_path: Path, rate: str) -> None:
    path = write(tmp_path, "shop", f"rate = {rate}\n" + SMALL)

    with pytest.raises(ConfigError, match=r"rate = .*(at least one a day|less than or equal)"):
        read(path)


def test_a_burst_of_hosts_without_a_rate_means_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "shop", "host_burst = 2\n" + SMALL)

    with pytest.raises(ConfigError, match="host_burst = 2: means nothing without host_rate"):
        read(path)


def test_a_job_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    """Its definition, as it is stored, says nothing of what came later."""
    site = read(write(tmp_path, "shop", SMALL))
    later = {"adaptive", "rate_min", "host_rate", "host_burst", "host_concurrency", "merge_www"}
    stored = site.model_dump_json(exclude={*later, "breaker"})
    assert "breaker" not in stored

    assert Definition.model_validate_json(stored) == site


def test_a_run_that_asks_only_for_what_changed_goes_on_so(tmp_path: Path) -> None:
    today = read(write(tmp_path, "shop", SMALL))
    began = today.told(changed_only=True)

    assert not today.changed_only
    assert today.going_on(began.model_dump_json()).changed_only
    assert not today.going_on(today.model_dump_json()).changed_only
    assert today.going_on("{}") == today  # it began with an older version
