"""A place on a page, as a site file describes it."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from sites.definition.part import Part
from sites.extract.json_ld import JsonLd
from sites.extract.json_path import JsonPath
from sites.extract.selector import Selector, check_css
from sites.extract.xpath import check_xpath

#: What a place on a page can be described in.
LANGUAGES = ("css", "xpath", "json", "jsonld")


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"this regular expression cannot be understood: {error}") from None
    return text


def _selector(text: str) -> str:
    Selector.parse(text)
    return text


def _css(text: str) -> str:
    if "::" in text:
        raise ValueError("must be plain CSS, without ::text or ::attr(): it chooses elements")
    check_css(text)
    return text


def _json_path(text: str) -> str:
    JsonPath.parse(text)
    return text


def _json_ld(text: str) -> str:
    JsonLd.parse(text)
    return text


Expression = Annotated[str, AfterValidator(_expression)]
SelectorText = Annotated[str, AfterValidator(_selector)]
Css = Annotated[str, AfterValidator(_css)]
XPathText = Annotated[str, AfterValidator(check_xpath)]
JsonText = Annotated[str, AfterValidator(_json_path)]
JsonLdText = Annotated[str, AfterValidator(_json_ld)]
Name = Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_]*$")]


class Place(Part):
    """Where something is on a page, in one of four languages."""

    xpath: XPathText | None = None
    # `json` itself is a method of every model.
    json_path: JsonText | None = Field(default=None, alias="json")
    jsonld: JsonLdText | None = None
    css: SelectorText | None = None

    @property
    def language(self) -> str | None:
        """The one of `LANGUAGES` that it is described in."""
        said = (self.css, self.xpath, self.json_path, self.jsonld)
        return next((name for name, text in zip(LANGUAGES, said, strict=True) if text), None)

    @property
    def where(self) -> str:
        """What is written in that language."""
        return self.css or self.xpath or self.json_path or self.jsonld or ""

    @model_validator(mode="after")
    def _one_language(self) -> Self:
        said = (self.css, self.xpath, self.json_path, self.jsonld)
        if sum(text is not None for text in said) > 1:
            raise ValueError("must have one of css, xpath, json and jsonld only")
        return self
