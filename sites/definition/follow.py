"""What a site file says about the pages that lead on from a page."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from sites.definition.part import Part
from sites.definition.place import LANGUAGES, Expression, JsonText, Place
from sites.url import canonical

Way = Literal["place", "numbered", "sitemap", "cursor"]


def _numbered(text: str) -> str:
    if text.count("{n}") != 1 or canonical(text.replace("{n}", "1")) is None:
        raise ValueError("must be a whole URL with {n} once in it, where the number goes")
    return text


class Cursor(Part):
    """An API that says how to go on: the value at `json` goes into the parameter `param`."""

    json_path: JsonText = Field(alias="json")
    param: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")]


class Follow(Place):
    """Which pages a page leads to: links, numbered pages, a sitemap, or what an API says.

    Plain CSS means the `href`; `match` and `exclude` see the URL. `next`: what is found is the next
    page of the same list, as near to the start as this one. `numbered` goes on in steps of `step` to
    `last`, while pages give something; behind a start page without a number comes `first`. `sitemap`
    are the pages that sitemaps name: the URL of one, or of an index of them, is a start URL.
    Pages whose URL `match` finds are asked for by `priority`, the highest first.
    """

    match: Expression | None = None
    exclude: Expression | None = None
    next: bool = False
    numbered: Annotated[str, AfterValidator(_numbered)] | None = None
    first: Annotated[int, Field(ge=0)] = 2
    step: Annotated[int, Field(ge=1)] = 1
    last: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    sitemap: bool = False
    cursor: Cursor | None = None
    priority: Annotated[int, Field(ge=-100, le=100)] = 0

    @property
    def way(self) -> Way:
        """How the pages are found."""
        if self.numbered:
            return "numbered"
        if self.sitemap:
            return "sitemap"
        return "cursor" if self.cursor else "place"

    @model_validator(mode="before")
    @classmethod
    def _every_link(cls, raw: Any) -> Any:
        """An empty `[[follow]]` means every link."""
        ways = (*LANGUAGES, "numbered", "sitemap", "cursor")
        if isinstance(raw, dict) and not any(raw.get(way) for way in ways):
            return {**raw, "css": "a::attr(href)"}
        return raw

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = (self.language, self.numbered, self.sitemap, self.cursor)
        if sum(map(bool, ways)) > 1:
            raise ValueError(
                "must have one of a place, numbered, sitemap and cursor: add another [[follow]]"
            )
        if self.jsonld and "." not in self.jsonld:
            raise ValueError("jsonld: must name a type and the way from there to a URL")
        if self.priority and not self.match:
            raise ValueError("priority goes by the URL of a page: add match")
        # Not which ones are set: a definition that was stored says everything.
        if not self.numbered and (self.first, self.step, self.last) != (2, 1, 1000):
            raise ValueError("first, step and last mean nothing without numbered")
        return self
