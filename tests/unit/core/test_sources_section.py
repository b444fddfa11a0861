"""`[proxies.source.NAME]`: what may be said, and every mistake at once."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from orchestrator.core import config, mask, proxies_section, variables
from orchestrator.core.errors import ConfigError
from orchestrator.core.home import Home
from orchestrator.operate.example import EXAMPLE

GOOD = """
[proxies]
sources = ["a.txt", "https://example.org/list", "${FREE_LIST}"]
[proxies.source.paid]
url = "https://${PAID_USER}:${PAID_PASSWORD}@lists.example.org:${PORT}/all?token=${TOKEN}"
headers = { Authorization = "Bearer ${TOKEN}" }
format = "json"
path = "data.0.proxies"
fields = { host = "ip", port = "p", scheme = "kind" }
proxy_user = "${PROXY_USER}"
proxy_password = "sesame"
timeout = "5s"
max_size = "1MB"
keep = "2h"
[proxies.source.own]
command = ["./lists.py", "--all"]
format = "csv"
delimiter = ";"
[proxies.source.page]
shell = "curl -s https://example.org | head -1"
pattern = '(?P<host>\\S+):(?P<port>\\d+)'
"""


def load(tmp_path: Path, text: str, **given: str) -> config.Config:
    (tmp_path / "orch.toml").write_text(text)
    return config.load(Home(tmp_path), {k.replace("__", "."): v for k, v in given.items()})


def told(tmp_path: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as wrong:
        load(tmp_path, text)
    return wrong.value.problems


def a_source(**keys: str) -> str:
    """A source that is right but for `keys`."""
    table = {"url": '"http://example.org/list"'} | keys
    return "[proxies.source.own]\n" + "".join(f"{k} = {v}\n" for k, v in table.items() if v)


@pytest.mark.parametrize("module", [proxies_section, variables, mask])
def test_the_examples_in_the_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_what_is_right_is_taken_as_it_is_meant(tmp_path: Path) -> None:
    section = load(tmp_path, GOOD).settings.proxies

    assert section.sources == ("a.txt", "https://example.org/list", "${FREE_LIST}")
    paid = section.source["paid"]
    assert (paid.timeout, paid.max_size, paid.keep) == (5.0, 1_000_000, 7200.0)
    assert section.source["own"].command == ("./lists.py", "--all")
    assert section.has_sources


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (a_source(file='"a.txt"'), ["proxies.source.own: names file and url; only one"]),
        (a_source(url=""), ["own: needs a place to read: one of file, url, command, shell"]),
        (a_source(urk='"x"'), ["proxies.source.own.urk: no such key; did you mean url?"]),
        (a_source(url='"ftp://x/y"'), ["own.url = 'ftp://x/y': must start with http://"]),
        (a_source(url='"http://"'), ["must be a URL like https://"]),
        (a_source(url='"http://x:99999/"'), ["must be a URL like https://"]),
        (a_source(url='"http://x/a b"'), ["blanks must be written like %20"]),
        (a_source(url='"http://x/${A-B}"'), ["${A-B} can be no variable"]),
        (a_source(pattern='"("'), ["own.pattern", "is no regular expression"]),
        (a_source(pattern='"(?P<host>x)"'), ["needs the groups (?P<host>…) and (?P<port>…)"]),
        (a_source(pattern="'(?P<hst>x)'"), ["no such group: hst; there are proxy, scheme"]),
        (a_source(pattern="'(?P<proxy>x)'", format='"json"'), ["own.pattern: goes with format"]),
        (a_source(path='"a"'), ["own.path: goes with format = 'json' only"]),
        (a_source(fields='{ host = "a" }'), ["goes with format = 'json' or 'csv' only"]),
        (a_source(format='"csv"', fields='{ hots = "a" }'), ["fields.hots", "did you mean host?"]),
        (a_source(format='"xml"'), ["own.format = 'xml'"]),
        (a_source(headers='{ "a b" = "c" }'), ["'a b' cannot be the name of a header"]),
        (a_source(headers='{ A = "b\\nC: d" }'), ["cannot hold line breaks"]),
        (a_source(timeout='"0s"'), ["own.timeout = '0s'"]),
        (a_source(url="", file='"a"', user='"me"'), ["own.user: goes with url only; what its"]),
        (a_source(password='"x"'), ["own.password: needs user beside it"]),
        (a_source(proxy_password='"x"'), ["own.proxy_password: needs proxy_user beside it"]),
        (a_source(url="", command='"a b"'), ["own.command = 'a b': must be a list of words"]),
        (a_source(url="", command='["a", "${T}"]'), ["no ${NAME} is put into a command"]),
        ("[proxies.source.'A b']\nfile = 'x'\n", ["a source's name must match"]),
        ("[[proxies.source]]\nfile = 'x'\n", ["must be one table: [proxies.source.NAME]"]),
        ("[proxies.source]\nfile = 'x'\n", ["must be a table, like [proxies.source.NAME]"]),
        ("[proxies]\nsources = 'a'\n", ["proxies.sources = 'a': must be a list: [\"a\"]"]),
        ("[proxies]\nsources = [{ url = 'x' }]\n", ["what needs a table is called"]),
        ("[proxies.sources.paid]\nurl = 'http://x/'\n", ["what needs a table is called"]),
        ("[proxies]\nsources = ['ftp://ann:pw@h/x']\n", ["'ftp://***@h/x': each must be a file"]),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_is_allowed(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    problems = told(tmp_path, text)

    assert len(problems) == 1, problems
    for part in parts:
        assert part in problems[0]


def test_every_mistake_is_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        '[worker]\nconcurrency = 0\n[proxies]\nsources = ["ftp://x"]\n'
        '[proxies.source.a]\nurl = "x"\nfile = "y"\n[proxies.source.b]\nformat = "csv"\n'
        'path = "z"\ntimeout = "soon"\n'
    )

    problems = told(tmp_path, text)

    wanted = [
        "worker.concurrency",
        "proxies.sources.0",
        "proxies.source.a: names file and url",
        "proxies.source.a.url",
        "proxies.source.b: needs a place",
        "proxies.source.b.path",
        "proxies.source.b.timeout",
    ]
    assert len(problems) == len(wanted), problems
    for key, problem in zip(wanted, problems, strict=True):
        assert key in problem


def test_no_literal_secret_is_shown(tmp_path: Path) -> None:
    text = (
        '[proxies]\nsources = ["http://ann:sesame1@x/?page=1&api_key=sesame2"]\n'
        '[proxies.source.a]\nurl = "http://x/?token=sesame3"\nheaders = { A = "sesame4" }\n'
        'user = "ann"\npassword = "sesame5"\nproxy_user = "bob"\nproxy_password = "sesame6"\n'
    )
    rows = load(tmp_path, text).flat()
    wrong = told(tmp_path, text.replace('"sesame4"', '"sesame4\\n"') + "timeout = 0\n")

    assert "sesame" not in str(rows)
    assert "page=1" in str(rows)
    assert "sesame" not in str(wrong)
    assert len(wrong) == 2


def test_a_table_can_be_set_for_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCH_PROXIES_SOURCE_MY_LIST_FIELDS_HOST", "ip")
    monkeypatch.setenv("ORCH_PROXIES_SOURCE_MY_LIST_MAX_SIZE", "9KB")
    monkeypatch.setenv("ORCH_PROXIES_SOURCE_TIMEOUT", "9s")
    monkeypatch.setenv("ORCH_PROXIES_SOURCE_MAX_SIZE", "3KB")
    text = '[proxies.source.my-list]\nfile = "a"\nformat = "csv"\n'

    section = load(tmp_path, text, **{"proxies__source__my-list__timeout": "3s"}).settings.proxies

    table = section.source["my-list"]
    assert (table.timeout, table.max_size, table.fields and table.fields.host) == (3, 9000, "ip")
    assert (section.source_timeout, section.source_max_size) == (9, 3000)


def test_what_the_readme_and_the_example_show_is_right(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    shown = readme.partition("### Sources")[2].partition("```toml")[2].partition("```")[0]
    section = load(tmp_path, shown).settings.proxies
    said = EXAMPLE.partition("[proxies]")[2].partition("[sites]")[0].replace("\n# ", "\n")
    example = load(tmp_path, f"[proxies]{said}").settings.proxies

    assert list(section.source) == ["paid", "free", "page", "own"]
    assert section.source["page"].pattern
    assert example.source["paid"].path == "data.list"
