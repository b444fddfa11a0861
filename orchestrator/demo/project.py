"""The project of the demo: what a user would write into a home before the first `orch up`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from orchestrator.core.files import private_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: The site that the demo scrapes.
SITE = "pydocs"

#: Lines as they stand in lists of proxies that people publish.
BAD_LINES = ("not a proxy at all", "http://127.0.0.1:99999")

_ORCH_TOML = """\
# What `orch demo` runs with; a project of your own looks like this.
[worker]
concurrency = 4                 # tasks at once

[proxies]
sources = ["proxies.txt"]
judges = ["{judge}"]
check_timeout = "3s"
min_usable = {enough}

[sites]
slice = "20s"
"""


@dataclass(frozen=True, slots=True)
class Project:
    """A home, written once."""

    home: Path
    site_url: str
    judge_url: str
    proxies: Sequence[str]
    #: With fewer usable proxies than this, `sites start` looks for more.
    enough: int

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.home / "orch.toml"

    @property
    def proxy_list(self) -> Path:
        """The list of proxies, two of its lines bad."""
        return self.home / "proxies.txt"

    @property
    def site(self) -> Path:
        """The definition of the site."""
        return self.home / "sites" / f"{SITE}.toml"

    def write(self) -> None:
        """Write the three files."""
        write_atomically(self.config, _ORCH_TOML.format(judge=self.judge_url, enough=self.enough))
        write_atomically(self.proxy_list, self._list())
        private_folder(self.site.parent)
        shipped = files("sites").joinpath("definitions", f"{SITE}.toml").read_text("utf-8")
        write_atomically(self.site, definition(shipped, self.site_url))

    def _list(self) -> str:
        lines = ["# scheme://host:port", *self.proxies, "", *BAD_LINES]
        return "\n".join(lines) + "\n"


def definition(shipped: str, site_url: str) -> str:
    """Return the definition that is shipped, for the site of this run, and never without a proxy."""
    text = _set(shipped, "start_urls", f'["{site_url}index.html"]')
    return _set(text, "proxies", '"require"')


def _set(text: str, key: str, value: str) -> str:
    """Give `key` another value in the text of a TOML file that has it once at its top level.

    Raises:
        LookupError: it has it not, or more than once.
    """
    text, found = re.subn(rf"(?m)^{key} = [^\n]*$", lambda _: f"{key} = {value}", text)
    if found != 1:
        raise LookupError(f"{key} stands {found} times in the shipped definition of {SITE}")
    return text
