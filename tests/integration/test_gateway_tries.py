"""What bad upstreams do to a client of the gateway: nothing, and what the pool hears of them."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from proxies.gateway import choice
from proxies.model import Proxy
from proxies.pool.picker import Outcome
from tests.support.gateway import (
    OK,
    Handler,
    Reader,
    Stage,
    Writer,
    cutting,
    garbage,
    hanging,
    noting,
    refusing,
    saying,
)
from tests.support.orch import eventually
from tests.support.ports import free_port

#: Of two with these times the first is always taken first.
FAST, SLOW = 0.001, 900.0
BIG = b"HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n" + b"x" * 30_000
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
BAD: dict[str, Handler] = {
    "refuses": refusing,
    "hangs": hanging,
    "sends garbage": garbage,
    "wants credentials": saying(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"),
    "cannot": saying(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),
    "cuts the head": cutting(OK, 10),
    "cuts the body": cutting(BIG, 20_000),
    "cuts the chunks": cutting(CHUNKED, len(CHUNKED) - 3),
    "spoils the chunks": saying(CHUNKED.replace(b"0\r\n\r\n", b"zz\r\n")),
    "says two lengths": saying(OK.replace(b"\r\n\r\n", b"\r\nContent-Length: 7\r\n\r\n", 1)),
}


@pytest.fixture
def stage(tmp_path):
    with Stage(tmp_path) as made:
        yield made


def first_bad_then_good(stage: Stage, handler: Handler, good: bytes = OK) -> tuple[Proxy, Proxy]:
    """A bad one that is tried first, because it is known to work and the other one is slower."""
    bad = stage.upstream(handler, seconds=FAST).proxy
    return bad, stage.upstream(saying(good), seconds=SLOW).proxy


def test_of_a_bad_upstream_a_client_notices_nothing_and_the_pool_all(stage: Stage) -> None:
    for name, handler in BAD.items():
        stage.supply.give([])
        stage.supply.reported.clear()
        bad, good = first_bad_then_good(stage, handler, CHUNKED)
        if not stage.port:
            stage.start(answer_timeout=4.0)
        assert stage.client().get("http://a.test/")[::2] == (200, b"hello"), name
        told = {(bad.key, Outcome.FAILED), (good.key, Outcome.OK)}
        eventually(lambda told=told: set(stage.supply.reported) == told, what=name)
        assert stage.standing(bad).rests_until > stage.loop.time(), name


def test_one_where_nobody_listens_is_passed_over(stage: Stage) -> None:
    stage.add(Proxy("http", "127.0.0.1", free_port()), seconds=FAST)
    stage.upstream(saying(OK), seconds=SLOW)
    assert stage.start().client().get("http://a.test/")[0] == 200


def test_at_most_four_upstreams_are_tried(stage: Stage) -> None:
    made = [stage.upstream(garbage) for _ in range(6)]
    status, fields, body = stage.start().client().get("http://a.test/")
    assert status == 502
    assert fields["proxy-status"].startswith("orch; error=")
    assert body.startswith(b"tried 4 upstreams: http://127.0.0.1:")
    assert sum(one.connections for one in made) == 4


def test_without_a_usable_proxy_nothing_goes_out_and_the_client_is_told_why(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as site:
        site.settimeout(0.2)
        port = site.getsockname()[1]
        talk = stage.start().client()
        status, fields, body = talk.get(f"http://127.0.0.1:{port}/")
        assert (status, fields["proxy-status"]) == (503, "orch; error=proxy_internal_error")
        assert fields["retry-after"] == "5"
        assert body == b"no usable proxy among 0; `orch proxies refresh` looks for some\n"
        talk = stage.client(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % port)
        assert talk.answer()[0] == 503
        talk = stage.client(b"\5\1\0\5\1\0\1\x7f\0\0\1" + port.to_bytes(2, "big"))
        assert talk.rest()[2:4] == b"\5\1"
        with pytest.raises(TimeoutError):
            site.accept()


def test_a_request_that_may_have_been_carried_out_is_not_made_again(stage: Stage) -> None:
    async def takes_and_closes(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"hello")

    bad = stage.upstream(takes_and_closes, seconds=FAST)
    good = stage.upstream(saying(OK), seconds=SLOW)
    talk = stage.start().client()
    talk.send(b"POST http://a.test/ HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello")
    assert talk.answer()[0] == 502
    assert (bad.connections, good.connections) == (1, 0)


@pytest.mark.parametrize("name", ["refused", "wants credentials"])
def test_a_post_that_cannot_have_been_carried_out_goes_elsewhere(stage: Stage, name: str) -> None:
    if name == "refused":
        stage.add(Proxy("http", "127.0.0.1", free_port()), seconds=FAST)
    else:
        stage.upstream(BAD[name], seconds=FAST)
    bodies = []

    async def takes(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        bodies.append(await reader.readexactly(5))
        writer.write(OK)
        await reader.read()

    stage.upstream(takes, seconds=SLOW)
    talk = stage.start().client()
    talk.send(b"POST http://a.test/ HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello")
    assert talk.answer()[0] == 200
    assert bodies == [b"hello"]


def test_a_put_is_sent_again_with_its_body_unless_that_is_long(stage: Stage) -> None:
    async def eats(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"end")

    async def takes(reader: Reader, writer: Writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(size)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body)
        await reader.read()

    for size, expected in ((60_000, 200), (300_000, 502)):
        stage.supply.give([])
        stage.upstream(eats, seconds=FAST)
        stage.upstream(takes, seconds=SLOW)
        if not stage.port:
            stage.start()
        body = b"x" * (size - 3) + b"end"
        talk = stage.client()
        talk.send(b"PUT http://a.test/ HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size + body)
        status, _, came = talk.answer()
        assert status == expected
        assert (came == body) is (status == 200)


def test_an_answer_that_was_cut_off_after_it_began_is_cut_off_for_the_client(stage: Stage) -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + b"x" * 900_000
    bad = stage.upstream(cutting(long, 500_000), seconds=FAST)
    stage.upstream(saying(OK), seconds=SLOW)
    talk = stage.start().client(b"GET http://a.test/ HTTP/1.1\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        talk.rest()
    eventually(lambda: stage.supply.reported == [(bad.proxy.key, Outcome.DOUBTED)])
    assert stage.standing(bad.proxy).rests_until > stage.loop.time()  # others first, for a while


def test_a_site_that_is_down_empties_no_pool(stage: Stage) -> None:
    down = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\ndown"
    asked: list[bytes] = []
    made = [stage.upstream(noting(asked, down), seconds=FAST) for _ in range(5)]
    talk = stage.start().client()
    for _ in range(3):
        status, _, body = talk.get("http://a.test/")
        assert (status, body) == (503, b"down")
    assert len(asked) == 6  # each time two that are known to work are enough
    assert all(stage.standing(one.proxy).failures == 0 for one in made)
    assert Outcome.FAILED not in {outcome for _, outcome in stage.supply.reported}


def test_the_only_upstream_is_believed(stage: Stage) -> None:
    down = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\ndown"
    stage.upstream(saying(down))
    assert stage.start().client().get("http://a.test/")[::2] == (502, b"down")


def test_a_429_is_the_sites_word_and_not_the_proxys_fault(stage: Stage) -> None:
    said = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
    bad = stage.upstream(saying(said), seconds=FAST)
    good = stage.upstream(saying(OK), seconds=SLOW)
    talk = stage.start().client()
    assert talk.get("http://a.test/", "Proxy-Authorization: Basic c2l0ZS1ib29rczo=")[0] == 429
    assert stage.standing(bad.proxy).failures == 0
    eventually(lambda: stage.supply.picker.reported == [(bad.proxy.key, "books", Outcome.BANNED)])
    assert talk.get("http://a.test/", "Proxy-Authorization: Basic c2l0ZS1ib29rczo=")[0] == 200
    eventually(lambda: stage.supply.reported[-1] == (good.proxy.key, Outcome.OK))


def test_one_that_hangs_holds_up_one_request_at_a_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "TRIAL_S", 0.4)
    bad = stage.upstream(hanging, latency_ms=1)
    for _ in range(3):
        stage.upstream(saying(OK), seconds=FAST)
    stage.start()
    with ThreadPoolExecutor(8) as pool:

        def many(_: int) -> list[int]:
            talk = stage.client()
            return [talk.get("http://a.test/")[0] for _ in range(20)]

        statuses = [status for some in pool.map(many, range(8)) for status in some]
    assert statuses == [200] * 160
    assert bad.connections == 1


def test_a_slow_site_makes_nobody_a_bad_upstream(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "TRIAL_S", 0.1)

    async def slow(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.4)
        writer.write(OK)
        await reader.read()

    made = [stage.upstream(slow) for _ in range(2)]
    talk = stage.start(most_tries=2).client()
    # The first one is on trial and is not waited for for so long, the last one is.
    assert talk.get("http://a.test/")[0] == 200
    assert Outcome.FAILED not in {outcome for _, outcome in stage.supply.reported}
    assert all(stage.standing(one.proxy).rests_until == 0 for one in made)
    assert sorted(one.connections for one in made) == [1, 1]


def test_a_post_waits_for_a_slow_site_and_goes_to_no_upstream_on_trial(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "TRIAL_S", 0.1)
    bodies: list[bytes] = []

    async def slow(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        bodies.append(await reader.readexactly(5))
        await asyncio.sleep(0.4)
        writer.write(OK)
        await reader.read()

    tried = stage.upstream(slow)
    post = b"POST http://a.test/ HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
    talk = stage.start().client(post)
    assert talk.answer()[0] == 200  # there is no other one
    for _ in range(5):
        stage.upstream(hanging)
    talk.send(post)
    assert talk.answer()[0] == 200
    assert (bodies, tried.connections) == ([b"hello"] * 2, 2)


def test_a_site_that_says_nonsense_empties_no_pool(stage: Stage) -> None:
    nonsense = [
        garbage,
        cutting(BIG, 20_000),
        saying(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"),
        saying(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n"),
    ]
    for handler in nonsense:
        stage.supply.give([])
        made = [stage.upstream(handler, seconds=FAST) for _ in range(4)]
        if not stage.port:
            stage.start()
        assert stage.client().get("http://a.test/")[0] == 502
        told = {(one.proxy.key, Outcome.DOUBTED) for one in made}
        eventually(lambda told=told: set(stage.supply.reported[-4:]) == told)


def test_what_a_site_says_through_a_tunnel_is_its_own_word(stage: Stage) -> None:
    async def socks5(reader: Reader, writer: Writer) -> None:
        await reader.readexactly(3)
        writer.write(b"\5\0")
        await reader.readexactly(10)
        writer.write(b"\5\0\0\1" + bytes(6))
        await saying(b"HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno")(reader, writer)

    made = stage.upstream(socks5, scheme="socks5")
    assert stage.start().client().get("http://10.1.2.3/")[::2] == (407, b"no")
    eventually(lambda: stage.supply.reported == [(made.proxy.key, Outcome.OK)])


def test_without_a_network_nobody_is_blamed(stage: Stage) -> None:
    away = Proxy("http", "255.255.255.255", 80)  # to where no system connects
    stage.add(away, seconds=FAST)
    status, _, body = stage.start().client().get("http://a.test/")
    assert (status, body.endswith(b"cannot be reached: Network is unreachable\n")) == (502, True)
    eventually(lambda: stage.supply.reported == [(away.key, Outcome.DOUBTED)])


def test_interim_answers_without_end_are_no_answer(stage: Stage) -> None:
    async def never(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        while True:
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            await writer.drain()

    stage.upstream(never)
    assert stage.start().client().get("http://a.test/")[0] == 502


def test_a_line_of_the_access_log_says_all_but_secrets(stage: Stage) -> None:
    stage.upstream(saying(OK), username="ann", password="secret")
    talk = stage.start().client()
    talk.get(
        "http://a.test/path?token=secret", "Proxy-Authorization: Basic c2Vzc2lvbi03OnNlY3JldA=="
    )
    assert stage.log is not None
    line = eventually(lambda: stage.log.exists() and stage.log.read_text())
    words = line.split()
    assert words[2:8] == ["session-7", "GET", "http://a.test/path", "200", "0", "2"]
    assert words[9] == "1"
    assert words[10].startswith("http://***@127.0.0.1:")
    assert "secret" not in line
