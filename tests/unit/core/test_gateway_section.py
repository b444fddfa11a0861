"""`[gateway]`: what may be said, and what the example says is true."""

from __future__ import annotations

import tomllib

import pytest
from pydantic import ValidationError

from orchestrator.core.gateway_section import GatewaySection, is_open, parts
from orchestrator.core.settings import Settings
from orchestrator.operate.example import EXAMPLE


@pytest.mark.parametrize(
    ("listen", "meant", "open_to_others"),
    [
        ("127.0.0.1:8118", ("127.0.0.1", 8118), False),
        ("localhost:0", ("127.0.0.1", 0), False),
        ("[::1]:8118", ("::1", 8118), False),
        ("0.0.0.0:8118", ("0.0.0.0", 8118), True),
        ("[::]:8118", ("::", 8118), True),
        ("192.0.2.1:65535", ("192.0.2.1", 65535), True),
    ],
)
def test_an_address_is_understood(
    listen: str, meant: tuple[str, int], open_to_others: bool
) -> None:
    section = GatewaySection(listen=listen, password="secret")
    assert section.listen is not None
    assert parts(section.listen) == meant
    assert is_open(section.listen) is open_to_others


@pytest.mark.parametrize(
    "listen", ["", "8118", ":8118", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "a.b:1", "::1:70000"]
)
def test_what_is_no_address_is_told(listen: str) -> None:
    with pytest.raises(ValidationError):
        GatewaySection(listen=listen)


def test_an_address_for_all_wants_a_password() -> None:
    with pytest.raises(ValidationError, match="set password too"):
        GatewaySection(listen="0.0.0.0:8118")


def test_the_example_names_every_key_with_its_default() -> None:
    block = EXAMPLE.partition("[gateway]")[2].partition("\n[")[0]
    lines = [line.removeprefix("# ") for line in block.splitlines()[1:] if line.startswith("# ")]
    said = tomllib.loads("\n".join(lines))
    assert said.keys() == GatewaySection.model_fields.keys()
    defaults = Settings().gateway
    meant = Settings.model_validate({"gateway": said}).gateway
    for key in ("tries", "connect_timeout", "answer_timeout", "max_clients", "banned"):
        assert getattr(meant, key) == getattr(defaults, key), key
