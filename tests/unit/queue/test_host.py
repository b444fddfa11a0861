"""One key for each host."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.core import host as core_host
from orchestrator.core.host import canonical_host
from orchestrator.queue import host
from orchestrator.queue.host import host_key

SAME = [
    ("http://Example.COM.:80/a?b#c", "example.com"),
    ("https://example.com:443", "example.com"),
    ("http://example.com:443/", "example.com"),
    ("example.com:80", "example.com"),
    ("ftp://example.com:21/pub", "example.com"),
    ("example.com:21", "example.com:21"),
    ("https://example.com:08080/x", "example.com:8080"),
    ("example.com:", "example.com"),
    ("//example.com/x", "example.com"),
    ("http:\\\\example.com\\x", "example.com"),
    ("http:///example.com", "example.com"),
    (" http://exam\nple.com\t", "example.com"),
    ("http://me:secret@example.com:81/", "example.com:81"),
    ("http://example.com\\@evil.example/", "example.com"),
    ("http://ex%61mple.com/", "example.com"),
    ("BÜCHER.example", "xn--bcher-kva.example"),
    ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ("例え。テスト。", "xn--r8jz45g.xn--zckzah"),
    ("https://💩.la/", "xn--ls8h.la"),
    ("http://2130706433/", "127.0.0.1"),
    ("0x7f.1:8080", "127.0.0.1:8080"),
    ("http://[::0:1]:80/", "[::1]"),
    ("::1", "[::1]"),
    ("[2001:DB8::1]:8080", "[2001:db8::1]:8080"),
    ("http://[fe80::1%25eth0]/", "[fe80::1]"),
    ("[::ffff:192.0.2.1]", "192.0.2.1"),
    ("redis://:secret@127.0.0.1:6379/0", "127.0.0.1:6379"),
    ("localhost:8080/path", "localhost:8080"),
    ("under_score.example", "under_score.example"),
]
NONE = [
    "",
    " ",
    "/a/b",
    "?q",
    "file:///etc/hosts",
    "file:/etc/hosts",
    "mailto:me@example.com",
    "javascript:void(0)",
    "data:text/plain,a@b",
    "about:blank",
    "http://",
    "http://user@:80/",
    "http://exa mple.com/",
    "http://example.com:99999/",
    "http://example.com:" + "9" * 5000,
    "http://example.com:8x/",
    "http://[::1",
    "http://[::1]x/",
    "1:2:3",
    "a" * 64 + ".example",
    "é" * 100_000,
    "".join(chr(0x4E00 + number % 20_000) for number in range(100_000)),
]


@pytest.mark.parametrize(("text", "key"), SAME)
def test_each_spelling_of_a_host_has_one_key(text: str, key: str) -> None:
    assert host_key(text) == key


@pytest.mark.parametrize("text", NONE, ids=lambda text: text[:40])
def test_what_has_no_host_has_no_key(text: str) -> None:
    assert host_key(text) == ""


@given(st.text(max_size=60))
@example("http://mailto:25")
@example("ftp://a:80")
@example("x://http:8080")
@example("\u2488com")
@example("%2531.2.3.4")
def test_a_key_is_its_own_key_and_no_text_raises(text: str) -> None:
    for spelling in (text, f"http://{text}", f"{text}:8080", f"ftp://[{text}]:21/"):
        key = host_key(spelling)
        assert host_key(key) == key
        assert key.isascii()
        assert key == key.lower()
        assert not set(key) & set(" /\\@?#%\0\n")


names = st.sampled_from(
    ["Example.com", "bücher.example", "a.b-c.example", "127.1", "[::1]", "💩.la", "xn--a"]
)


@given(
    names,
    st.sampled_from(["", "http://", "HTTPS://", "//", "ws://", "http:/", "socks5://"]),
    st.sampled_from(["", "me@", "me:p%40ss@", "a@b@"]),
    st.sampled_from(["", ":", ":80", ":443", ":0443"]),
    st.sampled_from(["", "/", "/p:81/@x", "?q=http://y:9/", "#f", "\\w"]),
)
def test_equivalent_spellings_have_the_same_key(
    name: str, scheme: str, user: str, port: str, rest: str
) -> None:
    assert host_key(f"{scheme}{user}{name.upper()}{port}{rest}") == host_key(name)


@given(names, st.integers(1, 65_535).filter(lambda port: port not in (21, 80, 443)))
def test_other_ports_are_other_hosts(name: str, port: int) -> None:
    assert host_key(f"https://{name}:{port}/") == f"{host_key(name)}:{port}"


def test_the_dot_at_the_end_may_be_of_another_alphabet() -> None:
    assert canonical_host("例え。") == canonical_host("例え") == "xn--r8jz45g"


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(host).failed == 0
    assert doctest.testmod(core_host).failed == 0
