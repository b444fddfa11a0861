"""What a class of the user's own says about pages that a site file cannot describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sites.extract.document import Document


class Scraper:
    """The contract of a class in `sites/<name>.py` of the home; the site file names it.

    One is made for each slice of a job, and asked for one page after the other. `page.url` and
    `page.text` are there, `page.css("h1::text")`, `page.xpath(…)`, `page.find(…)` for JSON and
    `page.ld(…)` for JSON-LD return what is found; `page.page.body` are the bytes. An exception fails
    the page, with its line and what it says as the reason, and nothing else.
    """

    def items(self, page: Document) -> Iterable[Mapping[str, Any]]:
        """Return the items of a page: values of JSON under names of text."""
        del page
        return ()

    def links(self, page: Document) -> Iterable[str]:
        """Return links beside those of the site file; they may be relative, and are checked as those."""
        del page
        return ()
