"""The check: real requests through the proxy to the judges, within one deadline for all of it.

A funnel: most of a list fails at the first answer, and only who gives it is asked for more.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from proxies import names
from proxies.check import answer, dial, wire
from proxies.check.answer import WrongAnswer
from proxies.check.dial import NotLetIn, Refused
from proxies.check.direct import FAILURES, answer_of, new_nonce, reason_of, require_ok
from proxies.check.line import HungUp, Unreached
from proxies.check.unreachable import Unreachable
from proxies.model import Proxy, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from proxies.check.answer import Answer
    from proxies.check.dial import Target
    from proxies.check.direct import Judge, Question
    from proxies.check.line import Line
    from proxies.check.lines import Lines
    from proxies.check.wire import Page, Response

#: Of those that gave a first answer so many are looked at more closely at once: TLS takes processor time
#: and memory, and nobody's deadline passes while we have none for him.
CLOSER_AT_ONCE = 500
#: Who does this may still do what is asked for in another way.
_REFUSALS = (Refused, NotLetIn, HungUp, ConnectionError)


@dataclass(frozen=True, slots=True)
class Check:
    """Checks one proxy at a time; any number of them may run at once.

    `timeout` is the total for one proxy; `now` tells the time for the record.
    """

    lines: Lines
    judge: Judge
    timeout: float
    now: Callable[[], float]
    unreachable: Unreachable = field(default_factory=Unreachable)
    closer: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CLOSER_AT_ONCE))

    async def run(self, proxy: Proxy) -> Verdict:
        """Ask the judges through `proxy`; whatever the proxy does ends in a verdict."""
        if reason := await self.unreachable.wait(proxy):
            return Verdict(proxy, self.now(), reason)
        deadline = self.lines.time() + self.timeout
        try:
            return await _Course(self, deadline).run(proxy)
        except Unreached as error:
            self.unreachable.tell(proxy, str(error))
            return Verdict(proxy, self.now(), str(error))
        except FAILURES as error:
            return Verdict(proxy, self.now(), reason_of(error))
        finally:
            self.unreachable.give_up(proxy)


class _Way(NamedTuple):
    """How `question` is asked: in the absolute form, or through a tunnel to where the judge is.

    `form` is which of its `targets` that is.
    """

    proxy: Proxy
    question: Question
    form: int | None = None

    @property
    def target(self) -> Target | None:
        if self.form is None:
            return None
        return self.question.targets(self.proxy.scheme)[self.form]


class _Seen(NamedTuple):
    """An answer of the judge, and our address as the proxy saw it."""

    answer: Answer
    own: str


class _Course:
    """One check: `ip` is where the proxy is."""

    __slots__ = ("_check", "_deadline", "_ip", "_judge")

    def __init__(self, check: Check, deadline: float) -> None:
        self._check = check
        self._judge = check.judge
        self._deadline = deadline
        self._ip = ""

    async def run(self, proxy: Proxy) -> Verdict:
        """Go down the funnel.

        Raises:
            FAILURES: it is not live.
        """
        if names.version_of(proxy.host):
            self._ip = proxy.host
        else:
            async with asyncio.timeout(self._check.timeout):
                self._ip = (await names.addresses(proxy.host))[0]
        way, first, seconds = await self._first(proxy)
        asked = self._check.lines.time()
        async with self._check.closer:
            self._deadline += self._check.lines.time() - asked
            tls, second = await self._more(way)
        seen = [first, second] if second else [first]
        return Verdict(
            way.proxy,
            self._check.now(),
            anonymity=answer.anonymity(
                [each.answer for each in seen],
                self._judge.baseline,
                frozenset(each.own for each in seen),
            ),
            exit_ip=first.answer.exit_ip,
            latency_ms=round(seconds * 1000),
            tls=tls,
            listed_as=proxy.scheme if way.proxy.scheme != proxy.scheme else "",
        )

    async def _first(self, proxy: Proxy) -> tuple[_Way, _Seen, float]:
        """Get a true answer, in the first way that the proxy does not refuse."""
        refused: Exception | None = None
        time = self._check.lines.time
        for way in self._ways(proxy):
            nonce = new_nonce()
            started = time()
            try:
                response, own = await self._get(way, way.question.page, nonce)
                seen = _Seen(answer_of(response, nonce, way.proxy), own)
            except _REFUSALS as error:
                refused = refused or error
                if isinstance(error, NotLetIn) and way.target:
                    break  # to ask again lets nobody in
            except FAILURES as error:
                if not refused or isinstance(error, ssl.SSLCertVerificationError):
                    raise
            else:
                return way, seen, time() - started
        raise refused or HungUp

    def _ways(self, proxy: Proxy) -> Iterator[_Way]:
        """Plain first; who refuses that may be one for tunnels, and who refuses these, for TLS only."""
        plain, secure = self._judge.plain, self._judge.secure
        if plain:
            if proxy.scheme == "http":
                yield _Way(proxy, plain)
                proxy = replace(proxy, scheme="https")
            yield from _tunnels(proxy, plain)
        if secure:
            yield from _tunnels(proxy, secure)

    async def _more(self, way: _Way) -> tuple[bool | None, _Seen | None]:
        """See, after a first true answer, that pages are left as they are, and whether TLS is."""
        plain, secure = self._judge.plain, self._judge.secure
        if way.question is not plain:
            await self._see_page(way)
            return True, None
        if not secure:
            await self._see_page(way)
            return None, None
        form = min(way.form or 0, len(secure.targets(way.proxy.scheme)) - 1)
        over_tls = _Way(way.proxy, secure, form)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._see_page(way))
                seeing = group.create_task(self._see_tls(over_tls))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        tls, seen = seeing.result()
        if not tls:  # some serve one connection at a time
            return await self._see_tls(over_tls)
        return tls, seen

    async def _see_page(self, way: _Way) -> None:
        """Fetch the judge's page, where it has one, and see that nobody changed it."""
        promised = way.question.page_sha256
        if not promised:
            return
        response, _ = await self._get(way, way.question.page.beside("/page"))
        require_ok(response, way.proxy)
        if hashlib.sha256(response.body).hexdigest() != promised:
            raise WrongAnswer("alters pages")

    async def _see_tls(self, way: _Way) -> tuple[bool, _Seen | None]:
        """Ask over TLS. That it does not come about is no lie, another certificate is."""
        nonce = new_nonce()
        try:
            response, own = await self._get(way, way.question.page, nonce)
        except ssl.SSLCertVerificationError:
            raise
        except FAILURES:
            return False, None
        try:
            return True, _Seen(answer_of(response, nonce), own)
        except FAILURES:  # nobody but the judge can have said that
            return True, None

    def _get(
        self, way: _Way, page: Page, nonce: str = ""
    ) -> Coroutine[Any, Any, tuple[Response, str]]:
        """Ask for a page, and hear our own address as the proxy sees it, if nobody is in between."""
        address = (self._ip, way.proxy.port)
        return self._check.lines.talk(address, self._deadline, self._converse, way, page, nonce)

    async def _converse(
        self, line: Line, way: _Way, page: Page, nonce: str
    ) -> tuple[Response, str]:
        proxy, target = way.proxy, way.target
        self._check.unreachable.tell(proxy, "")
        if target:
            await dial.tunnel(line, proxy, target)
            if page.secure:
                await line.secure(self._judge.trust, page.target.host)
        await line.send(page.request(nonce, via=None if target else proxy))
        return await wire.read(line), line.own_address


def _tunnels(proxy: Proxy, question: Question) -> Iterator[_Way]:
    return (_Way(proxy, question, form) for form in range(len(question.targets(proxy.scheme))))
