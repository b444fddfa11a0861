"""The judge that ships, as a program and as a command."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from proxies.check.judge import PAGE_SHA256
from tests.support.orch import COMMAND
from tests.support.ports import free_port
from tests.support.zoo_certificates import Certificates

JUDGE = (*COMMAND, "proxies", "judge", "--port", "0", "--json")


@contextmanager
def running(*command: str) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """What it says when it listens."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        said = ""
        while not said.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, said
            said += line
        try:
            yield json.loads(said), process
        finally:
            process.terminate()


def asked(url: str, ca: Path | None = None, **headers: str) -> dict[str, Any]:
    context = ssl.create_default_context(cafile=ca) if ca else None
    with urlopen(Request(url, headers=headers), context=context) as answer:  # noqa: S310 (our own)
        found: dict[str, Any] = json.load(answer)
    return found


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.mark.parametrize("command", [(sys.executable, "-m", "proxies.check.judge"), JUDGE])
def test_it_says_how_a_request_arrived(command: tuple[str, ...]) -> None:
    with running(*command) as (facts, process):
        said = asked(f"{facts['url']}get?nonce=abc", Via="1.1 zoo")
        with urlopen(f"{facts['url']}page") as page:  # noqa: S310 (our own)
            assert page.headers["Cache-Control"] == "no-store"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0

    assert (said["nonce"], said["ip"], said["page_sha256"]) == ("abc", "127.0.0.1", PAGE_SHA256)
    assert said["headers"]["Via"] == "1.1 zoo"


def test_it_answers_over_https_too(certificates: Certificates) -> None:
    secure = ("--https-port", "0", "--cert", str(certificates.cert))

    with running(*JUDGE, *secure, "--key", str(certificates.key)) as (facts, _):
        said = asked(f"{facts['https_url']}?nonce=abc", certificates.ca)
        plain = asked(f"{facts['url']}?nonce=abc")

    assert said["nonce"] == plain["nonce"] == "abc"
    assert facts["https_port"] != facts["port"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--https-port", "0"), ["--https-port needs --cert"]),
        (("--cert", "x"), ["--cert and --key need --https-port"]),
        (("--port", "70000"), ["--port 70000: must be from 0 to 65535"]),
        (("--port", "-1", "--https-port", "70000"), ["--port -1", "70000", "needs --cert"]),
        (("--https-port", "0", "--cert", "nowhere.pem"), ["nowhere.pem", "No such file"]),
        (("--https-port", "0", "--cert", "{ca}"), ["ca.pem", "private key"]),
    ],
)
def test_what_is_wrong_is_told_all_at_once(
    certificates: Certificates, words: tuple[str, ...], told: list[str]
) -> None:
    said = [word.format(ca=certificates.ca) for word in words]

    done = subprocess.run([*JUDGE, *said], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for part in told:
        assert part in done.stderr


def test_a_port_that_is_taken_is_told() -> None:
    port = str(free_port())
    command = (*COMMAND, "proxies", "judge", "--json", "--port", port)

    with running(*command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 3
    assert f"127.0.0.1:{port}: " in done.stderr
    assert "Traceback" not in done.stderr
