"""Proxies through which a page failed, while nobody knows whether they or the site did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from proxies.pool.picker import Outcome
from sites.fetch.answer import Answer, Failed
from sites.fetch.kind import Kind

if TYPE_CHECKING:
    from proxies.pool.picker import Lease
    from sites.crawl.picks import Picks

#: When so many different proxies in a row say the same of a page, it is the site's.
AGREED_AT = 2

_OUTCOMES = {
    Kind.PROXY: Outcome.FAILED,
    Kind.HTTP_403: Outcome.BANNED,
    Kind.HTTP_429: Outcome.BANNED,
    Kind.SOFT_BLOCK: Outcome.BANNED,
    Kind.FORBIDDEN: Outcome.UNUSED,
}


class _Held(NamedTuple):
    lease: Lease
    kind: Kind  #: what it would be, were it the site's fault
    seconds: float


@dataclass(slots=True)
class Suspects:
    """Those of one page. Their picks are held meanwhile, so that the next one is another."""

    picker: Picks
    _held: list[_Held] = field(default_factory=list)

    async def pick_another(self, site: str) -> Lease | None:
        """Pick a proxy that is none of them, if there is one."""
        held = {each.lease.proxy.key for each in self._held}
        other = await self.picker.pick(site, avoid=held)
        return other if other is not None or not held else await self.picker.pick(site)

    async def hear(self, lease: Lease | None, answer: Answer, seconds: float) -> Answer:
        """Tell the pool what is certain by now; return what is to be made of the answer."""
        doubt = answer.doubt if isinstance(answer, Failed) else None
        if lease is not None and doubt is not None:
            self._held.append(_Held(lease, doubt, seconds))
            return await self._agreed(answer)
        kind = answer.kind if isinstance(answer, Failed) else None
        if lease is not None:
            outcome = _OUTCOMES.get(kind, Outcome.OK) if kind is not None else Outcome.OK
            again_s = answer.retry_after if isinstance(answer, Failed) else None
            await self.picker.report(lease, outcome, seconds, again_s=again_s)
        if kind is not Kind.PROXY:
            await self._judge(answer)
        return answer

    async def rest(self) -> None:
        """Nothing came out: they rest at this site for a while, and at no other."""
        await self._report_all(Outcome.DOUBTED)

    async def release(self) -> None:
        """Give them all back without a verdict."""
        await self._report_all(Outcome.UNUSED)

    async def _report_all(self, outcome: Outcome) -> None:
        while self._held:
            held = self._held.pop()
            await self.picker.report(held.lease, outcome, held.seconds)

    async def _agreed(self, answer: Answer) -> Answer:
        """Say that it is the site that failed, if enough proxies do; a silence says nothing."""
        kinds = {each.kind for each in self._held}
        several = len({each.lease.proxy.key for each in self._held}) >= AGREED_AT
        if not isinstance(answer, Failed) or not several or kinds != {answer.doubt}:
            return answer
        if answer.doubt is None or answer.doubt is Kind.TIMEOUT:
            return answer
        await self.release()
        return Failed(answer.doubt, answer.detail, status=answer.status)

    async def _judge(self, answer: Answer) -> None:
        """The site has answered, by another way: those who said that it does not were wrong."""
        said = answer.kind if isinstance(answer, Failed) else None
        while self._held:
            held = self._held.pop()
            outcome = Outcome.FAILED
            if said is held.kind:
                outcome = Outcome.UNUSED
            elif held.kind is Kind.TIMEOUT or (isinstance(answer, Failed) and not answer.status):
                outcome = Outcome.DOUBTED
            await self.picker.report(held.lease, outcome, held.seconds)
