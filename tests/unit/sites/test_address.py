"""Which addresses a page may lead to."""

from __future__ import annotations

import asyncio

import pytest

from proxies import names
from sites.fetch.address import ForbiddenAddress, forbidden, is_public, public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_addresses_inside_are_not_public(address: str) -> None:
    assert not is_public(address)
    assert forbidden(f"[{address}]" if ":" in address else address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_others_are_public(address: str) -> None:
    assert is_public(address)
    assert forbidden(address) is None


@pytest.mark.parametrize("name", ["localhost", "a.localhost", "printer.local", "x.internal"])
def test_names_that_mean_this_network_are_forbidden_as_written(name: str) -> None:
    assert forbidden(name)


def test_a_name_like_any_other_is_left_to_the_resolver() -> None:
    assert forbidden("notlocalhost.example") is None


@pytest.mark.parametrize("name", ["localhost", "2130706433"])
def test_names_that_lead_inside_are_refused_once_they_are_looked_up(name: str) -> None:
    with pytest.raises(ForbiddenAddress, match="no public address"):
        public(name, asyncio.run(names.addresses(name)))


def test_of_several_addresses_the_public_ones_are_left() -> None:
    assert public("x.example", ["10.0.0.1", "93.184.215.14"]) == ["93.184.215.14"]
