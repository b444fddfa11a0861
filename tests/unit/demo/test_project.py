"""The home of the demo: three files that the product itself understands."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from orchestrator.core import config
from orchestrator.core.home import Home
from orchestrator.demo.project import BAD_LINES, Project, definition
from sites.definition.definition import Definition


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(
        tmp_path,
        "http://127.0.0.1:4001/",
        "http://127.0.0.1:4002/",
        ["http://127.0.0.1:4003", "socks5://127.0.0.1:4004"],
        8,
    )
    made.write()
    return made


def test_the_configuration_names_the_list_and_the_judge_of_this_run(project: Project) -> None:
    settings = config.load(Home(project.home)).settings
    assert settings.proxies.sources == ("proxies.txt",)
    assert settings.proxies.judges == ("http://127.0.0.1:4002/",)
    assert settings.proxies.min_usable == 8


def test_the_list_has_every_proxy_and_two_bad_lines(project: Project) -> None:
    lines = project.proxy_list.read_text().splitlines()
    assert set(project.proxies) < set(lines)
    assert set(BAD_LINES) < set(lines)
    assert len(BAD_LINES) == 2


def test_the_site_is_the_shipped_one_at_the_address_of_this_run(project: Project) -> None:
    site = Definition.model_validate(tomllib.loads(project.site.read_text()))
    assert site.name == "pydocs"
    assert site.start_urls == ("http://127.0.0.1:4001/index.html",)
    assert site.allowed_hosts == ("127.0.0.1:4001",)
    assert site.proxies == "require"


def test_a_shipped_definition_without_the_keys_is_noticed() -> None:
    with pytest.raises(LookupError, match="start_urls stands 0 times"):
        definition('name = "pydocs"\n', "http://127.0.0.1:1/")
