"""`orch unit`: a systemd unit file that fits the home."""

from __future__ import annotations

import os
import pty
import shlex
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from orchestrator.operate.unit import HOMES
from tests.support.orch import COMMAND, Orch


def settings(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    pairs = [line.partition("=") for line in lines]
    assert len({key for key, _, _ in pairs}) == len(pairs)
    return {key: value for key, _, value in pairs}


def unit(orch: Orch, *words: str) -> dict[str, str]:
    done = orch("unit", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if line.startswith("[")] == [
        "[Unit]",
        "[Service]",
        "[Install]",
    ]
    return settings(done.stdout)


def test_it_starts_this_home_with_this_python_and_waits_for_its_word(orch: Orch) -> None:
    made = unit(orch)

    start = shlex.split(made["ExecStart"])
    assert start[-3:] == ["--home", str(orch.home), "up"]
    assert os.access(start[0], os.X_OK)
    assert start[0].startswith(str(Path(sys.executable).parent))
    assert (made["Type"], made["NotifyAccess"]) == ("notify", "main")
    assert float(made["WatchdogSec"]) >= 10
    assert made["Restart"] == "on-failure"
    assert {"143", "130"} <= set(made["SuccessExitStatus"].split())
    assert made["ReadWritePaths"].split()[0] == f"{orch.home}/data"
    assert (orch.home / "data").is_dir()
    assert stat.S_IMODE((orch.home / "data").stat().st_mode) == 0o700


def test_a_start_has_the_time_that_orch_gives_it_and_a_reload_applies_the_configuration(
    orch: Orch,
) -> None:
    made = unit(orch)

    assert made["TimeoutStartSec"] == "infinity"
    start, reload = shlex.split(made["ExecStart"]), shlex.split(made["ExecReload"])
    assert reload == [*start[:-1], "restart", "--changed"]
    assert made["RestartPreventExitStatus"] == "2"


def test_commands_are_found_as_in_the_shell_that_printed_it(orch: Orch) -> None:
    tools = orch.home / "my tools"
    tools.mkdir()
    (tools / "mine").write_text("#!/bin/sh\n")
    (tools / "mine").chmod(0o755)
    (orch.home / "orch.toml").write_text('[service.own]\ncommand = ["mine"]\n')
    orch.environment["PATH"] = f"{tools}:bin:/usr/bin::/bin:/usr/bin"

    assert shlex.split(unit(orch)["Environment"]) == [f"PATH={tools}:/usr/bin:/bin"]


def test_a_folder_that_a_service_works_in_is_not_hidden_from_it() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        orch = Orch(Path(folder))
        # A checkout in a temporary folder hides nothing from the start: its Python is there.
        python_is_there = Path(sys.prefix).resolve().parts[1] in ("tmp", "var")
        assert unit(orch)["PrivateTmp"] == ("no" if python_is_there else "yes")
        (orch.home / "orch.toml").write_text(
            '[service.own]\ncommand = ["sleep", "9"]\ncwd = "/var/tmp"\n'
        )
        assert unit(orch)["PrivateTmp"] == "no"


def test_the_stop_has_more_time_than_the_services_graces(orch: Orch) -> None:
    usual = float(unit(orch)["TimeoutStopSec"])
    with (orch.home / "orch.toml").open("a") as file:
        file.write('[service.slow]\ncommand = ["sleep", "1000"]\ngrace = "300s"\n')

    assert float(unit(orch)["TimeoutStopSec"]) >= usual + 300


def test_a_home_in_a_temporary_folder_is_not_hidden_from_itself() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        made = unit(Orch(Path(folder)))
    assert made["PrivateTmp"] == "no"
    assert "/var/tmp" in made["ReadWritePaths"].split()  # noqa: S108


def test_what_is_hidden_or_read_only_does_not_hit_the_home_its_sockets_or_its_python(
    orch: Orch,
) -> None:
    made = unit(orch)
    needed = [str(orch.home), os.path.realpath(sys.executable), sys.base_prefix]
    if any(Path(path).is_relative_to(home) for path in needed for home in HOMES):
        assert made["ProtectHome"] == "read-only"
    deep = Orch(orch.home / ("x" * 60) / ("y" * 60))
    deep.environment["XDG_RUNTIME_DIR"] = "/run/user/4711"
    assert "-/run/user/4711" in unit(deep)["ReadWritePaths"].split()


def test_odd_paths_and_settings_stay_one_word(orch: Orch) -> None:
    odd = Orch(orch.home / 'mein "Projekt" 100% $HOME')

    made = unit(odd, "--name", "shop")

    path = str(odd.home).replace("%", "%%")
    assert made["WorkingDirectory"] == path
    assert shlex.split(made["ExecStart"])[-2].replace("$$", "$") == path
    assert shlex.split(made["ReadWritePaths"])[0] == f"{path}/data"


def test_settings_of_this_call_hold_for_the_unit(orch: Orch) -> None:
    done = orch("--set", "worker.concurrency=3", "unit")
    assert "--set=worker.concurrency=3" in settings(done.stdout)["ExecStart"].split()


def test_for_a_user_there_is_nothing_that_only_the_system_can(orch: Orch) -> None:
    made = unit(orch, "--user-unit")

    assert made["WantedBy"] == "default.target"
    assert not {"User", "PrivateTmp", "ProtectSystem", "ProtectHome", "PrivateDevices"} & set(made)
    assert made["NoNewPrivileges"] == "yes"


@pytest.mark.parametrize("name", ["", "a/b", "a b", "ä", "x" * 300])
def test_a_name_that_systemd_does_not_know_is_refused(orch: Orch, name: str) -> None:
    done = orch("unit", "--name", name)
    assert done.returncode == 2
    assert done.stdout == ""


def on_a_terminal(orch: Orch, *words: str) -> tuple[str, list[str]]:
    """What goes into a file, and what a narrow terminal shows."""
    master, slave = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "unit", "--name", "shop", *words],
        cwd=orch.home,
        env=orch.environment | {"COLUMNS": "40"},
        stdout=subprocess.PIPE,
        stderr=slave,
        text=True,
        timeout=30,
        check=True,
    )
    os.close(slave)
    told = os.read(master, 65_536).decode()
    os.close(master)
    return done.stdout, [line.strip() for line in told.splitlines()]


def test_on_a_terminal_it_says_how_to_install_it_and_the_file_stays_clean(orch: Orch) -> None:
    file, told = on_a_terminal(orch)

    printed = shlex.join(["orch", "--home", str(orch.home), "unit", "--name", "shop"])
    assert f"{printed} | sudo tee /etc/systemd/system/shop.service >/dev/null" in told
    assert "sudo systemctl enable --now shop.service" in told
    assert "sudo" not in file


def test_for_a_user_it_says_how_to_make_the_folder_and_how_to_go_on_after_the_log_out(
    orch: Orch,
) -> None:
    _, told = on_a_terminal(orch, "--user-unit")

    printed = shlex.join(["orch", "--home", str(orch.home), "unit", "--name", "shop"])
    assert told.index("mkdir -p ~/.config/systemd/user") < told.index(
        f"{printed} --user-unit > ~/.config/systemd/user/shop.service"
    )
    assert any(line.startswith("loginctl enable-linger") for line in told)
    assert not any("sudo" in line for line in told)
