"""A place in the line of one store is none in the line of the other."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace

import pytest

from orchestrator.core.redis import connect
from orchestrator.gate import scripts
from orchestrator.gate.away import FailoverStore
from orchestrator.gate.local import LocalStore
from orchestrator.gate.permit import WAITER_US, Ask, Grant, Refused
from orchestrator.gate.shared import RedisStore
from tests.support.gate_place import HOST, KEYS, QUICK, SITE
from tests.support.orch import eventually
from tests.support.redis_server import RedisServer

ONE = replace(QUICK, slots=1, lease_s=600)


def ask(store: FailoverStore | RedisStore, *, queues: bool = False) -> Ask:
    return Ask(SITE, HOST, store.holder(HOST), max_wait_us=5_000_000, queues=queues)


def test_who_waited_while_redis_was_away_goes_behind_those_who_waited_there(
    server: RedisServer, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = RedisStore(server.url, KEYS, "other")
    shared = RedisStore(server.url, KEYS, "me")
    store = FailoverStore(shared, LocalStore(), lambda *_: None)
    assert isinstance(others.enter(ask(others), ONE), Grant)
    monkeypatch.setattr(scripts, "STEP_S", 0.2)
    os.kill(server.process.pid, signal.SIGSTOP)
    assert store.look(SITE).rest_s == 0
    assert store.away
    eventually(lambda: isinstance(store.enter(ask(store), ONE), Grant))
    mine = ask(store, queues=True)
    answer = store.enter(mine, ONE)
    assert isinstance(answer, Refused)
    assert answer.since < 0

    monkeypatch.setattr(scripts, "STEP_S", 10.0)
    os.kill(server.process.pid, signal.SIGCONT)
    eventually(lambda: not store.away)
    shared._scripts.close()  # the connections of one that was not patient
    redis = connect(server.url)
    while True:
        began = time.monotonic()
        theirs = ask(others, queues=True)
        others.enter(theirs, ONE)
        store.enter(mine._replace(since=answer.since), ONE)
        names = [str(name) for name in redis.zrange(KEYS.gate(SITE, "line"), 0, -1)]
        if time.monotonic() - began < WAITER_US / 1e6:  # else the first of them is thought dead
            break
        for each, who in ((others, theirs), (store, mine)):
            each.quit(who, ONE)
    assert names == [theirs.holder, mine.holder]
    redis.close()
    store.close()
    others.close()
