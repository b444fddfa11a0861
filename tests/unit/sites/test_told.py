"""Links that the frontier has for certain."""

from __future__ import annotations

from dataclasses import dataclass

from sites.crawl.told import MOST, Told


@dataclass
class Server:
    epoch: int = 1


def test_what_was_told_is_not_told_again() -> None:
    told = Told(Server())
    told.add(["a", "b"], 1)

    assert told.new(["a", "c", "b"]) == ["c"]


def test_a_new_connection_may_lead_to_a_server_that_has_forgotten() -> None:
    server = Server()
    told = Told(server)
    told.add(["a"], 1)
    server.epoch = 2

    assert told.new(["a"]) == ["a"]


def test_what_was_told_to_an_earlier_connection_is_not_known() -> None:
    server = Server()
    told = Told(server)
    server.epoch = 2
    told.add(["a"], 1)

    assert told.new(["a"]) == ["a"]


def test_the_oldest_are_forgotten_first() -> None:
    told = Told(Server())
    told.add(map(str, range(MOST)), 1)
    told.add(["new"], 1)

    assert told.new(["0", "1", "new"]) == ["0"]
