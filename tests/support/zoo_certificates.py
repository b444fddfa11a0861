"""Certificates of the tests' own: an authority for the judge, and what liars show in its place."""

from __future__ import annotations

import functools
import ssl
from pathlib import Path

import trustme


class Certificates:
    """`ca` is the file that whoever trusts the judge is given; `folder` keeps the others too."""

    def __init__(self, folder: Path) -> None:
        authority, stranger = _authorities()
        self.ca = folder / "ca.pem"
        self.cert, self.key = folder / "judge.pem", folder / "judge.key"
        authority.cert_pem.write_to_path(self.ca)
        judge = authority.issue_cert("127.0.0.1", "::1", "localhost")
        judge.private_key_pem.write_to_path(self.key)
        for number, blob in enumerate(judge.cert_chain_pems):
            blob.write_to_path(self.cert, append=number > 0)
        self.judge = _server(judge)
        self.rogue = _server(stranger.issue_cert("127.0.0.1", "localhost"))
        self.misnamed = _server(authority.issue_cert("other.example"))


def _server(cert: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    cert.configure_cert(context)
    return context


@functools.cache
def _authorities() -> tuple[trustme.CA, trustme.CA]:
    return trustme.CA(), trustme.CA()
