"""The small API at the gateway's own address, for programs that make their requests themselves.

    GET /get?site=S&session=N&country=CC&tls=1   one proxy
    GET /all                                     every usable one
    GET /count                                   how many there are, and how they do here
    GET /report?lease=L&outcome=ok&seconds=0.3   how a request went: ok, banned, failed, doubted or unused;
                                                 lease as /get told it, or proxy=P where that was empty
    GET /health                                  whether the gateway serves

The first three are those of proxy_pool. They tell credentials, and /report changes how proxies stand, so no
web page may be led here: neither by a name of somebody else's (only an address or `localhost` is answered
as `Host`), nor by a link or a script in a page of another origin, of which browsers tell.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

from proxies.gateway import route as routes
from proxies.gateway.choice import Want
from proxies.gateway.entry import NotLetIn, enter_by_header
from proxies.gateway.route import BadRoute
from proxies.gateway.tries import Pick
from proxies.pool.picker import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxies.gateway.choice import Standing
    from proxies.gateway.head import Request
    from proxies.gateway.leases import Leases
    from proxies.gateway.supply import PoolSupply

_NO_PASSWORD = b'WWW-Authenticate: Basic realm="orch gateway", charset="UTF-8"\r\n'
_PLACES = "/get, /all, /count, /report and /health"


class Reply(NamedTuple):
    """What is answered: a JSON document, and more header lines."""

    status: int
    document: Any
    more: bytes = b""


class _Wrong(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(slots=True)
class Api:
    """Answers requests that are for the gateway itself."""

    supply: PoolSupply
    leases: Leases
    password: str = ""

    async def __call__(self, request: Request) -> Reply:
        """Answer one."""
        path, _, query = request.target.decode("latin-1").partition("?")
        if path == "/health":
            return Reply(200, {"ok": True})
        try:
            self._let_in(request)
            words = _words(query)
            return Reply(200, await self._place(path.rstrip("/"))(words))
        except NotLetIn as error:
            return Reply(401, {"error": f"{error}"}, _NO_PASSWORD)
        except BadRoute as error:
            return Reply(400, {"error": f"{error}"})
        except _Wrong as error:
            return Reply(error.status, {"error": f"{error}"})

    def _let_in(self, request: Request) -> None:
        if request.method not in (b"GET", b"POST", b"HEAD"):
            raise _Wrong(405, "only GET and POST are known here")
        if request.has_body:
            raise _Wrong(400, "what is asked for stands behind the ?, and not in a body")
        if not _is_address(request.said.get(b"host", b"").decode("latin-1")):
            raise _Wrong(403, "ask for it by the gateway's IP address, or as localhost")
        if _of_a_page(request):
            raise _Wrong(403, "no web page of another origin may ask here")
        if self.password:
            said = request.said.get(b"proxy-authorization") or _value(request, b"authorization")
            if said is None:
                raise NotLetIn("a password is wanted")
            enter_by_header(said, self.password)

    def _place(self, path: str) -> Callable[[Mapping[str, str]], Any]:
        places = {
            "/get": self._get,
            "/all": self._all,
            "/count": self._count,
            "/report": self._report,
        }
        try:
            return places[path]
        except KeyError:
            raise _Wrong(404, f"there are {_PLACES}") from None

    async def _get(self, words: Mapping[str, str]) -> Any:
        _only(words, "site", "session", "country", "tls")
        said = [f"{word}-{words[word]}" for word in routes.WORDS if words.get(word)]
        want = Want(routes.read("-".join(said)), "", sealed=words.get("tls", "0") not in ("0", ""))
        pick = await self.supply.pick(want, [])
        if pick is None:
            raise _Wrong(503, self.supply.shortage(want))
        return {**self._told(pick.standing), "lease": self.leases.keep(pick)}

    async def _all(self, words: Mapping[str, str]) -> Any:
        _only(words)
        return [self._told(standing) for standing in self.supply.choice.standings]

    async def _count(self, words: Mapping[str, str]) -> Any:
        _only(words)
        return self.supply.counts()

    async def _report(self, words: Mapping[str, str]) -> Any:
        _only(words, "lease", "proxy", "outcome", "seconds")
        outcome, seconds = _outcome(words), _seconds(words)
        if words.get("lease"):
            if self.leases.end(words["lease"], outcome, seconds):
                return {"ok": True}
            raise _Wrong(404, "no such lease, or it was reported on, or it ended by itself")
        for standing in self.supply.choice.standings:
            if words.get("proxy") in (standing.record.proxy.url, standing.record.proxy.key):
                standing.in_flight += 1
                self.supply.report(Pick(standing), outcome, seconds)
                return {"ok": True}
        raise _Wrong(404, "no such proxy is usable; name lease or proxy as /get told them")

    def _told(self, standing: Standing) -> dict[str, Any]:
        proxy, verdict = standing.record.proxy, standing.record.verdict
        return {
            "proxy": proxy.url,
            "protocol": proxy.scheme,
            "host": proxy.host,
            "port": proxy.port,
            "username": proxy.username,
            "password": proxy.password,
            "anonymity": str(verdict.anonymity),
            "exit_ip": verdict.exit_ip,
            "country": self.supply.leaves_from(standing.record),
            "latency_ms": verdict.latency_ms,
            "tls": verdict.tls,
            "checked_at": verdict.checked_at,
        }


def _words(query: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=16))
    except ValueError:
        raise _Wrong(400, "too many words behind the ?") from None


def _only(words: Mapping[str, str], *known: str) -> None:
    unknown = sorted(words.keys() - set(known))
    if unknown:
        allowed = f"there are {', '.join(known)}" if known else "none is known here"
        raise _Wrong(400, f"{unknown[0]}: no such word; {allowed}")


def _outcome(words: Mapping[str, str]) -> Outcome:
    try:
        return Outcome(words.get("outcome", ""))
    except ValueError:
        raise _Wrong(400, f"outcome must be one of {', '.join(Outcome)}") from None


def _seconds(words: Mapping[str, str]) -> float | None:
    try:
        seconds = float(words["seconds"]) if "seconds" in words else None
    except ValueError:
        seconds = -1.0
    if seconds is not None and not 0 <= seconds < float("inf"):
        raise _Wrong(400, "seconds must be a number that is not negative")
    return seconds


def _is_address(authority: str) -> bool:
    """Whether a `Host` names the gateway by its address."""
    name = authority.rpartition(":")[0] if not authority.endswith("]") else authority
    name = name if name and authority.rpartition(":")[2].isdigit() else authority
    if name.lower() in ("localhost", ""):
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _of_a_page(request: Request) -> bool:
    """Whether a browser asks on behalf of a page that is not the gateway's own."""
    site = _value(request, b"sec-fetch-site") or b"none"
    return site not in (b"none", b"same-origin") or _value(request, b"origin") is not None


def _value(request: Request, field: bytes) -> bytes | None:
    for line in request.lines:
        name, _, value = line.partition(b":")
        if name.lower() == field:
            return value.strip()
    return None
