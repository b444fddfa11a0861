from __future__ import annotations

import pytest
from yarl import URL

from orchestrator.pipelines.address import origin, parse, place, shown


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("http://x.example/%7e/%2F?a=b%2Bc+d&e=%zz", "http://x.example/%7e/%2F?a=b%2Bc+d&e=%zz"),
        (" HTTPS://x.example/a b\n", "https://x.example/a%20b"),
        ("http://bücher.example/é?ü#ß", "http://xn--bcher-kva.example/%C3%A9?%C3%BC"),
        ("http://x.example/a\r\nX: y", "http://x.example/aX:%20y"),
        ("http://[::1]:80/", "http://[::1]/"),
    ],
)
def test_a_url_is_sent_as_it_is_written_where_that_may_be(text: str, sent: str) -> None:
    assert str(parse(text)) == sent


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "/x",
        "ftp://x/",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://x:99999/",
        "http://x:y/",
        "http://[::1/",
        "javascript:alert(1)",
        "mailto:me@x",
        "http://me:pw@/",
    ],
)
def test_what_cannot_be_asked_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be a http:// or https:// URL with a host$"):
        parse(text)


def test_places_and_origins_are_without_secrets() -> None:
    url = parse("http://me:pw@x.example:8080/a?token=t")
    assert (origin(url), place(url)) == ("http://x.example:8080", "http://x.example:8080/a")
    assert shown(url) == "http://***@x.example:8080/a?token=t"
    assert origin(parse("http://x.example/")) != origin(parse("https://x.example/"))
    assert shown(URL("http://x.example/@me:pw@")) == "http://x.example/@me:pw@"
