"""Any text may be a name, a payload, a result or a reason."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest

from orchestrator.queue.model import LONGEST_NAME, Limits, NewJob, QueueState
from orchestrator.queue.store import Store
from tests.support.queue_place import TTL, check_the_counts, counted, counted_by_key, job, one

#: Each is another name than all the others.
ODD = [
    *("a b", " a", "a ", "ü/ß/漢字/🎉", 'it\'s "q"', "100%_x", "back\\slash", "{brace}", "*[?]"),
    *(".dots.in.it", "1.2.3", ":colon:", "%s%n%d", "'; DROP TABLE job; --", "NULL", "None", "-1"),
    *("7", "007", "7.0", "7e0", "0x7", "true", "A", "a", "é", "e\u0301", "\u200b", "|", "a|b", ","),
    *("https://x.example/?q=1&r=ü#z", "$", "^", "\ufeff", "\U0010ffff", "nan", "inf", "-0", "q:a"),
]
LONG = "ü" * (LONGEST_NAME // 2)
#: As keys and hosts these run into each other when they are only strung together.
PARTS = ["a", "a:b", "b", "b:c", ":", " ", "a b", "|", "a|b", "b|", "/", "a/b", "0", "0:a", ","]


def test_any_text_names_a_job(store: Store) -> None:
    names = [*ODD, LONG]
    assert store.enqueue([NewJob(name, f'"{number}"') for number, name in enumerate(names)]) == len(
        names
    )
    assert store.enqueue([NewJob(name) for name in names]) == 0
    for number, name in enumerate(names):
        assert job(store, name).payload == f'"{number}"'
    leases = store.lease(len(names), TTL)
    assert [lease.id for lease in leases] == names
    assert store.heartbeat([lease.token for lease in leases], TTL) == []
    for lease in leases:
        store.ack(lease.token, QueueState.ERROR, reason=lease.id, result=f'"{lease.id}"')
    for name in names:
        assert (job(store, name).reason, job(store, name).result) == (name, f'"{name}"')
    assert set(store.retry_failed()) == set(names)
    assert store.cancel(names) == len(names)
    check_the_counts(store)


def test_any_text_is_a_key_and_a_host(store: Store) -> None:
    names = [*ODD, LONG]
    jobs = [NewJob(f"{number}", key=name, host=name) for number, name in enumerate(names)]
    store.enqueue([*jobs, *(NewJob(f"{job.id}x", key=job.key, host=job.host) for job in jobs)])
    store.set_limits(Limits({ODD[0]: 0}, every_key=1))
    leases = store.lease(200, TTL, worker="'w\" ü")
    assert Counter(lease.key for lease in leases) == Counter(names[1:])
    assert [lease.key for lease in leases] == [lease.host for lease in leases]
    assert counted_by_key(store)[LONG, "in_progress"] == 1
    for name in names:
        assert len(store.jobs(key=name)) == 2
    check_the_counts(store)


def test_keys_and_hosts_that_look_like_each_other_are_told_apart(store: Store) -> None:
    pairs = list(product(["", *PARTS], repeat=2))
    store.enqueue(
        [
            NewJob(f"{number}-{again}", key=key, host=host)
            for again in (1, 2)
            for number, (key, host) in enumerate(pairs)
        ]
    )
    leases = store.lease(1000, TTL)
    told = Counter((lease.key, lease.host) for lease in leases)
    assert told == Counter(dict.fromkeys(pairs, 2))
    for lease in leases:
        assert pairs[int(lease.id.split("-")[0])] == (lease.key, lease.host)
    assert store.release([lease.token for lease in leases]) == []
    store.set_limits(Limits(every_key=1, per_host=1))
    taken = [lease for _ in range(20) for lease in store.lease(50, TTL)]
    for names in ([lease.key for lease in taken], [lease.host for lease in taken]):
        counts = Counter(name for name in names if name)
        assert set(counts.values()) == {1}
    check_the_counts(store)


@pytest.mark.parametrize("size", [1_000_000])
def test_a_payload_and_a_result_may_be_large(store: Store, size: int) -> None:
    large = '"' + "ü" * (size // 2) + '"'
    store.enqueue([NewJob("a", large)])
    lease = one(store)
    assert lease.payload == large
    store.commit(lease.token, QueueState.DONE, result=large, new_jobs=[NewJob("b", large)])
    assert job(store, "a").result == large
    assert one(store).payload == large
    assert counted(store) == {"done": 1, "in_progress": 1}


def test_a_payload_is_kept_as_it_was_written(store: Store) -> None:
    texts = ['{"b": 1,  "a": 2}', "[]", "null", '""', '"\\u00fc ü \\n"', "1e400", '{"\\u0000": 0}']
    store.enqueue([NewJob(str(number), text) for number, text in enumerate(texts)])
    assert [lease.payload for lease in store.lease(9, TTL)] == texts
