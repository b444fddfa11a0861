"""One spelling for each URL."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sites.url import LONGEST_URL, canonical, canonical_host, host_of

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
    ("http://example.com\\a", None),
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
