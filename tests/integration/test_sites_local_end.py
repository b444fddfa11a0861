"""How a crawl without services ends otherwise than by itself, and who hears of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

from orchestrator.cli import sites_local
from orchestrator.cli.signals import ECHO_S, Inbox
from orchestrator.core.errors import ConfigError
from orchestrator.facade import Orchestrator
from sites.fetch import extras
from sites.local import run as local_run
from sites.local.run import LocalRun
from sites.results.output import Results
from tests.support.local_home import LocalHome, finish, kill
from tests.support.orch import eventually
from tests.support.site_server import Answer, Site, tree

MORE = '<div class="item"><h2>{}</h2></div>'


@pytest.fixture
def site() -> Iterator[Site]:
    with Site(tree(20)) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, site: Site) -> LocalHome:
    return LocalHome(tmp_path / "home", site)


@pytest.fixture
def stuck(home: LocalHome, site: Site) -> Iterator[LocalRun]:
    """A child that hears of nothing."""
    for number in range(1, 5):
        site.pages[f"/{number}.html"] = Answer("late", hang=120)
    run = home.start()
    eventually(lambda: len(site.hits) >= 5, 60)
    os.kill(run.pid, signal.SIGSTOP)
    try:
        yield run
    finally:
        kill(run)


def broken(_home: object) -> None:
    raise RuntimeError("as if something of ours were wrong")


def test_a_child_that_breaks_off_is_told_with_its_exit_code_and_the_last_error(
    home: LocalHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(local_run, "FilePicker", broken)
    with home.jobs.started(["shop"]) as crawls:
        crawls[0].record.note(error="timeout: no whole answer within 5 s (http://a.example/)")
        crawls[0].record.save()

    code = sites_local.follow(
        Orchestrator(home.context.home.path), ["shop"], home.jobs.started(["shop"])
    )

    told = "ended with exit code 1; its last error was timeout; `orch sites resume shop --local`"
    assert code == 1
    assert told in capsys.readouterr().out.replace("\n", " ")
    assert home.row()["state"] == "failed"
    assert told in home.row()["reason"]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGKILL])
def test_the_death_of_a_child_is_heard_at_once_with_its_signal(
    home: LocalHome, stuck: LocalRun, number: signal.Signals
) -> None:
    del home
    os.kill(stuck.pid, number)
    os.kill(stuck.pid, signal.SIGCONT)

    eventually(lambda: stuck.wait(200))  # whoever only looked now and then would look after that
    assert f"was killed by {number.name}" in stuck.broke


def inbox(*signals: tuple[signal.Signals, float]) -> Inbox:
    found: Inbox = SimpleQueue()
    for each in signals:
        found.put(each)
    return found


def test_a_second_signal_ends_at_once_what_does_not_stop_and_an_echo_of_the_first_does_not(
    stuck: LocalRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sites_local, "STOP_S", 3600.0)
    echo, second = (signal.SIGTERM, 10 + ECHO_S / 2), (signal.SIGINT, 11 + ECHO_S)
    heard = inbox((signal.SIGINT, 10.0), echo)
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 4:
            assert not stuck.wait(0), "an echo has ended it"
            assert heard.empty()
            heard.put(second)

    assert sites_local._Watch(stuck, [], heard).to_the_end(look) == signal.SIGINT
    assert looks >= 4
    assert "SIGKILL" in stuck.broke


def test_what_does_not_stop_in_time_is_ended_without_a_second_signal(
    stuck: LocalRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sites_local, "STOP_S", 0.1)

    watch = sites_local._Watch(stuck, [], inbox((signal.SIGTERM, 10.0)))

    assert watch.to_the_end(lambda: None) == signal.SIGTERM
    assert "SIGKILL" in stuck.broke


def test_only_failed_pages_of_the_classes_that_are_named_are_fetched_again(
    home: LocalHome, site: Site
) -> None:
    for number, status in ((1, 403), (2, 401), (3, 404)):
        site.pages[f"/{number}.html"] = Answer(status=status)
    file = home.context.home.path / "sites/shop.toml"
    file.write_text(file.read_text().replace("attempts = 20", "attempts = 1"))
    finish(home.start())
    assert (home.row()["pages_failed"], home.row()["pages_skipped"]) == (2, 1)
    assert home.row()["pages_blocked"] == 1
    kinds = {str(page.url).rpartition("/")[2]: page.kind for page in home.jobs.failed("shop")[1]}
    assert kinds == {"1.html": "http_403", "2.html": "http_4xx"}
    site.hits.clear()
    site.pages.update({f"/{number}.html": Answer(MORE.format(number)) for number in (1, 2, 3)})

    finish(home._run(home.jobs.retried("shop", ["http_403"])))

    assert site.asked() == {"/1.html": 1}
    assert home.row()["pages_blocked"] == 0
    assert (home.row()["state"], home.row()["pages_failed"]) == ("partial", 1)

    finish(home._run(home.jobs.retried("shop")))
    finish(home._run(home.jobs.retried("shop", ["gone"])))

    assert site.asked() == {"/1.html": 1, "/2.html": 1, "/3.html": 1}
    row = home.row()
    assert (row["state"], row["pages_failed"], row["pages_skipped"]) == ("done", 0, 0)


@pytest.mark.parametrize("engine", [None, "chrome"])
def test_redirects_in_a_circle_to_itself_and_without_end_are_failures_of_that_class(
    tmp_path: Path, site: Site, engine: str | None
) -> None:
    links = "".join(f'<a href="/{name}">x</a>' for name in ("self", "circle/0", "chain/0"))
    ways = {"/self": "/self", **{f"/circle/{n}": f"/circle/{(n + 1) % 3}" for n in range(3)}}
    ways |= {f"/chain/{n}": f"/chain/{n + 1}" for n in range(30)}
    site.pages = {"/0.html": Answer(links)}
    site.pages |= {a: Answer(status=302, headers={"Location": b}) for a, b in ways.items()}
    home = LocalHome(tmp_path / "home", site, **({"impersonate": engine} if engine else {}))

    finish(home.start())

    most = 5  # links in a row, unless the site's file says otherwise
    asked = {"/0.html", "/self", *(f"/circle/{n}" for n in range(3))}
    asked |= {f"/chain/{n}" for n in range(most + 1)}
    assert site.asked() == dict.fromkeys(asked, 1)
    with Results(home.place.results) as results:
        failed = {row["url"]: row["reason"] for row in results.failures(results.newest_job() or "")}
    assert failed == {
        site.url("/self"): "redirect: to itself or to what is no page",
        site.url("/circle/2"): f"redirect: in a circle, by {site.url('/circle/0')}",
        site.url(f"/chain/{most}"): f"redirect: more than {most} in a row",
    }


def test_an_engine_that_is_not_installed_is_told_before_there_is_a_job(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = LocalHome(tmp_path / "home", site, impersonate="chrome")
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    orch = Orchestrator(home.context.home.path)

    for start in (
        home.start,
        lambda: orch.sites.start("shop"),  # there is no Redis: that would be told otherwise
    ):
        with pytest.raises(ConfigError) as told:
            start()
        assert told.value.problems == ("shop: impersonate = 'chrome' needs curl_cffi",)
        assert told.value.exit_code == 2
    assert not home.place.record.exists()
    assert not site.hits
