"""How much each source is worth: how many of its candidates were live at the last refreshes.

A refresh tells at its beginning who named whom (`begin`), and at its end who is live (`record`). Both may
happen in different processes, so what they share is in Redis, as short digests.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.script import Call, load
from proxies.sources.source import declared
from proxies.sources.sources import ADDED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.core.keys import Keys
    from orchestrator.core.proxies_section import ProxiesSection
    from orchestrator.core.redis import Redis
    from proxies.model import Proxy
    from proxies.sources.sources import Candidates

#: Refreshes that the hit rate is of.
REFRESHES = 5
#: What is known of sources is kept for so long after the last refresh, in seconds.
TTL_S = 60 * 86_400
#: Who named whom is kept for so long at most, in seconds: no refresh takes longer.
NAMED_TTL_S = 86_400

_DIGEST = 8  #: bytes: of a million candidates two are the same once in 37 million refreshes


@dataclass(frozen=True, slots=True)
class Yields:
    """What is known of the sources of one home."""

    redis: Redis
    keys: Keys

    def begin(self, refresh_id: str, candidates: Candidates) -> None:
        """Remember what the sources gave, and who named whom, until this refresh ends."""
        self.saw(candidates)
        named = {
            report.key: f"{report.candidates} {_packed(candidates.lists[report.key])}"
            for report in candidates.reports
            if candidates.lists.get(report.key)
        }
        if named:
            key = self.keys.refresh(refresh_id, "named")
            with self.redis.pipeline(transaction=False) as pipe:
                pipe.hset(key, items=_items(named))
                pipe.expire(key, NAMED_TTL_S)
                pipe.execute()

    def saw(self, candidates: Candidates) -> None:
        """Remember what the sources gave just now."""
        seconds, micros = self.redis.time()
        facts = {
            _field(report.key, "read"): json.dumps(asdict(report) | {"at": seconds + micros / 1e6})
            for report in candidates.reports
        }
        if not facts:
            return
        old = _forgotten(self._hash(self.keys.sources()), seconds - TTL_S)
        with self.redis.pipeline(transaction=False) as pipe:
            if old:
                pipe.hdel(self.keys.sources(), *old)
            pipe.hset(self.keys.sources(), items=_items(facts))
            pipe.expire(self.keys.sources(), TTL_S)
            pipe.execute()

    def record(self, refresh_id: str, live: Iterable[str], undecided: Iterable[str] = ()) -> None:
        """Count for each source which of its candidates are live, by their keys; once a refresh.

        What is `undecided` was not checked, or could not be: it counts for nothing.
        """
        named = self._hash(self.keys.refresh(refresh_id, "named"))
        found = _counted(named, set(live), set(undecided))
        if found:
            words = [
                word for key, counts in found.items() for word in (_field(key, "hits"), *counts)
            ]
            args = [refresh_id, REFRESHES, TTL_S, *words]
            Call(load("proxies", "yield"), [self.keys.sources()], args, int).run(self.redis)
        self.redis.unlink(self.keys.refresh(refresh_id, "named"))

    def rows(self, settings: ProxiesSection) -> list[dict[str, Any]]:
        """Every source that is declared, and what people added, with what is known of it."""
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(self.keys.sources())
            pipe.hlen(self.keys.pool_added())
            pipe.time()
            known, added, (seconds, micros) = pipe.execute()
        now = seconds + micros / 1e6
        wanted = [(source.key, source.name, source.kind) for source in declared(settings)]
        if added:
            wanted.append((ADDED, "added by hand", "added"))
        return [_row(known, key, name, kind, now) for key, name, kind in wanted]

    def _hash(self, key: str) -> dict[str, str]:
        return {str(field): str(text) for field, text in self.redis.hgetall(key).items()}


def _row(known: Mapping[str, str], key: str, name: str, kind: str, now: float) -> dict[str, Any]:
    read = json.loads(known.get(_field(key, "read"), "{}"))
    hits = json.loads(known.get(_field(key, "hits"), "[]"))
    return {"source": name, "kind": kind, **_reading(read, now), **_worth(hits)}


def _reading(read: Mapping[str, Any], now: float) -> dict[str, Any]:
    """What it gave when it was last read; all None when it never was."""
    age = max(0.0, now - read["at"]) if read else 0.0
    kept_s = read.get("kept_s")
    names = ("candidates", "bad_lines", "first_bad", "error", "seconds", "unchanged", "changed_at")
    return {
        **{name: read.get(name) for name in names},
        "read_s": round(age, 1) if read else None,
        "kept_s": None if kept_s is None else round(kept_s + age, 1),
    }


def _worth(hits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What it brought at the last refresh, and at the last few."""
    tried = sum(one["tried"] for one in hits)
    return {
        "live": hits[0]["live"] if hits else None,
        "alone": hits[0]["alone"] if hits else None,
        "hit_rate": round(sum(one["live"] for one in hits) / tried, 4) if tried else None,
        "refreshes": [{word: one[word] for word in _OF_A_REFRESH} for one in hits],
    }


_OF_A_REFRESH = ("refresh", "at", "tried", "live", "alone")


def _forgotten(known: Mapping[str, str], before: float) -> list[str]:
    """The fields of sources that were last read before that."""
    keys = [
        key
        for key, _, what in (field.partition(":") for field in known)
        if what == "read" and json.loads(known[_field(key, what)])["at"] < before
    ]
    return [_field(key, what) for key in keys for what in ("read", "hits")]


def _counted(
    named: dict[str, str], live: set[str], undecided: set[str]
) -> dict[str, tuple[int, int, int]]:
    """By the key of a source: addresses that were tried, live ones, and those that only it named."""
    alive, unknown = _by_digest(live), _by_digest(undecided)
    good: dict[str, set[str]] = {}
    tried: dict[str, int] = {}
    for key, text in named.items():
        addresses, _, packed = text.partition(" ")
        digests = _unpacked(packed)
        good[key] = {alive[digest] for digest in alive.keys() & digests}
        open_ = {unknown[digest] for digest in unknown.keys() & digests} - good[key]
        tried[key] = int(addresses) - len(open_)
    times = Counter(address for found in good.values() for address in found)
    return {
        key: (tried[key], len(found), sum(times[address] == 1 for address in found))
        for key, found in good.items()
        if tried[key] > 0
    }


def _by_digest(keys: Iterable[str]) -> dict[bytes, str]:
    """Whom each digest is of: user and address, as one may be live in several ways."""
    return {_digest(key): key.partition("://")[2] for key in keys}


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=_DIGEST).digest()


def _packed(proxies: Sequence[Proxy]) -> str:
    return base64.b64encode(b"".join(_digest(proxy.key) for proxy in proxies)).decode()


def _unpacked(text: str) -> set[bytes]:
    raw = base64.b64decode(text)
    return {raw[at : at + _DIGEST] for at in range(0, len(raw), _DIGEST)}


def _items(mapping: Mapping[str, str]) -> list[str]:
    """Fields and values in turn, as redis-py takes them."""
    return [word for item in mapping.items() for word in item]


def _field(key: str, what: str) -> str:
    return f"{key}:{what}"
