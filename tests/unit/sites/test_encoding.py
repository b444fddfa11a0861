"""From bytes to text, in spite of what headers and pages say."""

from __future__ import annotations

import codecs
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sites.fetch.encoding import _KNOWN, text_of

RUSSIAN = "Цена: 100 рублей, доставка по всей России"
JAPANESE = "東京の天気、カタカナも漢字も"
CHINESE = "价格一百元、全国包邮"
FRENCH = "Café crème, à bientôt — 5 €"


@pytest.mark.parametrize(
    ("raw", "declared", "text"),
    [
        ("é".encode(), None, "é"),
        ("é".encode(), "utf-8", "é"),
        (b"\xe9", "iso-8859-1", "é"),
        (b"\x80", "latin1", "€"),
        (b"\xef\xbb\xbf" + "é".encode(), "iso-8859-1", "é"),
        ("é".encode("utf-16"), None, "é"),
        (b"\xe9", None, "é"),
        (b"ok", "no-such-charset", "ok"),
        (b"", "utf-8", ""),
    ],
)
def test_text_is_decoded(raw: bytes, declared: str | None, text: str) -> None:
    assert text_of(raw, declared) == text


def page(text: str, codec: str, *, meta: str = "", lang: str = "") -> tuple[bytes, str]:
    """Return a page as a server sends it, and as people see it."""
    said = f'<meta charset="{meta}">' if meta else ""
    language = f' lang="{lang}"' if lang else ""
    html = f"<!DOCTYPE html><html{language}><head>{said}</head><p>{text}</p>"
    return html.encode(codec), html


@pytest.mark.parametrize("lie", ["iso-8859-1", "windows-1251", "shift_jis", "gb2312", "nonsense"])
@pytest.mark.parametrize("text", [RUSSIAN, JAPANESE, CHINESE, FRENCH, "é"])
def test_what_is_utf8_is_read_as_utf8_whatever_is_said(text: str, lie: str) -> None:
    raw, html = page(text, "utf-8", meta=lie)

    assert text_of(raw, lie) == html
    assert text_of(raw, None) == html


@pytest.mark.parametrize(
    ("text", "codec", "header", "meta", "lang"),
    [
        (FRENCH, "cp1252", "utf-8", "", ""),
        (FRENCH, "cp1252", "utf-8", "utf-8", "fr"),
        (FRENCH, "cp1252", "", "iso-8859-1", ""),
        (JAPANESE, "shift_jis", "", "shift_jis", ""),
        (JAPANESE, "shift_jis", "utf-8", "Shift_JIS", ""),
        (JAPANESE, "shift_jis", "iso-8859-1", "x-sjis", ""),
        (JAPANESE, "euc_jp", "", "euc-jp", ""),
        (JAPANESE, "iso2022_jp", "", "iso-2022-jp", ""),
        (JAPANESE, "cp932", "", "", "ja"),
        (CHINESE, "gb2312", "gb2312", "", ""),
        (CHINESE, "gb2312", "", "gb2312", ""),
        (CHINESE, "gbk", "iso-8859-1", "gb2312", ""),
        (CHINESE, "gb18030", "utf-8", "", "zh-CN"),
        (RUSSIAN, "cp1251", "windows-1251", "", ""),
        (RUSSIAN, "cp1251", "", "windows-1251", ""),
        (RUSSIAN, "cp1251", "ISO-8859-1", "windows-1251", ""),
        (RUSSIAN, "cp1251", "utf-8", "", "ru"),
        (RUSSIAN, "koi8-r", "koi8-r", "", "ru"),
        (RUSSIAN, "utf-16-le", "", "", ""),
        (RUSSIAN, "utf-16", "windows-1251", "windows-1251", ""),
        (FRENCH, "utf-16-be", "utf-16", "", ""),
    ],
)
def test_older_character_sets_are_found_by_what_is_said_and_by_what_fits(
    text: str, codec: str, header: str, meta: str, lang: str
) -> None:
    raw, html = page(text, codec, meta=meta, lang=lang)

    assert text_of(raw, header or None) == html


def test_utf8_with_a_broken_letter_is_still_utf8() -> None:
    raw = RUSSIAN.encode() + b"\xd0"

    assert text_of(raw, "iso-8859-1") == RUSSIAN + "\ufffd"


def test_no_codec_of_python_that_is_no_character_set_is_ever_used() -> None:
    costly = b"<meta charset=punycode>" + b"a" * 100_000 + b"-" + b"z" * 5_000 + b"\xe9"
    began = time.process_time()

    for name in ("punycode", "idna", "unicode_escape", "utf-7", "zlib", "rot13", "undefined"):
        assert text_of(costly, name).startswith("<meta")
    assert time.process_time() - began < 2


def test_every_name_that_is_known_is_a_codec_of_python() -> None:
    for codec in set(_KNOWN.values()):
        assert codecs.lookup(codec)


@given(st.binary(max_size=300), st.sampled_from([*_KNOWN, "x", ""]))
def test_any_bytes_are_some_text(raw: bytes, said: str) -> None:
    assert text_of(raw, said).encode("utf-8") or len(raw) < 4


def test_zeros_before_a_page_make_it_no_utf16() -> None:
    assert text_of(b"\0" * 1000 + b"<h1>x</h1>").lstrip("\0") == "<h1>x</h1>"
