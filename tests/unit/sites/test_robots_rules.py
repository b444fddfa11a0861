"""What a robots.txt says: the examples of RFC 9309, and what files on the Web look like."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sites.politeness.robots_rules import LONGEST_DELAY_S, MOST_BYTES, RobotsRules, parse, token_of
from sites.url import canonical


def may(text: str | bytes, path: str, agent: str = "orch") -> bool:
    body = text.encode() if isinstance(text, str) else text
    url = canonical(f"http://h.example{path}")
    assert url
    return parse(body, agent).refusing(url) is None


SIMPLE = """User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
"""


@pytest.mark.parametrize(
    ("agent", "path", "allowed"),
    [
        ("other", "/publications/", True),
        ("other", "/example/page.html", False),
        ("other", "/a/picture.gif", False),
        ("other", "/a/picture.gif?x", True),
        ("foobot", "/", False),
        ("foobot", "/example/page.html", True),
        ("foobot", "/example/allowed.gif", True),
        ("foobot", "/example/other.gif", False),
        ("barbot", "/example/page.html", False),
        ("bazbot", "/example/page.html", False),
        ("barbot", "/example/", True),
        ("quxbot", "/example/page.html", True),
    ],
)
def test_the_simple_example_of_the_rfc(agent: str, path: str, allowed: bool) -> None:
    assert may(SIMPLE, path, agent) is allowed


def test_the_longest_match_of_the_rfc_wins() -> None:
    text = "User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n"
    assert may(text, "/example/page/", "foobot")
    assert not may(text, "/example/page/disallowed.gif", "foobot")


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        # The table of section 2.2.2, and its mirror images.
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz", True),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https://foo.bar", True),
        ("/foo/bar/\u30c4", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%E3%83%84", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%e3%83%84", "/foo/bar/\u30c4", True),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz", True),
        # Section 2.2.3: special letters that are meant as themselves.
        ("/path/file-with-a-%2A.html", "/path/file-with-a-*.html", True),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-x.html", False),
        ("/path/foo-%24", "/path/foo-$", True),
        ("/path/foo-%24", "/path/foo-", False),
        # What search engines document.
        ("/fish", "/fish.html", True),
        ("/fish", "/Fish.asp", False),
        ("/fish", "/catfish", False),
        ("/fish*", "/fishheads/yummy.html", True),
        ("/fish/", "/fish", False),
        ("/fish/", "/fish/salmon.htm", True),
        ("/*.php", "/folder/filename.php?parameters", True),
        ("/*.php", "/windows.PHP", False),
        ("/*.php$", "/filename.php", True),
        ("/*.php$", "/filename.php?parameters", False),
        ("/*.php$", "/filename.php5", False),
        ("/fish*.php", "/fishheads/catfish.php?parameters", True),
        ("/fish*.php", "/Fish.PHP", False),
        # Ours.
        ("/$", "/", True),
        ("/$", "/x", False),
        ("/a$b", "/a$b", True),
        ("/a*b*c$", "/a-b-c", True),
        ("/ab*b$", "/ab", False),
        ("/a**b", "/a1b", True),
        ("*", "/anything", True),
        ("*$", "/anything", True),
        ("*.gif", "/x.gif", True),
        ("private/", "/private/x", True),
        ("/a b", "/a%20b", True),
        ("/100%", "/100%25", True),
        ("/a%2Fb", "/a/b", False),
        ("/*?sort=", "/list?sort=up", True),
    ],
)
def test_patterns(pattern: str, path: str, matches: bool) -> None:
    assert may(f"User-agent: *\nDisallow: {pattern}\n", path) is not matches


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("User-agent: *\nDisallow: /a\nAllow: /a", True),
        ("User-agent: *\nAllow: /a\nDisallow: /a", True),
        ("User-agent: *\nAllow: /a$\nDisallow: /*a", True),
        ("User-agent: *\nDisallow: /*a\nAllow: /a", False),
        ("User-agent: *\nAllow: /\nDisallow: /a", False),
        ("User-agent: *\nDisallow: /\nAllow: /a", True),
        ("User-agent: *\nDisallow:", True),
        ("Disallow: /", True),
        ("", True),
        ("<html><body>User-agent: * Disallow: /</body></html>", True),
    ],
)
def test_of_rules_that_match_the_longest_counts_and_allow_if_they_are_as_long(
    text: str, allowed: bool
) -> None:
    assert may(text, "/a") is allowed


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("User-agent: ORCH\nDisallow: /", False),
        ("User-agent: orch/2.0\nDisallow: /", False),
        ("User-agent: orch bot\nDisallow: /", False),
        ("User-agent: or\nDisallow: /", True),
        ("User-agent: orchid\nDisallow: /", True),
        ("User-agent: * # all\nDisallow: /", False),
        ("User-agent: *\nDisallow: /\n\nUser-agent: orch\nDisallow:", True),
        ("User-agent: orch\nDisallow:\n\nUser-agent: *\nDisallow: /", True),
        # Groups for one agent are one group.
        (
            "User-agent: orch\nDisallow: /b\n\nUser-agent: x\n\nUser-agent: orch\nDisallow: /a",
            False,
        ),
        ("User-agent: orch\nDisallow: /a\n\nUser-agent: x\nAllow: /\nUser-agent: orch\n", False),
        # Other records end no list of agents.
        ("User-agent: orch\nSitemap: http://h/s.xml\nUser-agent: b\nDisallow: /", False),
        ("User-agent: orch\nCrawl-delay: 5\nUser-agent: b\nDisallow: /", False),
        ("User-agent: orch\nHost: h\nDisallow: /", False),
        ("User-agent: orch\n\n\nDisallow: /", False),
        ("User-agent: orch\nAllow: /b\nUser-agent: b\nDisallow: /", True),
    ],
)
def test_which_group_holds(text: str, allowed: bool) -> None:
    assert may(text, "/a") is allowed


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbfUser-agent: *\nDisallow: /",
        "\ufeffUser-agent: *\r\nDisallow: /".encode("utf-16-le"),
        b"User-agent: *\rDisallow: /\r",
        b"User-agent: *\r\n\r\n\r\nDisallow: /",
        b"  user-AGENT  :  *  \n\tDISALLOW\t:\t/ # all of it",
        b"User-agent *\nDisallow /",
        b"User-agent: *\nDissallow: /",
        b"\x00\xff\xfe: x\nUser-agent: *\nbad line\nDisallow: /",
    ],
)
def test_odd_files_say_what_was_meant(raw: bytes) -> None:
    assert not may(raw, "/a")


def test_the_file_itself_may_always_be_read() -> None:
    assert may("User-agent: *\nDisallow: /", "/robots.txt")


def test_more_than_the_bound_is_not_read_and_a_line_cut_in_two_says_nothing() -> None:
    head = b"User-agent: *\nDisallow: /in\n"
    late = b"Disallow: /late\n"
    filled = head + b"#" * (MOST_BYTES - len(head) - 1) + b"\n" + late
    assert not may(filled, "/in")
    assert may(filled, "/late")
    cut = head + b"#" * (MOST_BYTES - len(head) - len(b"\nDisallow: /")) + b"\nDisallow: /b\n"
    assert cut[:MOST_BYTES].endswith(b"\nDisallow: /")
    assert may(cut, "/a")


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("User-agent: *\nCrawl-delay: 10", 10.0),
        ("User-agent: *\nCrawl-delay: .5 # s", 0.5),
        ("User-agent: *\nCrawl-delay: 0", 0.0),
        ("User-agent: *\nCrawl-delay: 99999999", LONGEST_DELAY_S),
        ("User-agent: *\nCrawl-delay: 5\nCrawl-delay: 2", 5.0),
        ("User-agent: a\nCrawl-delay: 7\n\nUser-agent: orch\nCrawl-delay: 2", 2.0),
        ("User-agent: orch\nCrawl-delay: 2\n\nUser-agent: a\nCrawl-delay: 7", 2.0),
        ("User-agent: *\nCrawl-delay: 2\n\nUser-agent: orch\nDisallow:", None),
        ("User-agent: *\nCrawl-delay: -1", None),
        ("User-agent: *\nCrawl-delay: nan", None),
        ("User-agent: *\nCrawl-delay: inf", None),
        ("User-agent: *\nCrawl-delay: ten", None),
        ("Crawl-delay: 5\nUser-agent: *", None),
    ],
)
def test_crawl_delay(text: str, delay: float | None) -> None:
    assert parse(text.encode(), "orch").delay == delay


def test_sitemaps_belong_to_nobody_and_come_once() -> None:
    text = "Sitemap: http://h/a.xml\nUser-agent: x\nDisallow: /\nsitemap:http://h/b.xml\nSitemap: http://h/a.xml"
    assert parse(text.encode(), "orch").sitemaps == ("http://h/a.xml", "http://h/b.xml")


def test_rules_survive_being_kept() -> None:
    rules = parse(SIMPLE.encode() + b"Crawl-delay: 3\nSitemap: http://h/s\n", "quxbot")
    assert RobotsRules.of_dict(rules.to_dict()) == rules
    assert rules.delay == 3.0


@pytest.mark.parametrize(
    ("agent", "token"),
    [("orch", "orch"), ("Shop-Bot/2.1 (+http://h)", "shop-bot"), ("a b", "a"), (" x", "x")],
)
def test_an_agent_is_named_by_its_first_word(agent: str, token: str) -> None:
    assert token_of(agent) == token


@given(st.binary(max_size=300), st.text("abcZ/*$%2Aé?=.", max_size=12))
@example(b"User-agent: *\nDisallow: %\xff%2", "%")
def test_no_bytes_break_the_reader(raw: bytes, path: str) -> None:
    url = canonical(f"http://h.example/{path}")
    assert url
    parse(b"User-agent: *\nDisallow: " + raw, "orch").refusing(url)


def _by_the_letter(rules: list[tuple[bool, str]], path: str) -> bool:
    """The words of the RFC, as slow as they are."""
    longest = max(
        ((len(p), allowed) for allowed, p in rules if _as_expression(p).match(path)),
        default=(0, True),
    )
    return longest[1]


def _as_expression(pattern: str) -> re.Pattern[str]:
    text = ".*".join(re.escape(part) for part in pattern.removesuffix("$").split("*"))
    return re.compile(text + (r"\Z" if pattern.endswith("$") else ""), re.DOTALL)


_PATTERNS = st.from_regex(r"/[ab*/]{0,5}\$?", fullmatch=True)


@given(
    st.lists(st.tuples(st.booleans(), _PATTERNS), max_size=8),
    st.from_regex(r"/[ab/]{0,7}", fullmatch=True),
)
def test_matching_is_that_of_the_rfc_by_the_letter(
    rules: list[tuple[bool, str]], path: str
) -> None:
    allow = tuple(pattern for allowed, pattern in rules if allowed)
    disallow = tuple(pattern for allowed, pattern in rules if not allowed)
    found = RobotsRules(allow, disallow).refusing(f"http://h.example{path}")
    assert (found is None) is _by_the_letter(rules, path)


def test_no_pattern_and_no_number_of_them_makes_it_slow() -> None:
    stars = "User-agent: *\nDisallow: /" + "*a" * 1000 + "*b$\n"
    many = "User-agent: *\n" + "".join(f"Disallow: /p{n}\n" for n in range(20_000))
    began = time.process_time()
    for text, path in ((stars, "/" + "a" * 1900), (many, "/x")):
        rules = parse(text.encode(), "orch")
        assert all(rules.refusing(f"http://h.example{path}{n}") is None for n in range(20))
    assert time.process_time() - began < 2  # a backtracking matcher takes years
