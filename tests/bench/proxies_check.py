"""The check: what it finds in a zoo, and what it costs on a farm."""

from __future__ import annotations

import contextlib
import itertools
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any

from tests.bench.proxies_farm import Farm, farm
from tests.bench.queue_children import Child
from tests.bench.table import Parts, Row, measure, median, spread
from tests.support.zoo_kinds import KINDS
from tests.support.zoo_program import zoo_of

ROUNDS = 5
#: The realistic list: what free lists are made of, in parts of a hundred.
LIST = 10_000
MIX = {
    "closed": 43,
    "silent": 16,
    "dropping": 15,
    "good": 6,
    "transparent": 4,
    "forbidding": 4,
    "garbage": 4,
    "captive": 4,
    "closing": 4,
}
HOSTILE = (
    *("bombing", "swelling", "endless_headers", "endless_line", "endless_chunks", "zip_bomb"),
    *("huge", "trickling", "slow_headers", "bombing_socks"),
)


@contextlib.contextmanager
def child_of(name: str) -> Iterator[Child]:
    """A process of ours that is told what to do."""

    class Told(Child):
        module = name

    child = Told("ours", sys.executable)
    try:
        yield child
    finally:
        child.kill()


def sweep(urls: list[str], judges: list[str], ca: str, **settings: Any) -> dict[str, Any]:
    """One sweep in a process that has done nothing before but a little one."""
    own_loop = settings.pop("own_loop", False)
    facts = {"judges": judges, "judge_ca": ca, "check_timeout": 5, **settings}
    with child_of("tests.bench.proxies_sweeper") as child:
        child.ask("sweep", urls=urls[:5], settings=facts, own_loop=own_loop)
        found: dict[str, Any] = child.ask("sweep", urls=urls, settings=facts, own_loop=own_loop)
    assert not found["problem"], found["problem"]
    return found


def truth() -> list[Row]:
    """Three of everybody in the zoo, in any order."""
    with zoo_of(*(f"{kind}=3" for kind in KINDS)) as zoo:
        urls = [one["url"] for one in zoo["residents"]]
        random.shuffle(urls)
        found = sweep(urls, [zoo["judge"], zoo["judge_tls"]], zoo["ca"], check_timeout=8)
    live = found["live"]
    good = {_address(one["url"]) for one in zoo["residents"] if one["usable"]}
    labels = {
        _address(one["url"]): one["anonymity"] for one in zoo["residents"] if not one["reason"]
    }
    taken = {address for address, (usable, *_) in live.items() if usable}
    right = sum(live.get(address, ["", ""])[1] == label for address, label in labels.items())
    note = f"{len(KINDS)} kinds, {len(good)} of {len(urls)} are usable; 1 is all"
    return [
        Row("zoo: precision", "", _part(taken & good, taken), goal=1, note=note, more=True),
        Row("zoo: recall", "", _part(taken & good, good), goal=1, more=True),
        Row("zoo: anonymity right", "", round(right / len(labels), 3), goal=1, more=True),
    ]


def _address(url: str) -> str:
    return url.rpartition("/")[2].rpartition("@")[2]


def _part(some: set[str], of: set[str]) -> float:
    return round(len(some) / len(of), 3)


def first() -> list[Row]:
    """All good, and the judge has neither a page nor TLS: the first stage of the funnel alone."""
    return [_rate("first stage alone", 20_000, 8000, lambda f: [f"{f.judges[0]}get"])]


def full() -> list[Row]:
    """All good, with page and TLS."""
    return [_rate("full check, all good", 3000, 600, lambda f: f.judges)]


def _rate(name: str, count: int, goal: int, judges: Callable[[Farm], list[str]]) -> Row:
    rates, costs, own = [], [], []
    with farm() as there:
        for _ in range(ROUNDS):
            for own_loop in (False, True):
                urls = there.take("good", count)
                found = sweep(urls, judges(there), there.ca, own_loop=own_loop)
                assert len(found["live"]) == count, found["reasons"]
                usage = found["usage"]
                (own if own_loop else rates).append(count / usage["seconds"])
                if not own_loop:
                    costs.append(1000 * usage["cpu"] / count)
    note = f"{spread(rates)}; {median(costs, 3)} ms of processor each; without uvloop {median(own, 0):g}"
    return Row(name, "1/s", median(rates, 0), goal=goal, note=note, more=True)


def realistic() -> list[Row]:
    """The list that people have."""
    with farm() as there:
        runs = [_realistic(there) for _ in range(3)]
    usage = {key: [run["usage"][key] for run in runs] for key in runs[0]["usage"]}
    note = "43 % refuse, 31 % hang, 6 % good; 5 s each"
    name = f"list of {LIST}"
    cpu = [1000 * seconds / LIST for seconds in usage["cpu"]]
    return [
        Row(name, "s", median(usage["seconds"]), goal=10, note=note),
        Row(f"{name}: processor time for 1,000", "s", median(cpu, 3), goal=0.25),
        Row(f"{name}: memory at most", "MB", median(usage["peak_mb"]), goal=80),
        Row(f"{name}: loop late at most", "ms", median([1000 * s for s in usage["lag"]]), goal=200),
    ]


def _realistic(there: Farm) -> dict[str, Any]:
    urls = [url for kind, part in MIX.items() for url in there.take(kind, LIST * part // 100)]
    random.shuffle(urls)
    found = sweep(urls, there.judges, there.ca)
    usable = sum(usable for usable, *_ in found["live"].values())
    assert usable == LIST * MIX["good"] // 100, found["reasons"]
    return found


def hostile() -> list[Row]:
    """A crowd of those who want to cost us something."""
    words = [f"{kind}=60" for kind in HOSTILE]
    with zoo_of(*words, "swelling=600") as zoo:
        urls = [one["url"] for one in zoo["residents"]]
        random.shuffle(urls)
        found = sweep(urls, [zoo["judge"]], zoo["ca"], check_timeout=3)
    assert not found["live"]
    usage = found["usage"]
    note = f"{len(urls)} of {len(HOSTILE)} kinds at once, 3 s each"
    over = round(usage["longest"] - 3, 3)
    return [
        Row(
            "hostile answers: memory grows by",
            "MB",
            round(usage["grown_mb"], 1),
            goal=20,
            note=note,
        ),
        Row("hostile answers: beyond the deadline", "s", over, goal=0.2),
    ]


def ways() -> list[Row]:
    """What one question and its answer cost in processor time, over each way to have a connection."""
    took: dict[str, list[float]] = {}
    with farm() as there, child_of("tests.bench.proxies_ways") as child:
        url = f"{there.judges[0]}get"
        for _ in range(ROUNDS):
            for way, own_loop in itertools.product(("ours", "protocols", "streams"), (True, False)):
                taken = there.take("good", 3000)
                addresses = [one.rpartition("/")[2].split(":") for one in taken]
                facts = {"way": way, "addresses": addresses, "url": url, "own_loop": own_loop}
                name = way if own_loop else f"{way} on uvloop"
                took.setdefault(name, []).append(child.ask("converse", **facts)["cpu_us"])
    us = {name: median(values, 0) for name, values in took.items()}
    mine = us.pop("ours")
    return [Row("a question and its answer", "us", mine, us, note="processor time of who asks")]


PARTS: Parts = {
    "ways": ways,
    "truth": truth,
    "first": first,
    "full": full,
    "realistic": realistic,
    "hostile": hostile,
}


def check() -> list[Row]:
    """All of it."""
    return [row for part in PARTS.values() for row in part()]


if __name__ == "__main__":
    measure("proxies-check", PARTS, beside=["nobody"], missing=[])
