"""A wall clock that jumps under running processes: libfaketime, told by a file."""

from __future__ import annotations

from pathlib import Path

from tests.support.orch import Orch, alive

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1")


class WallClock:
    """Every process that is started with `environment` sees the true time and an offset."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._file = folder / "offset"
        self.jump("+0")
        self.environment = {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
        }

    def jump(self, offset: str) -> None:
        """From now on it is `offset` later than it is (`+1d`, `-1d`, `+0`)."""
        made = self._file.with_suffix(".new")
        made.write_text(f"{offset}\n")
        made.replace(self._file)  # whoever reads it reads a whole one

    def rule(self, orch: Orch) -> None:
        """Have everything that is started in the home from now on see it."""
        path = orch.environment.get("PYTHONPATH", "")
        shim = Path(__file__).parent / "clock_shim"
        orch.environment |= self.environment | {"PYTHONPATH": f"{shim}:{path}".rstrip(":")}


def sweep() -> None:
    """Remove what libfaketime leaves in memory of processes that were killed."""
    for file in Path("/dev/shm").glob("*faketime_*"):  # noqa: S108
        if not alive(int(file.name.rpartition("_")[2])):
            file.unlink(missing_ok=True)


def _library() -> Path:
    found = [file for pattern in LIBRARIES for file in Path("/").glob(pattern.lstrip("/"))]
    assert found, "faketime is not installed; .ci/run installs it"
    return found[0]
