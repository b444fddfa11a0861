"""What `orch unit` prints, read by systemd itself."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.orch import Orch

if TYPE_CHECKING:
    from pathlib import Path

ANALYZE = shutil.which("systemd-analyze") or ""

pytestmark = [
    pytest.mark.machine,
    pytest.mark.skipif(not ANALYZE, reason="no systemd here"),
]


@pytest.mark.parametrize("folder", ["plain", 'mein "Projekt" 100% $HOME'])
@pytest.mark.parametrize("kind", ["--system", "--user-unit"])
def test_systemd_finds_nothing_wrong(tmp_path: Path, folder: str, kind: str) -> None:
    orch = Orch(tmp_path / folder)
    made = orch("unit", kind)
    file = tmp_path / "orch-test.service"
    file.write_text(made.stdout)
    orch.environment["XDG_RUNTIME_DIR"] = str(tmp_path)

    manager = ["--user"] if kind == "--user-unit" else []
    done = subprocess.run(
        [ANALYZE, *manager, "verify", str(file)],
        env=orch.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    # Some versions end with 0 even if they do not know a setting.
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def test_systemd_calls_it_well_protected(tmp_path: Path) -> None:
    orch = Orch(tmp_path / "home")
    file = tmp_path / "orch-test.service"
    file.write_text(orch("unit").stdout)

    done = subprocess.run(
        [ANALYZE, "security", "--offline=yes", "--threshold=35", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout
