"""What a line of a list means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxies.model import SCHEMES, Anonymity, Proxy, Verdict, candidates_of, parse


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("10.0.0.1:3128", Proxy("http", "10.0.0.1", 3128)),
        ("  Proxy.Example.org:80/ ", Proxy("http", "proxy.example.org", 80)),
        ("SOCKS5://10.0.0.1:1080", Proxy("socks5", "10.0.0.1", 1080)),
        ("https://ann:se%3Acret@h.example:443", Proxy("https", "h.example", 443, "ann", "se:cret")),
        ("socks4://bob@10.0.0.1:1080", Proxy("socks4", "10.0.0.1", 1080, "bob")),
        ("http://a:b@c@10.0.0.1:80", Proxy("http", "10.0.0.1", 80, "a", "b@c")),
        ("http://[2001:DB8::1]:8080", Proxy("http", "2001:db8::1", 8080)),
        ("socks5h://10.0.0.1:1080", Proxy("socks5", "10.0.0.1", 1080)),
        ("socks4a://10.0.0.1:1080", Proxy("socks4", "10.0.0.1", 1080)),
    ],
)
def test_a_line_is_read(text: str, proxy: Proxy) -> None:
    assert parse(text) == proxy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0.1",
        "10.0.0.1:",
        "10.0.0.1:0",
        "10.0.0.1:65536",
        "999.0.0.1:80",
        "1.2.3:80",
        "ftp://10.0.0.1:21",
        "10.0.0.1:80:ann:secret",
        "2001:db8::1:80",
        "[2001:zz::1]:80",
        "bad host:80",
        "-host.example:80",
        "http://10.0.0.1:80/path",
    ],
)
def test_a_line_that_is_no_proxy_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"not|must|unknown") as refused:
        parse(text)

    assert not text or text not in str(refused.value)


def test_a_bare_address_gets_the_default_scheme() -> None:
    assert parse("10.0.0.1:1080", "socks5").scheme == "socks5"
    assert parse("http://10.0.0.1:1080", "socks5").scheme == "http"


def test_an_address_without_a_scheme_may_be_http_and_socks5() -> None:
    as_http, as_socks = candidates_of(" ann:secret@10.0.0.1:1080 ")

    assert as_http == Proxy("http", "10.0.0.1", 1080, "ann", "secret")
    assert as_socks == Proxy("socks5", "10.0.0.1", 1080, "ann", "secret")
    assert candidates_of("socks4://10.0.0.1:1080") == (Proxy("socks4", "10.0.0.1", 1080),)
    with pytest.raises(ValueError, match="form"):
        candidates_of("10.0.0.1")


def test_the_identity_is_scheme_user_host_and_port() -> None:
    key = parse("http://ann:old@10.0.0.1:80").key

    assert parse("http://ann:new@10.0.0.1:80").key == key
    assert parse("http://bob:old@10.0.0.1:80").key != key
    assert parse("https://ann:old@10.0.0.1:80").key != key
    assert parse("http://ann:old@10.0.0.1:81").key != key


def test_credentials_are_never_shown() -> None:
    proxy = parse("http://ann:secret@10.0.0.1:80")

    for shown in (repr(proxy), str(proxy), proxy.masked, f"{[proxy]}"):
        assert "secret" not in shown
        assert "ann" not in shown


@given(
    st.sampled_from(SCHEMES),
    st.ip_addresses(),
    st.integers(1, 65535),
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r")),
    st.text(st.characters(codec="utf-8")),
)
def test_every_proxy_is_read_back_from_its_url(
    scheme: str, host: object, port: int, user: str, password: str
) -> None:
    proxy = Proxy(scheme, str(host), port, user, password if user else "")

    assert parse(proxy.url) == proxy


@pytest.mark.parametrize("tls", [None, False, True])
def test_a_verdict_is_read_back_and_one_without_news_too(tls: bool | None) -> None:
    verdict = Verdict(
        parse("http://ann:secret@10.0.0.1:80"), 1.5, "", Anonymity.ELITE, "10.0.0.2", 40, tls
    )
    facts = verdict.as_json()

    assert Verdict.from_json(facts) == verdict
    assert verdict.http_only == (tls is False)
    del facts["tls"], facts["listed_as"]  # as it was written before anybody looked
    assert Verdict.from_json(facts).tls is None
    assert Verdict.from_json(facts).candidate == verdict.proxy


def test_a_verdict_knows_what_its_list_says() -> None:
    works = Verdict(parse("https://10.0.0.1:80"), 1.5, listed_as="http")

    assert works.candidate == parse("http://10.0.0.1:80")
    assert Verdict.from_json(works.as_json()).candidate == works.candidate
