"""Lists that go over many pages: which one comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from sites.extract.json_path import JsonPath
from sites.extract.values import plain
from sites.url import canonical

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from sites.definition.follow import Cursor, Follow

#: Stands for the number while the rest of its URL is brought into its one spelling.
_ANY = "98765432109876543210"


class Numbered:
    """The pages of `numbered = "https://…?page={n}"`."""

    def __init__(self, rule: Follow, start_urls: Collection[str]) -> None:
        """Take `rule.numbered` apart once."""
        self._rule = rule
        self._starts = start_urls
        found = canonical((rule.numbered or "").replace("{n}", _ANY)) or ""
        self._before, _, self._after = found.partition(_ANY)

    def after(self, url: str, *, gave: bool) -> str | None:
        """Return the page behind the one at `url`, which `gave` items or links; None at the end."""
        number = self._number(url)
        if not gave or (number is None and url not in self._starts):
            return None
        following = self._rule.first if number is None else number + self._rule.step
        return f"{self._before}{following}{self._after}" if following <= self._rule.last else None

    def _number(self, url: str) -> int | None:
        if not (url.startswith(self._before) and url.endswith(self._after)):
            return None
        middle = url[len(self._before) : len(url) - len(self._after)]
        few = middle.isascii() and middle.isdigit() and len(middle) < len(_ANY)
        return int(middle) if few else None


class Onward:
    """What an API says of how to go on."""

    def __init__(self, rule: Cursor) -> None:
        """Read the path once."""
        self._path = JsonPath.parse(rule.json_path)
        self._param = quote(rule.param, safe="")

    def after(self, url: str, data: Any) -> str | None:
        """Return the page behind the one at `url`, which said `data`; None at the end."""
        for match in self._path.matches(data):
            value = self._path.read(match)
            if value is None or value is False or value == "":
                return None
            return canonical(self._with(url, quote(plain(value), safe="")))
        return None

    def _with(self, url: str, value: str) -> str:
        """Put the parameter into the URL, in place of what it was there before."""
        place, _, query = url.partition("?")
        kept = [part for part in query.split("&") if part and part.split("=")[0] != self._param]
        return f"{place}?{'&'.join([*kept, f'{self._param}={value}'])}"
