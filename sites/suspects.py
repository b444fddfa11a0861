"""Proxies through which a page failed, while nobody knows whether they or the site did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sites.fetch import Answer, Failed, Kind

if TYPE_CHECKING:
    from proxies.model import Proxy
    from proxies.rotation import Rotation

#: When so many different proxies in a row say the same of a page, it is the site's.
AGREED_AT = 2


@dataclass(slots=True)
class Suspects:
    """Those of one page. Their picks are held meanwhile, so that the next one is another."""

    rotation: Rotation
    _held: list[tuple[Proxy, Kind]] = field(default_factory=list)

    async def hear(self, proxy: Proxy | None, answer: Answer) -> Answer:
        """Tell the pool what is certain by now; return what is to be made of the answer."""
        doubt = answer.doubt if isinstance(answer, Failed) else None
        if proxy is not None and doubt is not None:
            self._held.append((proxy, doubt))
            return self._agreed(answer)
        failed = isinstance(answer, Failed) and answer.kind is Kind.PROXY
        if proxy is not None:
            await self.rotation.report(proxy, ok=not failed)
        if not failed:
            await self._judge(answer)
        return answer

    def rest(self) -> None:
        """Nothing came out: they rest here for a while, and the pool is told nothing."""
        while self._held:
            self.rotation.rest(self._held.pop()[0])

    def release(self) -> None:
        """Give them all back without a verdict."""
        while self._held:
            self.rotation.release(self._held.pop()[0])

    def _agreed(self, answer: Answer) -> Answer:
        """Say that it is the site that failed, if enough proxies do; a silence says nothing."""
        kinds = {kind for _, kind in self._held}
        several = len({proxy.key for proxy, _ in self._held}) >= AGREED_AT
        if not isinstance(answer, Failed) or not several or kinds != {answer.doubt}:
            return answer
        if answer.doubt is None or answer.doubt is Kind.TIMEOUT:
            return answer
        self.release()
        return Failed(answer.doubt, answer.detail, status=answer.status)

    async def _judge(self, answer: Answer) -> None:
        """The site has answered, by another way: those who said that it does not were wrong."""
        said = answer.kind if isinstance(answer, Failed) else None
        while self._held:
            proxy, kind = self._held.pop()
            if said is kind:
                self.rotation.release(proxy)
            elif kind is Kind.TIMEOUT or (isinstance(answer, Failed) and not answer.status):
                self.rotation.rest(proxy)
            else:
                await self.rotation.report(proxy, ok=False)
