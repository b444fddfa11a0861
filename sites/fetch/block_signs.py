"""The signs by which challenges and blocks are known: what they say, and what only they are made of.

All in lower case, as bytes; the words stand in `block_signs.toml`.
"""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from typing import Any


def _words() -> dict[str, Any]:
    return tomllib.loads(
        resources.files("sites.fetch").joinpath("block_signs.toml").read_text("utf-8")
    )


def _all(words: list[str]) -> tuple[bytes, ...]:
    return tuple(word.encode() for word in words)


def _any(text: str) -> re.Pattern[bytes]:
    """Match any of the expressions, one for each line."""
    return re.compile(b"|".join(line.strip().encode() for line in text.strip().splitlines()))


_WORDS = _words()
#: Without one of these in a page of ordinary size there is nothing to look at more closely.
STEMS = _all(_WORDS["stems"])
#: What has them on ordinary pages.
HARMLESS = _all(_WORDS["harmless"])
#: What is looked for in addition in a short page.
SHORT_STEMS = _all(_WORDS["short_stems"])
#: What is written for somebody who is taken for a robot, what may be, and what says no more than 4xx.
PHRASES, MENTIONS, DENIALS = (_all(_WORDS[key]) for key in ("phrases", "mentions", "denials"))
#: What only challenges and blocks of a vendor are made of.
MARKERS = {vendor: _all(markers) for vendor, markers in _WORDS["markers"].items()}

#: Titles and headings that speak to somebody who is taken for a robot.
SPOKEN = _any(r"""
    just a moment
    attention required
    (?:are|re|if) you(?:'re| are)? (?:a |not a )?(?:human|robot|bot)\b
    (?:robot|bot|human) or (?:robot|bot|human)
    verif\w* (?:that )?you(?:'re| are| re)
    verif\w* your (?:browser|request)
    (?:prove|confirm) (?:that )?you(?:'re| are)
    (?:checking|check) your browser
    access to th\w+ (?:page|site|website|service) has been (?:denied|blocked|limited)
    pardon (?:our|the) interruption
    security checkpoint
    you(?:'ve| have) been blocked
    making sure (?:that )?you
    not a (?:robot|bot)\b
    (?:solve|complete|enter) (?:the|this|a) captcha
    bist du ein
    sind sie ein (?:mensch|roboter)
    kein roboter
    pas un robot
    un robot \?
    no (?:soy|eres) un robot
    non (?:sono|sei) un robot
    вы не робот
    安全验证
""")
#: Titles and headings that name what happens, as those of other pages do, too.
NAMED = _any(r"""
    \b(?:robot|bot|human|browser|captcha|security|client) (?:check|challenge|verification)\b
    unusual (?:traffic|activity|behaviou?r)
    suspicious (?:traffic|activity|behaviou?r)
    ddos[- ](?:protection|guard)
    captcha (?:required|page)
    ^\W*(?:captcha|verification|verify|please wait|one moment(?: please)?|loading|challenge|human|robot)\W*$
    ^\W*[\w.-]+\.[a-z]{2,7}\W*$
""")
#: Those that say no more than a status of 4xx does; with one of 2xx they are a sign.
REFUSED = _any(r"""
    too many (?:requests|attempts)
    (?:request|access|connection|traffic) (?:was |is |has been )?(?:blocked|rejected|limited)
    ^\W*(?:access (?:denied|forbidden)|denied|forbidden|blocked|error|request rejected)\W*$
    ^\W*(?:accès refusé|zugriff verweigert|acceso denegado|accesso negato|acesso negado)\W*$
""")

#: The element of a captcha; a script that is merely loaded is none.
WIDGET = _any(r"""
    class=["']?[^"'>]{0,80}\b(?:g-recaptcha|h-captcha|cf-turnstile|frc-captcha|smart-captcha|geetest_)
    <iframe[^<>]{0,300}(?:captcha|challenge)
    data-pkey=
    turnstile\.render
    grecaptcha\.render
    hcaptcha\.render
    initgeetest
    awswafcaptcha\.render
""")
#: Something to be filled in for a captcha, or sent on to a check.
FORM = re.compile(
    rb"<(?:form|input|img|canvas)\b[^<>]{0,300}?(?:captcha|challenge|robot|human|/verify\b|not-a-bot)"
)
#: What people fill in for other reasons: a contact, a login, a comment, a search.
DATA_FORM = _any(r"""
    <textarea(?![^<>]{0,200}captcha)
    <select
    type=["']?(?:password|email|tel|search|file|date)
""")
REFRESH = _any(r"""
    http-equiv=["']?refresh["']?[^<>]{0,300}(?:captcha|challeng|verif|robot|\bbot|ddos|check)
    location(?:\.href)?\s?=\s?["'][^"'<>]{0,300}(?:captcha|challeng|verif|robot)
    location\.(?:replace|assign)\(["'][^"'<>]{0,300}(?:captcha|challeng|verif|robot)
""")
