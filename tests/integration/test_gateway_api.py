"""The gateway's own API, and who may use gateway and API."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from proxies.gateway import leases
from proxies.pool.picker import Outcome
from tests.support.gateway import OK, Stage, connecting, echoing, saying
from tests.support.orch import eventually


@pytest.fixture
def stage():
    with Stage() as made:
        yield made


def ask(stage: Stage, path: str, *lines: str) -> tuple[int, Any]:
    status, _, body = stage.client().get(path, *lines)
    return status, json.loads(body)


def entry(username: str, password: str = "") -> str:
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    return f"Proxy-Authorization: Basic {pair}"


def test_get_all_and_count_tell_what_is_usable(stage: Stage) -> None:
    made = stage.upstream(saying(OK), username="ann", password="secret")
    stage.upstream(saying(OK), scheme="socks5")
    stage.start()
    status, everything = ask(stage, "/all")
    assert status == 200
    assert everything[0]["proxy"] == f"http://ann:secret@127.0.0.1:{made.proxy.port}"
    assert {one["protocol"] for one in everything} == {"http", "socks5"}
    status, one = ask(stage, "/get")
    assert status == 200
    assert {**one, "lease": 0} in [{**other, "lease": 0} for other in everything]
    assert one["lease"] == ""
    _, counts = ask(stage, "/count/")
    assert (counts["count"], counts["in_flight"], counts["outcomes"]["unused"]) == (2, 0, 1)


def test_what_is_reported_without_a_lease_counts_here(stage: Stage) -> None:
    made = stage.upstream(saying(OK))
    stage.start()
    _, one = ask(stage, "/get")
    assert ask(stage, f"/report?proxy={one['proxy']}&outcome=failed") == (200, {"ok": True})
    assert stage.standing(made.proxy).failures == 1
    assert ask(stage, f"/report?proxy={one['proxy']}&outcome=ok&seconds=0.2") == (200, {"ok": True})
    assert stage.standing(made.proxy).failures == 0
    assert stage.standing(made.proxy).seconds == pytest.approx(0.2)


def test_a_pick_for_a_site_is_a_lease_that_is_reported_on_once(stage: Stage) -> None:
    made = stage.upstream(saying(OK))
    stage.start()
    _, one = ask(stage, "/get?site=books&session=7")
    assert stage.supply.picker.picked == [("books", "7")]
    assert stage.standing(made.proxy).in_flight == 1
    path = f"/report?lease={one['lease']}&outcome=banned&seconds=1"
    assert ask(stage, path) == (200, {"ok": True})
    eventually(lambda: stage.supply.picker.reported == [(made.proxy.key, "books", Outcome.BANNED)])
    assert ask(stage, path)[0] == 404
    assert stage.standing(made.proxy).in_flight == 0
    status, why = ask(stage, "/get?site=books")
    assert status == 503
    assert why == {"error": "none of 1 usable proxies may be used for books just now"}


def test_a_lease_that_nobody_reports_on_is_given_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LEASE_S", 0.1)
    made = stage.upstream(saying(OK))
    stage.start()
    ask(stage, "/get?site=books")
    eventually(lambda: stage.supply.picker.reported == [(made.proxy.key, "books", Outcome.UNUSED)])
    eventually(lambda: stage.standing(made.proxy).in_flight == 0)


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/", 404, "there are /get, /all, /count, /report and /health"),
        ("/get?sit=a", 400, "sit: no such word; there are site, session, country, tls"),
        ("/get?country=deu", 400, "country in the user name must be two letters, like de"),
        ("/report?proxy=x&outcome=bad", 400, "outcome must be one of ok, banned"),
        ("/report?proxy=x&outcome=ok", 404, "no such proxy is usable"),
        ("/report?lease=x&outcome=ok", 404, "no such lease"),
        ("/report?lease=x&outcome=ok&seconds=nan", 400, "seconds must be a number"),
    ],
)
def test_what_is_asked_wrongly_is_answered_with_what_is_allowed(
    stage: Stage, path: str, status: int, told: str
) -> None:
    code, document = ask(stage.start(), path)
    assert code == status
    assert document["error"].startswith(told)


def test_a_page_of_somebody_elses_cannot_read_the_pool(stage: Stage) -> None:
    stage.upstream(saying(OK))
    talk = stage.start().client(b"GET /all HTTP/1.1\r\nHost: evil.example:8118\r\n\r\n")
    assert talk.answer()[0] == 403
    for host in ("localhost:8118", "127.0.0.1", "[::1]:8118"):
        talk = stage.client(f"GET /all HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert talk.answer()[0] == 200, host


@pytest.mark.parametrize(
    "said", ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: null"]
)
def test_a_page_of_somebody_elses_cannot_change_how_proxies_stand(stage: Stage, said: str) -> None:
    made = stage.upstream(saying(OK))
    stage.start()
    path = f"/report?proxy={made.proxy.key}&outcome=failed"
    for each in (path, "/get?site=books", "/all"):
        assert ask(stage, each, said)[0] == 403
    assert stage.standing(made.proxy).failures == 0
    assert stage.supply.picker.picked == []
    assert ask(stage, path, "Sec-Fetch-Site: none") == (200, {"ok": True})  # typed by somebody


def test_with_a_password_nobody_gets_anything_without_it(stage: Stage) -> None:
    upstream = stage.upstream(connecting(echoing))
    stage.start(password="right")
    for lines in (
        (),
        (entry("", "wrong"),),
        (entry("site-a", "wrong"),),
        ("Proxy-Authorization: x",),
    ):
        status, fields, _ = stage.client().get("http://a.test/", *lines)
        assert status == 407
        assert fields["proxy-authenticate"].startswith("Basic ")
        talk = stage.client()
        talk.send("\r\n".join(["CONNECT a.test:443 HTTP/1.1", *lines, "", ""]).encode())
        assert talk.answer()[0] == 407
        assert ask(stage, "/all", *lines)[0] == 401
    assert upstream.connections == 0
    assert ask(stage, "/health") == (200, {"ok": True})
    assert ask(stage, "/all", entry("", "right"))[0] == 200
    own = "Authorization" + entry("", "right").removeprefix("Proxy-Authorization")
    assert ask(stage, "/all", own)[0] == 200


def test_a_user_name_that_is_not_understood_is_refused_with_what_is_allowed(stage: Stage) -> None:
    upstream = stage.upstream(saying(OK))
    status, _, body = stage.start().client().get("http://a.test/", entry("contry-de"))
    assert status == 407
    assert b"site-NAME-session-ID-country-CC" in body
    assert upstream.connections == 0


def test_site_and_session_go_to_the_pool_and_a_country_is_kept_to(stage: Stage) -> None:
    first = stage.upstream(saying(OK))
    second = stage.upstream(saying(OK))
    stage.supply.country = {first.proxy.key: "fr", second.proxy.key: "de"}
    talk = stage.start().client()
    assert talk.get("http://a.test/", entry("site-books-session-7-country-de"))[0] == 200
    assert talk.get("http://a.test/", entry("country-de"))[0] == 200
    assert stage.supply.picker.picked == [("books", "7")]
    assert (first.connections, second.connections) == (0, 1)
    status, _, body = talk.get("http://a.test/", entry("country-nl"))
    assert status == 503
    assert body == b"no usable proxy leaves from nl; 2 leave from elsewhere\n"


def test_a_session_stays_with_its_upstream(stage: Stage) -> None:
    made = [stage.upstream(saying(OK)) for _ in range(6)]
    talk = stage.start().client()
    for _ in range(20):
        assert talk.get("http://a.test/", entry("session-7"))[0] == 200
    assert sum(one.connections > 0 for one in made) == 1
