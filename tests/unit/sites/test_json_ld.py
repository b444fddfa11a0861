"""What pages say about themselves to search engines."""

from __future__ import annotations

import pytest

from sites.extract.document import Document
from sites.fetch.answer import Page

SHOP = """<script type="application/ld+json">{"@context": "https://schema.org", "@graph": [
 {"@type": "WebPage", "mainEntity": {"@type": ["Thing", "Product"], "name": "Lamp",
  "offers": [{"@type": "Offer", "price": 19.5}, {"price": "21"}],
  "brand": {"@type": "Brand", "name": {"@value": "Lux"}}}}]}</script>
<script type="Application/LD+JSON">/*<![CDATA[*/ no json /*]]>*/</script>
<script type="application/ld+json"><!-- [{"@type": "http://schema.org/Person", "name": "Ann
Lee"}]; --></script>
<script type="text/javascript">{"@type": "Product", "name": "no"}</script>"""


def document(html: str) -> Document:
    return Document(Page(200, html.encode()), "http://a.example/")


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("Product.name", ["Lamp"]),
        ("Product.offers.price", [19.5, "21"]),
        ("Product.brand.name", ["Lux"]),
        ("Person.name", ["Ann\nLee"]),
        ("Product.none", []),
        ("Product.name.first", []),
        ("Offer.price", [19.5]),
        ("Recipe.name", []),
    ],
)
def test_a_path_goes_from_a_type_through_lists(path: str, values: list[object]) -> None:
    assert document(SHOP).ld(path) == values


@pytest.mark.parametrize("wrong", ["", "Product.", ".name", "Product name", "Product[0]"])
def test_what_is_no_path_is_told(wrong: str) -> None:
    with pytest.raises(ValueError, match="names with dots"):
        document(SHOP).ld(wrong)


def test_what_is_nested_without_end_breaks_nothing() -> None:
    deep = '{"a":' * 500 + '{"@type": "Product", "name": "x"}' + "}" * 500
    html = f'<script type="application/ld+json">{deep}</script>'

    assert document(html).ld("Product.name") == []
