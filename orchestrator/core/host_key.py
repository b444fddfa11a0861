"""One key for each host, however it is written: what limits per host count by."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote

import idna

from orchestrator.core.host import canonical_host

#: `http` and `https` of a host are one: what is limited is the machine behind both.
_DEFAULT_PORTS = {"": (80, 443), "ftp": (21, 80, 443)}
_LAST_PORT = 65_535
#: Longer ones are no hosts in any spelling; some versions of idna take very long to say so.
_LONGEST_HOST = 2000

_CONTROL_OR_SPACE = "".join(map(chr, range(0x21)))
_REMOVED = re.compile(r"[\t\n\r]")
# Browsers take any number of slashes where the scheme is one of theirs.
_SCHEME = re.compile(r"(https?|wss?|ftp):/+|([a-z][a-z0-9+.-]*):(?=//)", re.IGNORECASE)
_WITHOUT_HOST = re.compile(
    r"(mailto|sips?|xmpp|acct|news|file|data|javascript):(?!\d*$)", re.IGNORECASE
)
_PLACE = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([0-9]*))?")


def host_key(text: str) -> str:
    """Return the key of the host in a URL, in `host:port`, or of a bare host; "" when there is none.

    Lower case, IDN as punycode, no user, no dot at the end, IPv6 in brackets. The ports 80 and 443 are
    dropped, others kept: `http` and `https` of a host share its limit.

    >>> host_key("https://me@Bücher.example.:443/a"), host_key("x.example:8080"), host_key("::0:1")
    ('xn--bcher-kva.example', 'x.example:8080', '[::1]')
    """
    scheme, authority = _authority(text)
    place = authority.rpartition("@")[2]
    if place.count(":") > 1 and "[" not in place:
        return _canonical(place)
    found = _PLACE.fullmatch(place)
    if not found:
        return ""
    host, port = _canonical(found[1]), (found[2] or "").lstrip("0")
    if not host or not port or (int(port[:6]) in _DEFAULT_PORTS.get(scheme, _DEFAULT_PORTS[""])):
        return host
    return f"{host}:{port}" if int(port[:6]) <= _LAST_PORT else ""


def _authority(text: str) -> tuple[str, str]:
    """Return scheme ("": none) and what stands between the slashes, in lower case."""
    rest = _REMOVED.sub("", text.strip(_CONTROL_OR_SPACE)).replace("\\", "/")
    scheme = ""
    if found := _SCHEME.match(rest):
        scheme = (found[1] or found[2]).lower()
        rest = rest[found.end() :]
    elif _WITHOUT_HOST.match(rest):
        return "", ""
    return scheme, re.split(r"[/?#]", rest.removeprefix("//"), maxsplit=1)[0]


def _canonical(host: str) -> str:
    if ":" in host:
        host = host.partition("%")[0]  # which of our own interfaces leads there
    if not host or len(host) > _LONGEST_HOST:
        return ""
    plain = unquote(host) if "%" in host else host
    found = canonical_host(plain) or canonical_host(_punycode(plain)) or ""
    return _without_mapping(found) if found.startswith("[") else found


def _punycode(host: str) -> str:
    """Return names that IDNA 2008 does not allow, like 💩.la, as browsers spell them all the same."""
    try:
        mapped = idna.uts46_remap(host, std3_rules=False)
        words = [
            word if word.isascii() else f"xn--{word.encode('punycode').decode('ascii')}"
            for word in mapped.split(".")
        ]
    except (idna.IDNAError, UnicodeError):
        return ""
    return ".".join(words)


def _without_mapping(host: str) -> str:
    """Return `[::ffff:1.2.3.4]`, which Python versions spell differently, as the address it means."""
    inner = ipaddress.IPv6Address(host[1:-1]).ipv4_mapped
    return str(inner) if inner else host
