"""How much memory is left: by the machine, and by the groups that we are in."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.memory import available, short

MB = 1_000_000


def machine(root: Path, free_mb: int, group: str = "0::/") -> None:
    write(root, "proc/meminfo", f"MemTotal: 99 kB\nMemAvailable: {free_mb * MB // 1024} kB\n")
    write(root, "proc/self/cgroup", f"{group}\n")


def write(root: Path, file: str, text: str) -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(text)


def second(root: Path, group: str, most: str, used: int, inactive: int = 0) -> None:
    folder = f"sys/fs/cgroup{group}"
    write(root, f"{folder}/memory.max", most + "\n")
    write(root, f"{folder}/memory.current", f"{used}\n")
    write(root, f"{folder}/memory.stat", f"anon 1\ninactive_file {inactive}\n")


def first(root: Path, group: str, most: int, used: int, inactive: int = 0) -> None:
    folder = f"sys/fs/cgroup/memory{group}"
    write(root, f"{folder}/memory.limit_in_bytes", f"{most}\n")
    write(root, f"{folder}/memory.usage_in_bytes", f"{used}\n")
    write(root, f"{folder}/memory.stat", f"total_inactive_file {inactive}\n")


def about(found: int | None) -> int:
    assert found is not None
    return round(found / MB)


def test_without_a_limit_the_machine_decides(tmp_path: Path) -> None:
    machine(tmp_path, 700)
    assert about(available(tmp_path)) == 700

    second(tmp_path, "", "max", 100)
    assert about(available(tmp_path)) == 700


def test_the_narrowest_group_decides_and_what_can_be_given_back_counts(tmp_path: Path) -> None:
    machine(tmp_path, 7000, "0::/our/own")
    second(tmp_path, "/our/own", "max", 1)
    second(tmp_path, "/our", str(500 * MB), 450 * MB, 30 * MB)

    assert about(available(tmp_path)) == 80


def test_groups_of_the_first_kind_too(tmp_path: Path) -> None:
    machine(tmp_path, 7000, "4:cpu,memory:/box\n0::/")
    first(tmp_path, "/box", 300 * MB, 290 * MB, 5 * MB)
    first(tmp_path, "", 2**63 - 4096, 1)

    assert about(available(tmp_path)) == 15


def test_a_container_that_sees_its_group_as_the_outermost_one(tmp_path: Path) -> None:
    machine(tmp_path, 7000, "4:memory:/somewhere/outside")
    first(tmp_path, "", 300 * MB, 250 * MB)

    assert about(available(tmp_path)) == 50


def test_a_system_that_does_not_tell_is_never_short(tmp_path: Path) -> None:
    assert available(tmp_path) is None
    assert short(10**6, tmp_path) == ""


@pytest.mark.parametrize(("least", "told"), [(0, False), (99, False), (101, True)])
def test_a_machine_is_short_below_the_setting(tmp_path: Path, least: int, told: bool) -> None:
    machine(tmp_path, 100)

    said = short(least, tmp_path)

    assert bool(said) == told
    assert not told or f"[sites] min_free_mb = {least}" in said
