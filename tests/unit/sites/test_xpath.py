"""XPath over a page, and what a page cannot make it do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sites.extract.xpath import XPath, check_xpath, tree_of

PAGE = """<!-- c --><html><body><h1>A <b>b</b><br>c<script>no()</script></h1>
<a class="next page" href="/2">2</a><a>none</a><p>é</p></body></html>"""


def found(
    expression: str, text: str = PAGE, *, xml: bool = False, attribute: str = ""
) -> list[object]:
    path = XPath.parse(expression, attribute=attribute or None)
    return [path.read(match) for match in path.matches(tree_of(text.encode(), xml=xml))]


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("//p/text()", ["é"]),
        ("//a/@href", ["/2"]),
        ("//h1", ["A b\nc"]),
        ("count(//a)", [2.0]),
        ("boolean(//a)", [True]),
        ("string(//a)", ["2"]),
        ("//a[re:test(@class, '^next')]/text()", ["2"]),
        ("//h2", []),
    ],
)
def test_an_expression_finds_texts_elements_and_numbers(
    expression: str, values: list[object]
) -> None:
    assert found(expression) == values


def test_an_element_may_mean_one_of_its_attributes() -> None:
    assert found("//a", attribute="href") == ["/2", None]


@pytest.mark.parametrize("wrong", ["//h1[", "", "foo:bar(1)", "nosuch()", "//x:a"])
def test_what_is_no_xpath_is_told_when_it_is_read(wrong: str) -> None:
    with pytest.raises(ValueError, match="this XPath cannot be understood"):
        check_xpath(wrong)


def test_a_text_that_names_another_encoding_is_read_as_it_is() -> None:
    assert found("//a", '<?xml version="1.0" encoding="utf-16"?><r><a>é</a></r>', xml=True) == ["é"]


@pytest.mark.parametrize("xml", [True, False])
@pytest.mark.parametrize("text", ["", " ", "\0", "<", "<!-- -->", "plain", "&", "<?xml"])
def test_what_is_no_page_breaks_nothing(text: str, *, xml: bool) -> None:
    root = tree_of(text.encode(), xml=xml)

    assert root is None or XPath.parse("//h1").matches(root) == []


def test_a_bomb_of_entities_does_not_go_off() -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 20}">' for n in range(1, 20))
    bomb = f'<!DOCTYPE r [<!ENTITY e0 "boom">{entities}]><r><a>&e19;</a><b>ok</b></r>'
    small = '<!DOCTYPE r [<!ENTITY e0 "boom">]><r><a>&e0;&amp;</a><b>ok</b></r>'
    began = time.process_time()

    assert "boom" not in "".join(map(str, found("//text()", bomb, xml=True)))
    assert found("//a", small, xml=True) == ["&"]
    assert found("//b", small, xml=True) == ["ok"]
    assert time.process_time() - began < 1


def test_no_file_and_no_address_is_read_for_a_page(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "dtd").write_text('<!ENTITY d "secret">')
    uri = tmp_path.as_uri()
    text = (
        f'<!DOCTYPE r SYSTEM "{uri}/dtd" [<!ENTITY s SYSTEM "{uri}/secret">]>'
        '<r xmlns:xi="http://www.w3.org/2001/XInclude"><a>&s;</a><a>&d;</a>'
        f'<xi:include href="{uri}/secret" parse="text"/><b>ok</b></r>'
    )

    assert found("//b", text, xml=True) == ["ok"]
    assert "secret" not in "".join(map(str, found("//text()", text, xml=True)))


def test_a_page_that_is_nested_without_end_is_read_as_far_as_it_goes() -> None:
    assert tree_of(b"<div>" * 100_000, xml=False) is not None
    found("//div", "<div>" * 5_000)
