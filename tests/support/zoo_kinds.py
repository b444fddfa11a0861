"""The kinds of proxies in the zoo, and the truth about each: what lists on the internet are made of."""

from __future__ import annotations

from dataclasses import dataclass

from proxies.model import Anonymity
from tests.support.zoo_animal import Handler, answer
from tests.support.zoo_http import (
    after_continue,
    altered,
    bare,
    between,
    chunked,
    forwarding,
    granting,
    half_chunked,
    halved,
    http,
    in_pieces,
    keeping,
    lying_connect,
    meeting,
    no_connect,
    not_packed,
    only_to_tls,
    packed,
    refusing,
    refusing_half,
    silent_connect,
    stale,
    to_the_end,
    two_lengths,
    zipped,
)
from tests.support.zoo_liars import (
    HEAD,
    bombing,
    closing,
    endless_chunks,
    endless_headers,
    endless_line,
    flapping,
    hanging,
    hurrying,
    one_at_a_time,
    resetting,
    saying,
    slow_headers,
    swelling,
    trickling,
)
from tests.support.zoo_socks import (
    SOCKS5_YES_NAMED,
    socks4,
    socks5,
    socks5_altering,
    socks5_lying,
    socks5_refusing,
    socks5_silent,
)

ELITE, ANONYMOUS, TRANSPARENT = Anonymity.ELITE, Anonymity.ANONYMOUS, Anonymity.TRANSPARENT
#: What those with credentials want to be told.
CREDENTIALS = ("ann", "p:w%@")
#: As slow as somebody may be whose answers still count, in seconds.
SLOW_S = 0.5


@dataclass(frozen=True)
class Kind:
    """A kind and the truth about it.

    `scheme` is what a list says, `works_as` what it is when that is something else. Without a `reason` it
    is live. `wants` are the credentials it asks for, `given` those that a list has.
    """

    scheme: str
    handler: Handler | None
    anonymity: Anonymity = ELITE
    reason: str = ""
    tls: bool | None = True
    works_as: str = ""
    own_address: bool = True
    wants: tuple[str, str] = ("", "")
    given: tuple[str, str] = ("", "")
    delay: float = 0.0
    listens: str = ""

    @property
    def live(self) -> bool:
        return not self.reason

    @property
    def usable(self) -> bool:
        return self.live and self.anonymity is not TRANSPARENT


def bad(scheme: str, handler: Handler | None, reason: str) -> Kind:
    return Kind(scheme, handler, reason=reason)


OWN = "127.0.0.1"
MITM = between(lambda animal: animal.world.rogue)
MISNAMED = between(lambda animal: animal.world.misnamed)
GRANTED_LATE = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\nContent-Length: 9\r\n\r\n"
NO = "405 Method Not Allowed"
LATE = "no answer in time"
HUNG_UP = "closed the connection"
LARGE = "an answer of more than 64 KiB"
NO_END = "no end of headers"
OTHER = "an answer to another question"
NOT_ANSWER = "no answer of the judge"

GOOD: dict[str, Kind] = {
    "http": Kind("http", http()),
    "slow": Kind("http", http(), delay=SLOW_S),
    "chunked": Kind("http", http(forwarding(change=chunked))),
    "to_the_end": Kind("http", http(forwarding(change=to_the_end))),
    "after_continue": Kind("http", http(forwarding(change=after_continue))),
    "bare": Kind("http", http(forwarding(change=bare))),
    "packed": Kind("http", http(forwarding(change=packed))),
    "granting_late": Kind("http", http(tunnel=granting(GRANTED_LATE))),
    "one_at_a_time": Kind("http", one_at_a_time(http())),
    "in_pieces": Kind("http", http(in_pieces)),
    "keeping": Kind("http", http(keeping)),
    "plain_headers": Kind("http", http(forwarding("Cache-Control: max-age=0", "Pragma: no-cache"))),
    "http_auth": Kind("http", http(), wants=CREDENTIALS, given=CREDENTIALS),
    "ipv6": Kind("http", http(), listens="::1"),
    "http_only": Kind("http", http(tunnel=no_connect), tls=False),
    "lying_connect": Kind("http", http(tunnel=lying_connect), tls=False),
    "silent_connect": Kind("http", http(tunnel=silent_connect), tls=False),
    "connect": Kind("https", http(refusing(NO))),
    "connect_auth": Kind("https", http(refusing(NO)), wants=CREDENTIALS, given=CREDENTIALS),
    "connect_to_tls": Kind("https", http(refusing(NO), only_to_tls)),
    "only_connect": Kind("http", http(refusing("400 Bad Request")), works_as="https"),
    "only_connect_to_tls": Kind("http", http(refusing(NO), only_to_tls), works_as="https"),
    "refusing_much": Kind("http", http(refusing(NO, bytes(90_000))), works_as="https"),
    "refusing_half": Kind("http", http(refusing_half), works_as="https"),
    "wants_for_plain": Kind("http", http(refusing("407 No")), works_as="https"),
    "not_implemented": Kind("http", http(refusing("501 Not Implemented")), works_as="https"),
    "socks4": Kind("socks4", socks4()),
    "socks4a": Kind("socks4", socks4(names_only=True)),
    "socks4_user": Kind("socks4", socks4(), wants=("ann", ""), given=("ann", "")),
    "socks5": Kind("socks5", socks5()),
    "socks5_named": Kind("socks5", socks5(SOCKS5_YES_NAMED)),
    "socks5_auth": Kind("socks5", socks5(), wants=CREDENTIALS, given=CREDENTIALS),
    "socks5_slow": Kind("socks5", socks5(), delay=SLOW_S),
    "anonymous": Kind("http", http(forwarding("Via: 1.1 zoo")), ANONYMOUS),
    "announcing": Kind("http", http(forwarding("Proxy-Connection: close")), ANONYMOUS),
    "wrong_exit": Kind("http", http(forwarding("X-Forwarded-For: 203.0.113.9")), ANONYMOUS),
    "odd_exit": Kind("http", http(forwarding("X-Odd: 203.0.113.9:4711")), ANONYMOUS),
    "odd_header": Kind("http", http(forwarding("X-Request-Route: 7f")), ANONYMOUS),
}

TELLING: dict[str, Kind] = {
    "transparent": Kind("http", http(), TRANSPARENT, own_address=False),
    "transparent_socks": Kind("socks5", socks5(), TRANSPARENT, own_address=False),
    "forwarded": Kind("http", http(forwarding(f"X-Forwarded-For: {OWN}")), TRANSPARENT),
    "forwarded_for": Kind(
        "http", http(forwarding(f'Forwarded: for="{OWN}:4711";proto=http')), TRANSPARENT
    ),
    "among_others": Kind("http", http(forwarding(f"X-Real-IP: 203.0.113.9, {OWN}")), TRANSPARENT),
    "odd_leak": Kind("http", http(forwarding(f"X-Odd: you=[::ffff:{OWN}]:55")), TRANSPARENT),
    "dashed_leak": Kind("http", http(forwarding("X-Client: u-127-0-0-1.dsl.example")), TRANSPARENT),
    "number_leak": Kind("http", http(forwarding("X-Client: id=7F000001")), TRANSPARENT),
    "agent_leak": Kind("http", http(forwarding(f"Cookie: c={OWN}; a=b")), TRANSPARENT),
}

BAD: dict[str, Kind] = {
    "dead": bad("http", None, "connection refused"),
    "syn_drop": bad("http", None, LATE),
    "black_hole": bad("http", None, LATE),
    "hanging": bad("http", hanging, LATE),
    "black_hole_socks": bad("socks5", None, LATE),
    "too_slow": Kind("http", http(), reason=LATE, delay=60.0),
    "trickling": bad("http", trickling, LATE),
    "slow_headers": bad("http", slow_headers, LATE),
    "swelling": bad("http", swelling, LATE),
    "bombing": bad("http", bombing, LARGE),
    "endless_chunks": bad("http", endless_chunks, LARGE),
    "huge": bad("http", saying(HEAD + b"Content-Length: 9999999999\r\n\r\n{"), LARGE),
    "endless_headers": bad("http", endless_headers, NO_END),
    "endless_line": bad("http", endless_line, NO_END),
    "zip_bomb": bad("http", http(forwarding(change=zipped)), LARGE),
    "garbage": bad("http", saying(b"220 smtp.example.org ESMTP\r\n\r\n"), "not HTTP"),
    "banner": bad("http", hurrying(b"SSH-2.0-OpenSSH_9.6\r\n"), "not HTTP"),
    "hurrying": bad("http", hurrying(answer("200 OK", b'{"nonce": ""}')), OTHER),
    "closing": bad("http", closing, HUNG_UP),
    "resetting": bad("http", resetting, HUNG_UP),
    "captcha": bad("http", saying(answer("403 Forbidden", b"<html>robot?")), "answered 403"),
    "captive": bad("http", saying(answer("200 OK", b"login")), NOT_ANSWER),
    "empty": bad("http", saying(answer("200 OK")), NOT_ANSWER),
    "nested": bad("http", saying(answer("200 OK", b"[" * 60_000)), NOT_ANSWER),
    "broken": bad("http", saying(answer("502 Bad Gateway")), "answered 502"),
    "forbidding": bad("http", saying(answer("403 Forbidden")), "answered 403"),
    "redirecting": bad(
        "http", saying(answer("302 Found", b"", "Location: http://127.0.0.1/")), "answered 302"
    ),
    "http_no_credentials": Kind("http", http(), reason="wants credentials", wants=CREDENTIALS),
    "http_wrong_credentials": Kind(
        "http", http(), reason="credentials refused", wants=CREDENTIALS, given=("ann", "x")
    ),
    "socks5_no_credentials": Kind(
        "socks5", socks5(), reason="wants credentials", wants=CREDENTIALS
    ),
    "socks5_wrong_credentials": Kind(
        "socks5", socks5(), reason="credentials refused", wants=CREDENTIALS, given=("ann", "x")
    ),
    "socks4_wrong_user": Kind(
        "socks4", socks4(), reason="tunnel refused (91)", wants=("ann", ""), given=("bob", "")
    ),
    "altering": bad("http", http(forwarding(change=altered)), "alters pages"),
    "socks5_altering": bad("socks5", socks5_altering, "alters pages"),
    "half": bad("http", http(forwarding(change=halved)), "half an answer"),
    "two_lengths": bad("http", http(forwarding(change=two_lengths)), "not HTTP"),
    "not_packed": bad("http", http(forwarding(change=not_packed)), "an unknown encoding"),
    "half_chunked": bad("http", http(forwarding(change=half_chunked)), "half an answer"),
    "stale": bad("http", http(stale), OTHER),
    "rogue": bad("http", http(tunnel=MITM), "intercepts TLS"),
    "rogue_connect": bad("https", http(refusing(NO), MITM), "intercepts TLS"),
    "misnamed": bad("http", http(tunnel=MISNAMED), "intercepts TLS"),
    "flapping": bad("http", flapping(http()), HUNG_UP),
    "flapping_socks": bad("socks5", flapping(socks5()), HUNG_UP),
    "flapping_socks_late": bad("socks5", flapping(socks5(), served=2), HUNG_UP),
    "no_connect": bad("https", http(tunnel=no_connect), "tunnel refused (405)"),
    "connect_liar": bad("https", http(tunnel=lying_connect), NOT_ANSWER),
    "connect_silent": bad("https", http(tunnel=silent_connect), LATE),
    "http_as_socks5": bad("socks5", http(), LATE),
    "http_as_socks4": bad("socks4", http(), LATE),
    "socks5_as_http": bad("http", socks5(), HUNG_UP),
    "garbage_socks5": bad("socks5", hurrying(b"220 smtp.example.org ESMTP\r\n"), "not SOCKS"),
    "garbage_socks4": bad("socks4", hurrying(b"220 smtp.example.org ESMTP\r\n"), "not SOCKS"),
    "bombing_socks": bad("socks5", bombing, "not SOCKS"),
    "socks5_refusing": bad("socks5", socks5_refusing(5), "tunnel refused (5)"),
    "socks5_lying": bad("socks5", socks5_lying, NOT_ANSWER),
    "socks5_silent": bad("socks5", socks5_silent, LATE),
}

KINDS: dict[str, Kind] = {**GOOD, **TELLING, **BAD}
#: For tests of their own.
MORE: dict[str, Kind] = {"meeting": Kind("http", http(meeting))}
