"""A shop that does to robots what shops do: all that it has is brought home, politely, on both engines."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.hostile_shop import HANG_S, TRAPS, Shop
from tests.support.orch import Orch, a_home

ITEMS = 40

SHOP = """
start_urls = ["{url}"]
allow_private = true
rate = "400/s"
burst = 50
concurrency = 32
[limits]
timeout = "1.5s"
attempts = 3
[[follow]]
css = "a"
[item]
match = "/item/"
[item.fields]
title = {{ css = "h1::text", required = true }}
price = {{ css = "b.price::text", type = "money" }}
"""


@pytest.mark.alone
@pytest.mark.parametrize("engine", ["celery", "local"])
def test_a_hostile_shop_gives_all_it_has_and_no_captcha(tmp_path: Path, engine: str) -> None:
    with a_home(tmp_path / "home", "[worker]\nconcurrency = 2\n") as orch:
        (orch.home / "sites").mkdir(mode=0o700)
        if engine == "celery":
            orch.up()
        with Shop(ITEMS, retry_after=1) as shop:
            (orch.home / "sites/shop.toml").write_text(SHOP.format(url=shop.url()))
            began = time.monotonic()
            words = ["--local"] if engine == "local" else []
            done = orch("sites", "start", "shop", *words)
            took = time.monotonic() - began
        assert done.returncode == 6, done.stdout + done.stderr  # the traps
        check(orch, shop)
        assert took < HANG_S / 2


def check(orch: Orch, shop: Shop) -> None:
    exported = orch("sites", "export", "shop").stdout.splitlines()
    titles = [json.loads(line)["title"] for line in exported]
    assert sorted(titles) == sorted(shop.names())
    asked = shop.report()
    assert shop.early == []
    assert asked["for_items"] <= 2 * ITEMS
    assert asked["robots"] == 1
    found = trouble(orch)
    assert {path: found.pop(path, "") for path in TRAPS} == TRAPS
    assert not found
    (row,) = orch.json("sites", "status", "shop", "--json")
    ended = row["pages_done"] + row["pages_failed"] + row["pages_skipped"]
    assert (row["state"], row["pages_known"]) == ("partial", ended)


def trouble(orch: Orch) -> dict[str, str]:
    """The class of each page that gave nothing, by its path."""
    classes = ["gone", "redirect", "too_big", "timeout", "parse", "soft_block", "http_403"]
    words = [f"--class={name}" for name in (*classes, "http_5xx", "connect", "lost")]
    rows: list[dict[str, Any]] = orch.json("sites", "failures", "shop", "--json", *words)
    return {"/" + row["url"].split("/", 3)[3]: row["kind"] for row in rows}
