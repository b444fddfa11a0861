"""What a user gets wrong is one clear message with the right exit code, and nothing is started."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.orch import SMALL, Orch, a_home


@pytest.mark.parametrize(
    "words",
    [("up", "-d"), ("config", "check"), ("proxies", "refresh"), ("sites", "start", "books")],
)
def test_a_broken_configuration_lists_every_mistake(orch: Orch, words: tuple[str, ...]) -> None:
    (orch.home / "orch.toml").write_text(
        '[worker]\nconcurrency = "many"\n[proxies]\ncheck_timeout = "soon"\njudge = "x"\n'
    )

    told = ("worker.concurrency", "'many'", "proxies.check_timeout", "proxies.judge", "judges")
    orch.refuses(*words, told=told)


@pytest.mark.parametrize("text", ["[worker]\nconcurrency = 0\n", "[worker\n"])
def test_doctor_tells_a_broken_configuration_once_and_looks_at_the_rest(
    orch: Orch, text: str
) -> None:
    (orch.home / "orch.toml").write_text(text)

    done = orch("doctor")
    found = orch.json("doctor", "--json")

    assert done.returncode == 1
    assert done.stdout.count("orch.toml: ") == 1, done.stdout
    assert [finding["what"] for finding in found if not finding["ok"]] == ["configuration"]
    assert {"disk", "supervisor"} <= {finding["what"] for finding in found}


def test_a_broken_site_file_lists_every_mistake(orch: Orch) -> None:
    (orch.home / "sites").mkdir()
    (orch.home / "sites/shop.toml").write_text(
        'name = "shop"\nstart_urls = ["ftp://x"]\nrate = "fast"\nspeed = 3\n'
        '[item.fields]\nprice = { css = "b:::", type = "euro" }\n'
    )

    done = orch("sites", "check", "shop")

    assert done.returncode == 2
    for part in ("shop.toml", "start_urls", "rate", "'fast'", "speed", "type"):
        assert part in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_site_is_named_with_those_there_are(orch: Orch) -> None:
    done = orch("sites", "start", "boks")

    assert done.returncode == 2
    assert "boks" in done.stderr
    assert "books" in done.stderr


def test_a_missing_source_file_is_named_before_anything_starts(orch: Orch) -> None:
    (orch.home / "orch.toml").write_text(f'{SMALL}\n[proxies]\nsources = ["lists/none.txt"]\n')
    orch.up("redis")

    done = orch("proxies", "refresh")

    assert done.returncode == 2, done.stderr
    assert "lists/none.txt" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("sites", "start", "quotes"),
        ("proxies", "refresh"),
        ("sites", "status"),
        ("restart", "worker"),
    ],
)
def test_with_nothing_up_the_way_out_is_named_with_exit_code_3(
    orch: Orch, words: tuple[str, ...]
) -> None:
    done = orch(*words)

    assert done.returncode == 3, done.stderr
    assert "orch up" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def redis_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orch]:
    """A home with its Redis, for tests that change nothing."""
    with a_home(tmp_path_factory.mktemp("redis") / "home") as orch:
        orch.up("redis")
        yield orch


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("restart", "nothing"), "worker"),
        (("up", "-d", "flower"), "worker"),
        (("logs", "flower"), "flower"),
        (("--set", "worker.concurrency", "config", "check"), "section.key=value"),
        (("--set", "worker.speed=3", "config", "check"), "worker.speed"),
        (("--home", "/nowhere/at/all", "up"), "/nowhere/at/all"),
        (("proxies", "refresh", "--timeout", "0"), "timeout"),
        (("nonsense",), "nonsense"),
    ],
)
def test_a_wrong_word_is_answered_with_what_is_allowed(
    redis_up: Orch, words: tuple[str, ...], part: str
) -> None:
    done = redis_up(*words)

    assert done.returncode == 2, (done.returncode, done.stderr)
    assert part in done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_that_cannot_be_written_is_said(orch: Orch) -> None:
    (orch.home / "data").write_text("a file where a folder must be")

    done = orch("up", "-d")

    assert done.returncode == 1
    assert str(orch.home.resolve() / "data") in done.stderr
    assert "Traceback" not in done.stderr


def test_config_init_writes_an_example_that_is_right_and_never_over_another(orch: Orch) -> None:
    (orch.home / "orch.toml").unlink()

    assert orch("config", "init").returncode == 0
    assert orch("config", "check").returncode == 0
    text = Path(orch.home / "orch.toml").read_text()
    uncommented = "\n".join(
        line.removeprefix("# ") if line.startswith("# [") or " = " in line else line
        for line in text.splitlines()
        if not line.startswith(("#   ", '# binary = "/usr'))
    )
    (orch.home / "orch.toml").write_text(uncommented)
    assert orch("config", "check").returncode == 0, orch("config", "check").stderr
    assert orch("config", "init").returncode == 2
