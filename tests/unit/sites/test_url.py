"""One spelling for each URL."""

from __future__ import annotations

import random
import time
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.core.host import canonical_host
from sites.url import LONGEST_URL, Base, canonical, host_of, origin_of

SAME = [
    ("http://example.com", "http://example.com/"),
    ("HTTP://EXAMPLE.com:80/", "http://example.com/"),
    ("https://example.com:443/a", "https://example.com/a"),
    ("https://example.com:80/a", "https://example.com:80/a"),
    ("http://example.com./a#part", "http://example.com/a"),
    ("http://example.com/a/./b/../c", "http://example.com/a/c"),
    ("http://example.com/../../a", "http://example.com/a"),
    ("http://example.com/a/..", "http://example.com/"),
    ("http://example.com/a/b/.", "http://example.com/a/b/"),
    ("http://example.com/%2e%2E/a", "http://example.com/a"),
    ("http://example.com/%7Euser/%c3%a9", "http://example.com/~user/%C3%A9"),
    ("http://example.com/é", "http://example.com/%C3%A9"),
    ("http://example.com/a b?c d", "http://example.com/a%20b?c%20d"),
    ("http://example.com/100%", "http://example.com/100%25"),
    ("http://example.com/a%2Fb", "http://example.com/a%2Fb"),
    ("http://example.com/?b=2&a=1", "http://example.com/?b=2&a=1"),
    ("http://bücher.example/", "http://xn--bcher-kva.example/"),
    ("http://user:secret@example.com/", "http://example.com/"),
    ("http://2130706433/", "http://127.0.0.1/"),
    ("http://0x7f.0.0.1/", "http://127.0.0.1/"),
    ("http://[::0:1]:80/", "http://[::1]/"),
    (" http://example.com/a\n", "http://example.com/a"),
    ("http://example.com\\a?\\", "http://example.com/a?%5C"),
    ("http://example.com/a\\b", "http://example.com/a/b"),
    ("http:///a", None),
    ("http://example.com:99999/", None),
    ("http://exa mple.com/", None),
    ("javascript:void(0)", None),
    ("file:/usr/lib/python3/queue.py", None),
    ("mailto:me@example.com", None),
    ("http://[::1", None),
    (f"http://{'a' * 64}.example/", None),
    ("", None),
]


@pytest.mark.parametrize(("url", "expected"), SAME)
def test_each_url_has_one_spelling(url: str, expected: str | None) -> None:
    assert canonical(url) == expected


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("b.html", "http://example.com/a/b.html"),
        ("../b", "http://example.com/b"),
        ("?p=2", "http://example.com/a/index.html?p=2"),
        ("#top", "http://example.com/a/index.html"),
        ("?", "http://example.com/a/index.html"),
        ("\\b?\\", "http://example.com/b?%5C"),
        ("http:b", "http://example.com/a/b"),
        ("https:b", None),
        ("b//c", "http://example.com/a/b//c"),
        ("//other.example/x", "http://other.example/x"),
        (".", "http://example.com/a/"),
        ("", "http://example.com/a/index.html"),
    ],
)
def test_a_link_is_seen_from_its_page(link: str, expected: str) -> None:
    assert canonical(link, "http://example.com/a/index.html") == expected


def test_a_url_without_end_is_no_link() -> None:
    assert canonical("http://example.com/" + "a" * LONGEST_URL) is None


def test_the_key_of_the_gate_has_no_default_port() -> None:
    assert host_of("http://example.com/") == "example.com"
    assert host_of("http://example.com:81/") == "example.com:81"


@given(st.text(max_size=80))
def test_any_text_is_a_canonical_url_or_none(text: str) -> None:
    for found in (canonical(text), canonical(text, "http://example.com/a/b")):
        assert found is None or canonical(found) == found


urls = st.builds(
    "{}://{}{}/{}?{}#{}".format,
    st.sampled_from(["http", "HTTPS", "hTTp"]),
    st.sampled_from(["Example.com", "bücher.example", "127.1", "[::1]", "a.b-c.example."]),
    st.sampled_from(["", ":80", ":443", ":8080"]),
    st.text(alphabet="aZ09-._~%/\\;:@!$&'()*+,= é\t漢\0\x7f\ud800", max_size=30),
    st.text(alphabet="aZ09%&=+?/[]é ", max_size=20),
    st.text(max_size=5),
)


@given(urls)
def test_a_canonical_url_is_its_own_spelling(url: str) -> None:
    found = canonical(url)

    assert found is not None
    assert canonical(found) == found
    assert found.isascii()
    assert not set(found) & set(' "<>\\^`{|}\t\n\0')
    assert "/../" not in found
    assert "/./" not in urlsplit(found).path


@given(st.text(max_size=30))
@example("\N{SUPERSCRIPT TWO}")
@example("\uff11\uff12\uff17\u3002\uff10\u3002\uff10\u3002\uff11")
def test_a_canonical_host_is_its_own_spelling(host: str) -> None:
    found = canonical_host(host)
    assert found is None or canonical_host(found) == found


segments = st.text(alphabet="aZ09-._~%25é漢 :@!$&'()*+,;=", min_size=1, max_size=8).filter(
    lambda text: text.strip(".")
)
pairs = st.lists(
    st.tuples(st.text("ab%é +/?", max_size=5), st.text("xy%é+;=#", max_size=5)), max_size=3
)


def escaped(text: str, keep: str) -> str:
    """Escape every byte that is not in `keep`: it means the same everywhere."""
    return "".join(chr(b) if chr(b) in keep else f"%{b:02X}" for b in text.encode())


@given(st.lists(segments, max_size=4), pairs)
def test_what_a_url_means_is_never_changed(path: list[str], query: list[tuple[str, str]]) -> None:
    """Segment by segment, pair by pair: `%2F` is no slash, `%26` no ampersand, `%2B` no blank."""
    plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    said = "&".join(f"{escaped(k, plain)}={escaped(v, plain)}" for k, v in query)
    url = f"http://a.example/{'/'.join(escaped(part, plain) for part in path)}?{said}"

    found = canonical(url)

    assert found is not None
    parts = urlsplit(found)
    assert [unquote_to_bytes(part) for part in parts.path.split("/")[1:]] == [
        part.encode() for part in path or [""]
    ]
    assert parse_qsl(parts.query, keep_blank_values=True) == [
        (key, value) for key, value in query if said
    ]


@given(st.lists(segments, max_size=4), st.randoms(use_true_random=False))
def test_spellings_of_one_url_have_one_canonical_form(
    path: list[str], chance: random.Random
) -> None:
    same = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"

    def spelled(part: str) -> str:
        """Escape what must be, and now and then what need not."""
        return "".join(
            letter
            if letter in same and chance.random() < 0.7
            else "".join(f"%{byte:02{chance.choice('xX')}}" for byte in letter.encode())
            for letter in part
        )

    def one() -> str:
        host = "".join(chance.choice((c, c.upper())) for c in "host.example")
        port = chance.choice(("", ":80", ":"))
        dots = [
            piece
            for part in path
            for piece in (*chance.choice(((), (".",), ("x", ".."))), spelled(part))
        ]
        scheme, end = chance.choice(("http", "HTTP", "Http")), chance.choice(("", "#", "#top?a/b"))
        return f"{scheme}://{chance.choice(('', 'me:pw@'))}{host}{port}/{'/'.join(dots)}{end}"

    assert len({canonical(one()) for _ in range(8)}) == 1


def test_different_pages_have_different_urls() -> None:
    one = "http://a.example/a/b?x=1&y=2"
    others = (
        *(
            "http://a.example/a/b/?x=1&y=2",
            "http://a.example/A/b?x=1&y=2",
            "https://a.example/a/b?x=1&y=2",
        ),
        *(
            "http://a.example/a%2Fb?x=1&y=2",
            "http://a.example/a/b?y=2&x=1",
            "http://a.example/a/b?x=1%26y=2",
        ),
        *(
            "http://a.example:81/a/b?x=1&y=2",
            "http://a.example/a/b?x=1&y=2&",
            "http://www.a.example/a/b?x=1&y=2",
        ),
    )

    assert len({canonical(url) for url in (one, *others)}) == 1 + len(others)


@given(st.integers(LONGEST_URL - 60, LONGEST_URL + 5), st.sampled_from(["a", "é", "%zz"]))
def test_no_url_is_longer_than_allowed_also_once_it_is_escaped(length: int, filler: str) -> None:
    url = "http://a.example/" + filler * ((length - 17) // len(filler))

    for found in (canonical(url), Base("http://a.example/").link(url[16:])):
        assert found is None or len(found) <= LONGEST_URL
    assert canonical("http://a.example/" + "é" * 1000) is None


links = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="ab.-_~/#?:;%\\ é\t@=&", max_size=14),
    st.builds(
        "/".join, st.lists(st.sampled_from(["a", "b.html", "..", ".", "", "x-1", "é", "%2e"]))
    ),
    urls,
)


@given(urls | st.sampled_from(["http://a.example/", "http://a.example/d/e?q=/x/y"]), links)
@example("http://a.example/d/e?q=/x", "?a")
@example("http://a.example/d/e?q=/x", "a:b")
@example("http://a.example/d/e?q=/x", "//b")
@example("http://a.example/d/e?q=/x", " #")
def test_the_quick_way_of_links_is_the_right_one(page: str, link: str) -> None:
    url = canonical(page)
    assert url is not None

    assert Base(url).link(link) == canonical(link, url)
    assert url.startswith(origin_of(url) + "/")


def test_a_text_of_megabytes_is_no_link_and_takes_no_time() -> None:
    began = time.process_time()

    for text in ("%zz", "../", "\\", "http://a/", "\t"):
        assert canonical(text * 1_000_000, "http://a.example/") is None
    assert time.process_time() - began < 1
