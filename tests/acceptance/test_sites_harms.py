"""Sites that harm a crawler, crawled with --local many at a time: each job ends rightly."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from orchestrator.core.home import Home
from sites.job.classes import CLASSES
from sites.results.output import Results
from tests.support.harms import SITES, Seen
from tests.support.local_home import toml
from tests.support.orch import Orch


def test_whatever_sites_do_their_jobs_end_rightly_without_services(tmp_path: Path) -> None:
    orch = Orch(tmp_path / "home", "")
    (orch.home / "sites").mkdir(mode=0o700)
    with ExitStack() as stack:
        cases = {name: stack.enter_context(site()) for name, site in SITES.items()}
        for name, case in cases.items():
            definition = case.definition | {"name": name}
            (orch.home / f"sites/{name}.toml").write_text(toml(definition))

        # That one waits for silent hosts: in a process of its own no other site makes it late.
        alone = orch.popen("sites", "start", "robots", "--local")
        done = orch("sites", "start", *(cases.keys() - {"robots"}), "--local", timeout=300)

        assert done.returncode == 6, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert alone.wait(60) == 6
        rows = {row["site"]: row for row in orch.json("sites", "status", *cases, "--json")}
        for name, case in cases.items():
            case.check(seen(orch, rows[name]))


def seen(orch: Orch, row: dict[str, Any]) -> Seen:
    ended = row["pages_done"] + row["pages_failed"] + row["pages_skipped"]
    assert row["pages_known"] == ended, row
    with Results(Home(orch.home).site_results(row["site"])) as results:
        names = [item["name"] for item in results.items(row["job_id"])]
        failures = [*results.failures(row["job_id"], CLASSES)]
    return Seen(row["state"], row["reason"], names, failures)
