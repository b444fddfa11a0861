"""The judges, asked directly: what they see of us, and that they are there at all."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import ssl
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from proxies import names
from proxies.check import answer, wire
from proxies.check.answer import Answer, Baseline, WrongAnswer
from proxies.check.dial import CREDENTIALS_WANTED, NotLetIn, Refused, Target
from proxies.check.line import HungUp, LineError, Unreached
from proxies.check.wire import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from proxies.check.line import Line
    from proxies.check.lines import Lines
    from proxies.check.wire import Response
    from proxies.model import Proxy

T = TypeVar("T")

_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_OK, _REFUSED, _UNKNOWN = 200, 400, 600

#: What a proxy, or a judge, may do to us without it being our mistake.
FAILURES = (OSError, LineError, Unreached, WrongAnswer, ValueError)


class _NoAddressError(OSError):
    """A host has no address of this family."""


class JudgeUnavailable(Exception):
    """A judge does not answer us directly, so it can say nothing about any proxy."""


class Question(NamedTuple):
    """A judge that has just answered us.

    `page_sha256` is the digest of its page, where it has one; `ipv4` says where it is to those who know
    no names.
    """

    page: Page
    page_sha256: str = ""
    ipv4: Target | None = None

    def targets(self, scheme: str) -> tuple[Target, ...]:
        """How a proxy is told where the judge is: SOCKS4 knows addresses, and names only as 4a."""
        named = self.page.target
        if scheme == "socks4" and self.ipv4:
            return self.ipv4, named._replace(by_name=True)
        return (named,)


@dataclass(frozen=True, slots=True)
class Judge:
    """Who is asked through proxies, over plain HTTP and over TLS: one of them at least."""

    baseline: Baseline
    trust: ssl.SSLContext
    plain: Question | None = None
    secure: Question | None = None

    def __post_init__(self) -> None:
        if not self.questions:
            raise JudgeUnavailable("nobody is there to be asked")

    @property
    def questions(self) -> tuple[Question, ...]:
        """Those that are there."""
        return tuple(question for question in (self.plain, self.secure) if question)


async def ask(
    lines: Lines, urls: Iterable[str], seconds: float, trust: ssl.SSLContext | None = None
) -> Judge:
    """Ask the judges at `urls`, over each family of addresses that we have, each for `seconds`.

    Of those with http and of those with https the first is taken that answers.

    Raises:
        JudgeUnavailable: no true answer of any of those with http, or of any with https.
    """
    given = trust or trusting()
    pages = [Page.of(url) for url in urls]
    plain, secure = await asyncio.gather(
        _first([page for page in pages if not page.secure], lines, seconds, given),
        _first([page for page in pages if page.secure], lines, seconds, given),
    )
    baseline = Baseline.of([*(plain[1] if plain else ()), *(secure[1] if secure else ())])
    return Judge(baseline, given, plain and plain[0], secure and secure[0])


async def see_pages(lines: Lines, judge: Judge, seconds: float) -> None:
    """See that the judge's pages are what it says of them: else every proxy would seem to alter them.

    Raises:
        JudgeUnavailable: one is not.
    """
    for question in judge.questions:
        if question.page_sha256:
            page = question.page.beside("/page")
            found = await _over_each(_digest, page, lines, seconds, judge.trust)
            if question.page_sha256 not in found:
                seen = any(isinstance(digest, str) for digest in found)
                why = "not what the judge says of it" if seen else _why(found)
                raise JudgeUnavailable(f"{page.url}: {why}")


async def ask_again(lines: Lines, judge: Judge, seconds: float) -> None:
    """See that the judge is still there, and has the same pages.

    Raises:
        JudgeUnavailable: it is not, or has not.
    """
    found = await ask(lines, [each.page.url for each in judge.questions], seconds, judge.trust)
    for before, now in zip(judge.questions, found.questions, strict=True):
        if now.page_sha256 != before.page_sha256:
            raise JudgeUnavailable(f"{now.page.url}: its page is no longer the same")


@cache
def trusting(authorities: str = "") -> ssl.SSLContext:
    """One context a process: it verifies certificates, and is dear to make.

    `authorities` is a file of those that are trusted besides the system's.
    """
    context = ssl.create_default_context()
    if authorities:
        context.load_verify_locations(authorities)
    return context


def answer_of(response: Response, nonce: str, proxy: Proxy | None = None) -> Answer:
    """Read the judge's answer.

    Raises:
        LineError, WrongAnswer: it is none.
    """
    require_ok(response, proxy)
    return answer.read(response.body, nonce)


def require_ok(response: Response, proxy: Proxy | None = None) -> None:
    """See that this is what was asked for, and no excuse.

    Raises:
        LineError, WrongAnswer: it is not.
    """
    if response.status == CREDENTIALS_WANTED and proxy:
        raise NotLetIn(proxy)
    if _REFUSED <= response.status < _UNKNOWN:
        raise Refused(f"answered {response.status}")
    if response.status != _OK:
        raise WrongAnswer(f"answered {response.status}")


def new_nonce() -> str:
    """Return what no cache has seen."""
    return os.urandom(16).hex()


async def _first(
    pages: list[Page], lines: Lines, seconds: float, trust: ssl.SSLContext
) -> tuple[Question, list[Answer]] | None:
    problems = []
    for page in pages:
        found = await _over_each(_hear, page, lines, seconds, trust)
        heard = [result for result in found if not isinstance(result, BaseException)]
        if heard:
            answers = [given for _, given in heard]
            digest = next((given.page_sha256 for given in answers if given.page_sha256), "")
            ipv4 = next((Target(*at) for at, _ in heard if "." in at[0]), None)
            return Question(page, digest, ipv4), answers
        problems.append(f"{page.url}: {_why(found)}")
    if problems:
        raise JudgeUnavailable("; ".join(problems))
    return None


async def _over_each(
    asking: Callable[..., Coroutine[Any, Any, T]], page: Page, *how: Any
) -> list[T | BaseException]:
    """Ask over each family of addresses."""
    return await asyncio.gather(
        *(asking(page, family, *how) for family in _FAMILIES), return_exceptions=True
    )


async def _hear(
    page: Page, family: int, lines: Lines, seconds: float, trust: ssl.SSLContext
) -> tuple[tuple[str, int], Answer]:
    nonce = new_nonce()
    address, response = await _over(page, family, lines, seconds, trust, nonce)
    return address, answer_of(response, nonce)


async def _digest(page: Page, *how: Any) -> str:
    _, response = await _over(page, *how)
    require_ok(response)
    return hashlib.sha256(response.body).hexdigest()


async def _over(
    page: Page, family: int, lines: Lines, seconds: float, trust: ssl.SSLContext, nonce: str = ""
) -> tuple[tuple[str, int], Response]:
    deadline = lines.time() + seconds
    async with asyncio.timeout(seconds):
        found = await names.addresses(page.target.host, family)
    if not found:
        raise _NoAddressError
    address = (found[0], page.target.port)
    return address, await lines.talk(address, deadline, _converse, page, nonce, trust)


async def _converse(line: Line, page: Page, nonce: str, trust: ssl.SSLContext) -> Response:
    if page.secure:
        await line.secure(trust, page.target.host)
    await line.send(page.request(nonce))
    return await wire.read(line)


def _why(found: Iterable[object]) -> str:
    """Say why there was no answer; a mistake of ours is no answer either."""
    for error in found:
        if isinstance(error, _NoAddressError):
            continue
        if isinstance(error, BaseException) and not isinstance(error, FAILURES):
            raise error
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {error.verify_message}"
        return reason_of(error)
    return "unreachable"


def reason_of(error: object) -> str:
    """Say in a few words, that a hostile proxy has no part in, why something failed."""
    if isinstance(error, LineError | WrongAnswer | Unreached):
        return str(error)
    for kind, reason in _REASONS.items():
        if isinstance(error, kind):
            return reason
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno).lower()
    return "unreachable" if isinstance(error, OSError) else "not a proxy of this kind"


def may_be_the_judges(reason: str) -> bool:
    """Whether a proxy may say so, or nothing at all, because the judge is away."""
    return reason.startswith(_JUDGES)


#: What a proxy does that gets no answer from the judge, or only half of one.
_JUDGES = ("no answer", "closed the connection", "half an answer", "answered 5", "tunnel refused")

_REASONS: dict[type[Exception], str] = {
    names.UnknownName: "name not known",
    TimeoutError: "no answer in time",
    ssl.SSLCertVerificationError: "intercepts TLS",
    ssl.SSLError: "TLS failed",
    ConnectionError: str(HungUp()),  # whether politely or with a reset is a matter of chance
}
