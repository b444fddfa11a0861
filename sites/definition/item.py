"""What a site file says about items: where they are on a page, and what is taken of each."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from sites.definition.place import LANGUAGES, Css, Expression, Name, Place
from sites.extract.dates import Order  # noqa: TC001  (pydantic reads it)
from sites.extract.values import Type  # noqa: TC001  (pydantic reads it)


class FieldRule(Place):
    """Where the value of a field is. `match` cuts it out of the text, by its first group if any.

    `order` says which of the numbers of a date is first, where both may be.
    """

    type: Type = "text"
    match: Expression | None = None
    order: Order | None = None
    required: bool = False

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if not self.where:
            raise ValueError("must say where it is: css, xpath, json or jsonld")
        if self.order and self.type != "date":
            raise ValueError('order means nothing without type = "date"')
        return self


class Item(Place):
    """What is taken from a page: one item of each element that is found, else of the page.

    `match` is a regular expression: only pages whose URL it finds have items. An item without a
    required field is none. `key` names the fields that say which item it is, on whatever page, today
    and tomorrow. When more than `missing_most` of the items lack a required field, the job is partial.
    """

    css: Css | None = None
    match: Expression | None = None
    fields: Annotated[dict[Name, FieldRule], Field(default_factory=dict)]
    key: tuple[Name, ...] = ()
    required: tuple[Name, ...] = ()
    missing_most: Annotated[float, Field(ge=0, le=1)] = 0.2

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, raw: Any) -> Any:
        """Read `title = "h1::text"` as `title = { css = "h1::text" }`, or as the item is described."""
        fields = raw.get("fields") if isinstance(raw, dict) else None
        if not isinstance(fields, dict):
            return raw
        language = next((name for name in LANGUAGES if raw.get(name)), "css")
        long = {
            name: {language: rule} if isinstance(rule, str) else rule
            for name, rule in fields.items()
        }
        return {**raw, "fields": long}

    @field_validator("key", mode="before")
    @classmethod
    def _one_or_more(cls, key: Any) -> Any:
        """Read `key = "sku"` as `key = ["sku"]`."""
        return (key,) if isinstance(key, str) else key

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        unknown = [name for name in self.key if self.fields and name not in self.fields]
        if unknown:
            raise ValueError(f"key: {unknown[0]!r} is no field of the item")
        if self.required and self.fields:
            raise ValueError("required: say it in the field itself: { …, required = true }")
        for name, rule in self.fields.items():
            self._seen_from_the_item(name, rule)
        return self

    def _seen_from_the_item(self, name: str, rule: FieldRule) -> None:
        """Inside of an element only its own language finds anything, and JSON-LD of the page."""
        if self.language and rule.language not in (self.language, "jsonld"):
            raise ValueError(
                f"fields.{name}: the item is found by {self.language}, so its fields are too"
            )
        if self.xpath and (rule.xpath or ".").startswith(("/", "(/")):
            raise ValueError(
                f"fields.{name}: {rule.xpath} looks at the whole page: .{rule.xpath} at the item"
            )
