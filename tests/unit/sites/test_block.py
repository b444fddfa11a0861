"""Soft blocks are known from pages that merely look like them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from multidict import CIMultiDict

from orchestrator.core.errors import ConfigError
from sites.definition.registry import read
from sites.fetch import block_evidence
from sites.fetch.block import MOST_BYTES, Blocks, Evidence
from sites.fetch.block_evidence import Seen
from tests.support import held_out_pages, more_pages
from tests.support.block_pages import BLOCKS, Case
from tests.support.innocent_pages import ARTICLE, INNOCENTS, JSD


def judge(case: Case, blocks: Blocks | None = None) -> Evidence:
    seen = Seen(case.status, CIMultiDict(case.headers), case.body.encode(), case.cookies)
    return (blocks or Blocks()).judge(seen)


def test_there_are_enough_to_learn_from() -> None:
    assert min(len(BLOCKS), len(INNOCENTS)) >= 40


@pytest.mark.parametrize("name", BLOCKS | more_pages.BLOCKS)
def test_a_block_is_known(name: str) -> None:
    found = judge((BLOCKS | more_pages.BLOCKS)[name])
    assert found.blocked, found.detail


@pytest.mark.parametrize("name", INNOCENTS | more_pages.INNOCENTS)
def test_an_innocent_page_is_none(name: str) -> None:
    found = judge((INNOCENTS | more_pages.INNOCENTS)[name])
    assert not found.blocked, (found.detail, found.signs)


def test_of_pages_that_it_was_not_made_with_most_are_told_right() -> None:
    """Recall 19 of 20, precision 19 of 21: what is wrong is named, so that nobody takes it for 1.0."""
    missed = {name for name, case in held_out_pages.BLOCKS.items() if not judge(case).blocked}
    wrong = {
        name: judge(case) for name, case in held_out_pages.INNOCENTS.items() if judge(case).blocked
    }

    assert missed <= {"cloudflare managed challenge in Spanish"}
    assert set(wrong) <= {"a definition", "an event"}
    # A definition that finds its items there says so, and is believed.
    assert not any(found.certain for found in wrong.values())


def page(body: str, blocks: Blocks | None = None, status: int = 200) -> Evidence:
    return judge(Case(body, status), blocks)


def test_what_a_reason_says_is_what_a_site_may_ignore() -> None:
    denied = BLOCKS["access denied with 200"].body
    found = page(denied)
    assert found.blocked
    assert found.detail.startswith("title: access denied, heading: access denied, text: ")
    assert found.detail.endswith(f"({found.score} of 100)")

    assert not page(denied, Blocks(ignore=["Title: Access denied", "text", "heading"])).blocked
    assert page(denied, Blocks(ignore=["heading: access denied"])).blocked
    assert page(denied, Blocks(ignore=["title: something else", "widget"])).blocked
    assert not page(denied, Blocks(threshold=500)).blocked


def test_a_site_may_name_what_only_its_blocks_have() -> None:
    body = INNOCENTS["a long article with a big head"].body.replace(
        "</body>", "<p>Order limit reached</p></body>", 1
    )
    own = Blocks(markers=["ORDER LIMIT reached"])
    assert not page(body).blocked
    assert not page(INNOCENTS["a product"].body, own).blocked
    short = page("<h1>Order limit reached</h1>", own)
    assert short.blocked
    assert short.certain
    assert "marker: order limit reached" in short.detail


@pytest.mark.parametrize(
    ("name", "certain"),
    [
        ("cloudflare header alone", True),
        ("cloudflare managed challenge, 200, no header", True),
        ("datadome json", True),
        ("are you a robot", False),
        ("access denied with 200", False),
    ],
)
def test_what_only_a_challenge_has_outweighs_whatever_could_be_extracted(
    name: str, certain: bool
) -> None:
    assert judge(BLOCKS[name]).certain is certain


def test_what_a_status_says_by_itself_is_no_second_sign() -> None:
    denied = BLOCKS["access denied with 200"].body
    assert page(denied).blocked
    assert not page(denied, status=403).blocked


def test_headers_count_in_any_case_and_without_a_body() -> None:
    assert Blocks().judge(Seen(200, CIMultiDict({"CF-MITIGATED": "Challenge"}))).certain
    assert not Blocks().judge(Seen(200, CIMultiDict({"cf-mitigated": "none"}))).blocked


def test_only_the_beginning_of_a_body_is_looked_at() -> None:
    late = "<p>x</p>" * MOST_BYTES + BLOCKS["are you a robot"].body
    assert not page(late).signs


@pytest.mark.parametrize(
    "piece",
    [
        "<form captcha<form ",
        "<script>captcha ",
        "<h1>captcha ",
        "class=captcha ",
        '<meta http-equiv="refresh" captch',
        "<iframe captch ",
        "<title>captcha",
        "<textarea captch",
        "captcha&#39;",
        "<a>captcha",
        "\u0000captcha<!--",
    ],
)
def test_no_body_makes_it_slow(piece: str) -> None:
    body = piece * (2 * MOST_BYTES // len(piece))
    began = time.process_time()
    page(body)
    assert time.process_time() - began < 0.5  # a regular expression that backtracks takes minutes


def test_an_ordinary_page_is_through_with_a_few_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured: 16 µs for 15 KB, on a busy machine."""
    monkeypatch.setattr(block_evidence, "read", None)
    rows = "".join(
        f"<p>{n}: oak, beech and ash, oiled</p><a href='/{n}'>more</a>" for n in range(250)
    )
    assert page(f"<title>Chairs</title><meta name=robots content=index>{rows}") == Evidence()
    assert page(INNOCENTS["a product that loads recaptcha"].body) == Evidence()
    assert page(f"<title>Chairs</title>{JSD}{rows}") == Evidence()


def test_the_file_of_a_site_says_it_and_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    text = 'start_urls = ["http://h.example/"]\n[item.fields]\na = "b"\n[block]\n{}\n'
    path.write_text(
        text.format('markers = ["Order limit"]\nignore = ["widget", "title: access denied"]')
    )
    assert read(path).block.ignore == ("widget", "title: access denied")

    path.write_text(text.format('markers = ["x"]\nignore = ["captcha"]\nthreshold = 0'))
    with pytest.raises(ConfigError) as wrong:
        read(path)
    problems = "\n".join(wrong.value.problems)
    assert len(wrong.value.problems) == 3
    assert "'captcha' is no sign; there are: header, marker, vendor, title" in problems


def test_what_stands_in_links_and_scripts_is_nothing_to_read() -> None:
    body = (
        "<title>t</title>a <b>c</b><a href=x>no <i>no</i></a> d"
        "<script>if (a<b) no</script> e<style>no</style>"
    )
    assert block_evidence.read(body.encode()) == (b"a c d e", 1)


def test_a_page_with_much_to_read_is_none_whatever_it_is_made_of() -> None:
    challenge = BLOCKS["cloudflare managed challenge, 200, no header"].body
    assert page(challenge).blocked
    assert not page(challenge.replace("</body>", f"{ARTICLE}{ARTICLE}</body>")).blocked
