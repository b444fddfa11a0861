"""What `orch status` says of sites, also when nobody can ask Redis."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.cli.quick import summary
from orchestrator.cli.tables import services_table
from orchestrator.gate.notice import FOLDER, Notice

ROW = {
    "site": "books",
    "state": "running",
    "pages_done": 3,
    "pages_known": 9,
    "items": 4,
    "reason": "",
}


def lines(home: Path) -> str:
    status = {"home": str(home), "services": [], **summary(str(home), running=True)}
    return str(services_table(status).caption)


def test_a_gate_that_works_alone_is_said_whatever_the_summary_knew(tmp_path: Path) -> None:
    run = tmp_path / "data" / "run"
    run.mkdir(parents=True)
    other = {**ROW, "site": "quotes", "reason": "no usable proxy"}
    (run / "summary.json").write_text(json.dumps({"sites": [ROW, other]}))
    assert "books: running, 3/9 pages, 4 items\n" in lines(tmp_path)
    notice = Notice(run / FOLDER)
    notice.post(site="books", since=1.0, reason="no answer from Redis")

    told = lines(tmp_path)
    notice.take_down()

    assert "4 items, asked without the shared gate by a process" in told
    assert "quotes: running, 3/9 pages, 4 items, no usable proxy" in told
    assert "shared gate" not in lines(tmp_path)
