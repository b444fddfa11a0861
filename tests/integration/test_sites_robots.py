"""A robots.txt over real HTTP: what is asked for, how often, and what is made of each answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sites.definition.definition import Definition
from sites.fetch.answer import Answer as Found
from sites.fetch.answer import Failed
from sites.fetch.kind import Kind
from sites.fetch.transport import Transport
from sites.politeness import robots as module
from sites.politeness.robots import FRESH_S, Known, Robots
from sites.politeness.robots_rules import MOST_BYTES
from sites.politeness.robots_store import LocalRobots
from tests.support.fake_clock import FakeClock
from tests.support.site_server import Answer, Site

TEXT = {"Content-Type": "text/plain"}
SECRET = Answer("User-agent: orch\nDisallow: /secret\nCrawl-delay: 3\n", headers=TEXT)
AWAY = Answer(status=503)


class Reader:
    """Workers that read the robots.txt of a site, with a store and a clock in common."""

    def __init__(self, site: Site, folder: Path, timeout: str = "60s") -> None:
        self.clock = FakeClock(1_700_000_000.0)
        self.delays: list[float] = []
        self.site = site
        self.store = LocalRobots(folder / "robots.sqlite", self.clock)
        self.definition = Definition.model_validate(
            {
                "name": "shop",
                "start_urls": [site.url()],
                "item": {"fields": {"title": "h1"}},
                "allow_private": True,
                "limits": {"timeout": timeout, "body_mb": 0.01},
            }
        )

    def run(
        self, work: Callable[[Robots, Callable[[str], Awaitable[Found]]], Awaitable[Any]]
    ) -> Any:
        """Let a worker do something that knows only what is kept."""

        async def main() -> Any:
            async with Transport(self.definition) as transport:

                async def ask(url: str) -> Found:
                    return await transport.get(url, None, head=MOST_BYTES)

                heard, clock = self.delays.append, self.clock
                return await work(Robots("orch/1.0 (+x)", self.store, heard, clock), ask)

        return asyncio.run(main())

    def refusals(self, *paths: str) -> list[Failed | None]:
        """Ask about these pages, all at once."""

        async def all_of(robots: Robots, ask: Any) -> list[Failed | None]:
            asked = (robots.refusal(self.site.url(path), ask) for path in paths)
            return list(await asyncio.gather(*asked))

        found: list[Failed | None] = self.run(all_of)
        return found

    def refusal(self, path: str = "/secret") -> Failed | None:
        return self.refusals(path)[0]


def test_a_page_is_refused_by_the_rule_that_says_so_and_its_host_is_asked_once_a_day(
    tmp_path: Path,
) -> None:
    with Site({"/robots.txt": SECRET}) as site:
        reader = Reader(site, tmp_path)

        first, *others = reader.refusals("/secret/x", "/a", "/b", "/robots.txt")
        assert first == Failed(Kind.ROBOTS, "Disallow: /secret")
        assert first.reason == "robots: Disallow: /secret"
        assert others == [None, None, None]
        assert reader.delays == [3.0]
        reader.clock.now += FRESH_S - 1
        assert reader.refusal()
        assert reader.delays == [3.0, 3.0]
        assert site.asked() == {"/robots.txt": 1}

        site.pages["/robots.txt"] = Answer("User-agent: *\nDisallow:", headers=TEXT)
        reader.clock.now += 2
        assert reader.refusal() is None
        assert site.asked() == {"/robots.txt": 2}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=404),
        Answer(status=410),
        Answer(status=401),
        Answer(status=403),
        Answer(status=400),
        Answer(status=204),
        Answer("", headers=TEXT),
        Answer("<html>User-agent: *\nDisallow: </html>"),
        Answer(status=301),
        Answer(status=301, headers={"Location": "mailto:x"}),
        Answer(status=301, headers={"Location": "/robots.txt"}),
    ],
)
def test_a_site_without_one_allows_all(answer: Answer, tmp_path: Path) -> None:
    with Site({"/robots.txt": answer}) as site:
        reader = Reader(site, tmp_path)
        assert reader.refusals("/a", "/secret") == [None, None]
        assert reader.refusal() is None
        assert site.asked()["/robots.txt"] == (
            6 if answer.headers.get("Location") == "/robots.txt" else 1
        )


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (AWAY, Kind.HTTP_5XX),
        (Answer(status=500), Kind.HTTP_5XX),
        (Answer(status=429), Kind.HTTP_429),
        (Answer(status=408), Kind.TIMEOUT),
        (Answer(close=True), Kind.CONNECT),
        (Answer(hang=30), Kind.TIMEOUT),
        (Answer(b"no gzip", headers={"Content-Encoding": "gzip"}), Kind.PARSE),
        (Answer("x", headers={"Content-Length": "9", "Connection": "close"}), Kind.PROTOCOL),
    ],
)
def test_while_it_cannot_be_had_nothing_is_asked_for_and_the_reason_says_so(
    answer: Answer, kind: Kind, tmp_path: Path
) -> None:
    with Site({"/robots.txt": answer}) as site:
        reader = Reader(site, tmp_path, "1s" if answer.hang else "60s")

        first, second = reader.refusals("/a", "/b")

        assert first
        assert first == second
        assert first.kind is kind
        assert first.rule.retry
        assert first.reason.startswith(f"{kind}: robots.txt of {site.host}: ")
        assert first.retry_after == 2.0
        # aiohttp may ask a second time where it was hung up on.
        assert site.asked()["/robots.txt"] <= (2 if kind is Kind.CONNECT else 1)


def test_it_is_asked_for_again_ever_later_until_it_comes(tmp_path: Path) -> None:
    with Site({"/robots.txt": AWAY}) as site:
        reader = Reader(site, tmp_path)
        for tries, wait in enumerate((2.0, 4.0, 8.0), start=1):
            refused = reader.refusal()
            assert refused
            assert refused.retry_after == wait
            reader.clock.now += wait - 0.5
            assert reader.refusal()
            assert site.asked()["/robots.txt"] == tries
            reader.clock.now += 1
        site.pages["/robots.txt"] = SECRET
        assert reader.refusals("/a", "/secret")[0] is None


def test_what_the_site_says_about_coming_again_holds(tmp_path: Path) -> None:
    busy = Answer(status=503, headers={"Retry-After": "70"})
    with Site({"/robots.txt": busy}) as site:
        reader = Reader(site, tmp_path)
        refused = reader.refusal()
        assert refused
        assert refused.retry_after == 70.0
        reader.clock.now += 69
        assert reader.refusal()
        assert site.asked() == {"/robots.txt": 1}


def test_what_was_said_before_holds_on_while_the_new_one_cannot_be_had(tmp_path: Path) -> None:
    with Site({"/robots.txt": SECRET}) as site:
        reader = Reader(site, tmp_path)
        reader.refusal()
        site.pages["/robots.txt"] = AWAY
        reader.clock.now += FRESH_S + 1
        for _ in range(3):
            refused, other = reader.refusals("/secret", "/a")
            assert refused
            assert refused.kind is Kind.ROBOTS
            assert other is None
            reader.clock.now += 60
        assert site.asked()["/robots.txt"] == 4
        site.pages["/robots.txt"] = Answer(status=404)
        reader.clock.now += 600
        assert reader.refusal() is None


def test_redirects_are_followed_five_times_to_any_host(tmp_path: Path) -> None:
    with Site({"/r.txt": SECRET}) as other, Site() as site:
        for hop in range(4):
            site.pages[f"/{hop}"] = Answer(status=302, headers={"Location": f"/{hop + 1}"})
        site.pages["/4"] = Answer(status=307, headers={"Location": other.url("/r.txt")})
        site.pages["/robots.txt"] = Answer(status=301, headers={"Location": "/1"})
        assert Reader(site, tmp_path).refusal()
        assert other.asked() == {"/r.txt": 1}

        site.pages["/robots.txt"] = Answer(status=301, headers={"Location": "/0"})
        (tmp_path / "new").mkdir()
        assert Reader(site, tmp_path / "new").refusal() is None
        assert other.asked() == {"/r.txt": 1}


def test_one_that_is_endless_or_of_a_wrong_type_is_read_to_the_bound(tmp_path: Path) -> None:
    endless = b"User-agent: *\nDisallow: /secret\n" + b"#" * 3_000_000 + b"\nDisallow: /\n"
    answer = Answer(endless, headers={"Content-Type": "application/octet-stream"})
    with Site({"/robots.txt": answer}) as site:
        refused, other = Reader(site, tmp_path).refusals("/secret", "/a")
        assert refused
        assert other is None


def test_each_scheme_host_and_port_has_its_own(tmp_path: Path) -> None:
    with Site({"/robots.txt": SECRET}) as one, Site() as other:
        reader = Reader(one, tmp_path)

        async def both(robots: Robots, ask: Any) -> list[Failed | None]:
            return [await robots.refusal(site.url("/secret"), ask) for site in (one, other)]

        refused, free = reader.run(both)
        assert refused
        assert free is None


def test_its_sitemaps_are_known(tmp_path: Path) -> None:
    text = "Sitemap: https://h.example/s.xml\nUser-agent: *\nDisallow: /"
    with Site({"/robots.txt": Answer(text, headers=TEXT)}) as site:
        found = Reader(site, tmp_path).run(lambda robots, ask: robots.sitemaps(site.url("/a"), ask))
        assert found == ("https://h.example/s.xml",)


def test_two_workers_that_begin_together_ask_once(tmp_path: Path) -> None:
    with Site({"/robots.txt": Answer(SECRET.body, headers=TEXT, hang=0.3)}) as site:
        reader = Reader(site, tmp_path)

        async def main() -> list[Failed | None]:
            async with Transport(reader.definition) as transport:

                async def ask(url: str) -> Found:
                    return await transport.get(url, None, head=MOST_BYTES)

                workers = [Robots("orch", reader.store, clock=reader.clock) for _ in range(4)]
                asked = (worker.refusal(site.url("/secret"), ask) for worker in workers)
                return list(await asyncio.gather(*asked))

        assert all(asyncio.run(main()))
        assert site.asked() == {"/robots.txt": 1}


def test_a_worker_that_died_while_it_asked_is_waited_for_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    with Site({"/robots.txt": SECRET}) as site:
        reader = Reader(site, tmp_path)
        key = f"orch:{site.url('')}"
        assert asyncio.run(reader.store.claim(key, module.CLAIM_S))

        async def main(robots: Robots, ask: Any) -> Failed | None:
            waiting = asyncio.create_task(robots.refusal(site.url("/secret"), ask))
            await asyncio.sleep(0.1)
            assert not waiting.done()
            assert not site.asked()
            reader.clock.now += module.CLAIM_S
            return await waiting

        assert reader.run(main)


def test_what_another_version_kept_or_a_clock_that_was_set_back_means_to_ask_again(
    tmp_path: Path,
) -> None:
    with Site({"/robots.txt": SECRET}) as site:
        reader = Reader(site, tmp_path)
        key = f"orch:{site.url('')}"
        for text in ("{}", "no json", '{"at": 1, "rules": 5, "failed": null, "tries": 0}'):
            asyncio.run(reader.store.put(key, text))
            assert reader.refusal()
        assert site.asked()["/robots.txt"] == 3
        reader.clock.now -= 86_400
        assert reader.refusal()
        assert site.asked()["/robots.txt"] == 4


def test_what_is_known_survives_being_kept() -> None:
    known = Known(5.0, None, Failed(Kind.HTTP_5XX, "status 503", 7.0, 503), 3)
    assert Known.read(known.to_json()) == known
