"""A verb whose reply is lost is not sent again: the server may have carried it out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import RedisUnavailable
from orchestrator.queue.job_verbs import JobVerbs
from orchestrator.queue.model import NewJob, OnConflict, QueueState
from orchestrator.queue.redis_store import RedisStore, open_store
from orchestrator.queue.verbs import MOST_A_CALL
from tests.support.queue_place import TTL, add, counted, end, forget, one
from tests.support.redis_cut import LossyWay
from tests.support.redis_server import RedisServer


@pytest.fixture
def way(server: RedisServer, tmp_path: Path) -> Iterator[LossyWay]:
    with LossyWay(server.socket, tmp_path / "way") as opened:
        yield opened


@pytest.fixture
def store(way: LossyWay) -> Iterator[RedisStore]:
    """An empty one, whose server knows the scripts already."""
    with open_store(way.url, create=True) as opened:
        end(opened, "first")
        forget(opened)
        yield opened


def test_an_enqueue_whose_reply_is_lost_is_sent_once(store: RedisStore, way: LossyWay) -> None:
    """A second one might queue again what somebody has done in between."""
    way.lose.set()
    with pytest.raises(RedisUnavailable):
        store.enqueue([NewJob("a")], OnConflict.REQUEUE)
    assert counted(store) == {"queued": 1}


def test_a_lease_whose_reply_is_lost_takes_no_second_job(store: RedisStore, way: LossyWay) -> None:
    add(store, "a", "b")
    way.lose.set()
    with pytest.raises(RedisUnavailable):
        store.lease(1, TTL)
    assert counted(store) == {"queued": 1, "in_progress": 1}


def test_an_ack_whose_reply_is_lost_is_not_told_as_a_lost_lease(
    store: RedisStore, way: LossyWay
) -> None:
    add(store, "a")
    token = one(store).token
    way.lose.set()
    with pytest.raises(RedisUnavailable):
        store.ack(token, QueueState.DONE)
    assert counted(store) == {"done": 1}


def test_a_server_that_came_back_is_asked_without_an_error(server: RedisServer) -> None:
    with open_store(server.url, create=True) as store:
        add(store, "a")
        server.kill()
        server.start()
        assert one(store).id == "a"


def test_what_was_leased_before_the_server_went_away_is_handed_out(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else could hold it before its lease runs out."""
    take, calls = JobVerbs.take, []

    def take_once(verbs: JobVerbs, *words: Any) -> Any:
        calls.append(words)
        if len(calls) > 1:
            server.kill()
        return take(verbs, *words)

    with open_store(server.url, create=True) as store:
        store.enqueue([NewJob(str(number)) for number in range(MOST_A_CALL + 5)])
        monkeypatch.setattr(JobVerbs, "take", take_once)
        assert len(store.lease(MOST_A_CALL + 5, TTL)) == MOST_A_CALL
        with pytest.raises(RedisUnavailable):
            store.lease(1, TTL)
