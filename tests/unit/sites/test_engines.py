"""Which engine a site is asked with."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.core.errors import ConfigError
from sites.definition.definition import Definition
from sites.fetch import extras
from sites.fetch.transport import Transport


def definition_of(**more: Any) -> Definition:
    raw = {"name": "shop", "start_urls": ["http://a.example"], "item": {"fields": {"a": "b"}}}
    return Definition.model_validate(raw | more)


async def engine_of(definition: Definition) -> str:
    async with Transport(definition) as transport:
        return type(transport._engine).__name__


def test_a_site_file_may_name_a_browser() -> None:
    found = [asyncio.run(engine_of(definition_of(impersonate=name))) for name in (None, "chrome")]

    assert found == ["LeanEngine", "ImpersonatingEngine"]


def test_what_is_no_browser_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValidationError, match="'chrome', 'firefox' or 'safari'"):
        definition_of(impersonate="netscape")


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _: None)

    with pytest.raises(ConfigError) as told:
        asyncio.run(engine_of(definition_of(impersonate="chrome")))

    assert told.value.problems == ("shop: impersonate = 'chrome' needs curl_cffi",)
    assert "orch[impersonate]" in (told.value.hint or "")
    assert asyncio.run(engine_of(definition_of())) == "LeanEngine"
