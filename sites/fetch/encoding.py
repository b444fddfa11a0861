"""From bytes to text, whatever headers and pages claim about themselves.

What reads strictly as UTF-8 is UTF-8: in another character set that is next to impossible. Of what is
left the declarations are believed in an order that knows how they lie. The names are those of the
WHATWG Encoding Standard, which says what browsers take them for.
"""

from __future__ import annotations

import codecs
import re

_META = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE
)
_XML = re.compile(rb"""^<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9_.:-]{1,40})""")
_LANG = re.compile(rb"""<html[^>]{0,500}?\blang\s*=\s*["']?([A-Za-z]{2})""", re.IGNORECASE)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: Where a page declares its character set, in bytes: browsers look at 1,024, pages do it later.
_HEAD = 4096

_HIGH = bytes(range(0x80, 0x100))
_LATIN = "cp1252"
#: Each with more than one byte a letter: what reads strictly as one of them is hardly anything else.
_WIDE = frozenset({"cp932", "gb18030", "big5hkscs", "cp949", "euc_jp", "iso2022_jp"})
_ALIASES = {
    "cp932": "shift-jis shift_jis sjis x-sjis ms_kanji windows-31j cp932 csshiftjis",
    "gb18030": "gb2312 gbk gb18030 x-gbk gb_2312-80 csgb2312 chinese cp936",
    "big5hkscs": "big5 big5-hkscs cn-big5 x-x-big5 csbig5",
    "cp949": "euc-kr ks_c_5601-1987 ks_c_5601-1989 ksc5601 korean windows-949 cp949 cseuckr",
    "euc_jp": "euc-jp x-euc-jp cseucpkdfmtjapanese",
    "iso2022_jp": "iso-2022-jp csiso2022jp",
    "cp1252": "latin-1 latin1 iso-8859-1 iso8859-1 iso88591 ascii us-ascii windows-1252 cp1252 l1",
    "cp1254": "iso-8859-9 latin5 l5 windows-1254 cp1254",
    "cp874": "tis-620 iso-8859-11 windows-874 cp874",
    "utf-8": "utf-8 utf8 unicode-1-1-utf-8 x-unicode20utf8",
    "utf-16-le": "utf-16 utf-16le unicode ucs-2 iso-10646-ucs-2 csunicode",
    "utf-16-be": "utf-16be unicodefffe",
    "koi8-r": "koi8-r koi8 koi8_r cskoi8r",
    "koi8-u": "koi8-u koi8-ru",
    "mac-roman": "macintosh mac x-mac-roman",
    "mac-cyrillic": "x-mac-cyrillic",
    "cp866": "ibm866 cp866 866",
    **{f"cp{page}": f"windows-{page} cp{page} x-cp{page}" for page in (1250, 1251, 1253)},
    **{f"cp{page}": f"windows-{page} cp{page} x-cp{page}" for page in (1255, 1256, 1257, 1258)},
    **{
        f"iso8859-{part}": f"iso-8859-{part} iso8859-{part} iso_8859-{part} iso-8859-{part}-i"
        for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)
    },
}
#: Only what is named here is used: codecs of Python that are no character sets may cost hours.
_KNOWN = {name: codec for codec, names in _ALIASES.items() for name in names.split()}
#: What pages in a language were written in before UTF-8, where nothing else tells.
_OF_LANGUAGE = {
    **dict.fromkeys(("ru", "uk", "bg", "be", "sr", "mk"), "cp1251"),
    **dict.fromkeys(("cs", "pl", "hu", "sk", "sl", "hr", "ro"), "cp1250"),
    "ja": "cp932",
    "zh": "gb18030",
    "ko": "cp949",
    "tr": "cp1254",
    "el": "cp1253",
    "he": "cp1255",
    "ar": "cp1256",
    "th": "cp874",
    "vi": "cp1258",
    "lt": "cp1257",
}


def text_of(body: bytes, header: str | None = None) -> str:
    r"""Return the text of a body; `header` is what the Content-Type claims.

    >>> text_of(b'<meta charset="latin-1">\xe9')[-1], text_of("é".encode(), "latin-1")
    ('é', 'é')
    """
    for mark, name in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    if b"\x00" in body or b"\x1b" in body:  # zeros and escapes are UTF-8 too
        found = _by_zeros(body, header)
        if found is not None:
            return found
    try:
        return body.decode()
    except UnicodeDecodeError:
        return _legacy(body, header)


def _by_zeros(body: bytes, header: str | None) -> str | None:
    """Return the text of UTF-16 without a mark, or of ISO-2022-JP; None when it is neither."""
    even, odd = body[0:200:2], body[1:200:2]
    for name, zeros, letters in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros.count(0) * 2 > len(zeros) and letters.count(0) * 2 <= len(letters):
            return body.decode(name, "replace")
    return _strictly(body, "iso2022_jp") if "iso2022_jp" in _claims(body, header) else None


def _legacy(body: bytes, header: str | None) -> str:
    """Decode what is no UTF-8 throughout."""
    broken = body.decode("utf-8", "replace")
    if _rather_utf8(body, broken):
        return broken
    language = _LANG.search(body, 0, _HEAD)
    likely = _OF_LANGUAGE.get(language[1].decode().lower() if language else "", _LATIN)
    names = sorted([*_claims(body, header), likely], key=_doubt)
    for name in names:
        found = _strictly(body, name)
        if found is not None:
            return found
    return body.decode(names[0], "replace")


def _claims(body: bytes, header: str | None) -> list[str]:
    """What header and page say, as far as it can be used; that it is Unicode was tried before."""
    inside = _XML.match(body) or _META.search(body, 0, _HEAD)
    said = [header or "", inside[1].decode("ascii") if inside else ""]
    names = [_KNOWN.get(claim.strip().lower(), "utf-8") for claim in said]
    return [name for name in names if not name.startswith("utf-")]


def _rather_utf8(body: bytes, broken: str) -> bool:
    """Tell whether this is UTF-8 with a few broken bytes, rather than something else."""
    wrong = broken.count("\ufffd")
    letters = len(broken) - wrong - len(body.translate(None, _HIGH))
    return letters > 2 * wrong


def _doubt(name: str) -> int:
    """How much a claim is doubted: Latin-1 is what servers say that were never told anything."""
    return 0 if name in _WIDE else 2 if name == _LATIN else 1


def _strictly(body: bytes, name: str) -> str | None:
    try:
        return body.decode(name)
    except UnicodeDecodeError:
        return None
