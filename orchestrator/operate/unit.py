"""A hardened systemd unit file for the supervisor of a home."""

from __future__ import annotations

import os
import pwd
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import ConfigError, Unavailable
from orchestrator.core.files import private_folder
from orchestrator.supervise import specs
from orchestrator.supervise.farewell import HOOK_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.core.config import Config
    from orchestrator.supervise.service import ServiceSpec

#: What `ProtectHome` and `PrivateTmp` hide.
HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108
#: systemd waits so much longer than the services' own graces together, in seconds.
SPARE_S = 15.0
#: Without knowing the services, as when there is no Redis on this machine yet.
USUAL_STOP_S = 60.0
NAME = re.compile(r"[A-Za-z0-9:_.\\-]{1,200}")
UNIT = re.compile(r"\.service$")


@dataclass(frozen=True, slots=True)
class Unit:
    """What the unit file is made from. `system`: for the whole machine, else for one user's session."""

    config: Config
    name: str
    system: bool

    @classmethod
    def of(cls, config: Config, name: str | None, *, system: bool) -> Unit:
        """Name it after the home if no name is given.

        Raises:
            ConfigError: systemd knows no such name.
        """
        plain = re.sub(r"[^A-Za-z0-9:_.-]+", "-", config.home.path.name).strip("-") or "home"
        chosen = UNIT.sub("", name if name is not None else f"orch-{plain}")
        if not NAME.fullmatch(chosen):
            raise ConfigError((f"--name {name}: letters, digits and : _ . - are allowed",))
        return cls(config, chosen, system)

    @property
    def file(self) -> str:
        """How the file is to be called."""
        return f"{self.name}.service"

    def text(self) -> str:
        """The unit file. Makes the folder `data` of the home, which systemd wants to find."""
        private_folder(self.config.home.data)
        sections = {
            "Unit": self._unit(),
            "Service": [*self._running(), *self._hardening()],
            "Install": ["WantedBy=" + ("multi-user.target" if self.system else "default.target")],
        }
        parts = ["\n".join([f"[{title}]", *lines]) for title, lines in sections.items()]
        return "\n\n".join(parts) + "\n"

    def _unit(self) -> Iterator[str]:
        yield f"Description=orch in {_raw(str(self.config.home.path))}"
        if self.system:
            yield "Wants=network-online.target"
            yield "After=network-online.target"
        yield "# It is started again for ever, but not in a hurry."
        yield "StartLimitIntervalSec=0"

    def _running(self) -> Iterator[str]:
        home = str(self.config.home.path)
        yield "# orch says itself when all is ready, and that it is alive."
        yield "Type=notify"
        yield "NotifyAccess=main"
        yield "WatchdogSec=30"
        if self.system:
            yield f"User={_user(self.config.home.path)}"
        yield f"WorkingDirectory={_raw(home)}"
        yield "# Of whoever printed this: where the commands of your services were found."
        yield "Environment=" + _word(f"PATH={_path()}")
        yield f"ExecStart={self._command('up')}"
        yield f"ExecReload={self._command('restart', '--changed')}"
        yield "# TERM to the supervisor is the ordered stop; what is left after the timeout is killed."
        yield "KillMode=mixed"
        yield "# orch itself gives up a start that takes too long; a reload waits for it too."
        yield "TimeoutStartSec=infinity"
        yield f"TimeoutStopSec={self._stop_s():.0f}"
        yield "SuccessExitStatus=130 143"
        yield "Restart=on-failure"
        yield "RestartSec=5"
        yield "# 2: the configuration is wrong, which does not mend itself. All else may: a server that is"
        yield "# installed, an address that gets free, an `orch up` by hand that ends."
        yield "RestartPreventExitStatus=2"
        yield "# A service that runs out of memory is restarted by orch; the others go on."
        yield "OOMPolicy=continue"
        yield "# Redis and checks of proxies keep many connections open."
        yield "LimitNOFILE=65536"

    def _command(self, *words: str) -> str:
        script = Path(sys.executable).with_name("orch")
        start = [str(script)] if script.exists() else [sys.executable, "-P", "-m", "orchestrator"]
        given = [f"--set={key}={value}" for key, value in self.config.overrides.items()]
        all_words = [*start, "--home", str(self.config.home.path), *given, *words]
        return " ".join(_word(word).replace("$", "$$") for word in all_words)

    def _services(self) -> list[ServiceSpec]:
        try:
            return specs.build(self.config)
        except Unavailable:
            return []

    def _stop_s(self) -> float:
        built = self._services()
        if not built:
            return USUAL_STOP_S + SPARE_S
        return HOOK_S + sum(seconds for spec in built for _, seconds in spec.stop) + SPARE_S

    def _hardening(self) -> Iterator[str]:
        yield "UMask=0077"
        yield "NoNewPrivileges=yes"
        yield "LockPersonality=yes"
        yield "RestrictRealtime=yes"
        yield "RestrictSUIDSGID=yes"
        yield "SystemCallArchitectures=native"
        yield "SystemCallFilter=@system-service"
        yield "SystemCallErrorNumber=EPERM"
        yield "# AF_NETLINK: which addresses this machine has."
        yield "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK"
        yield "# Not MemoryDenyWriteExecute: ctypes, cffi and every JIT among your services need it."
        yield "# Not ProtectProc: orch names the stranger that holds its port."
        if self.system:
            yield from self._namespaces()
        else:
            yield "# A user's systemd can hide or protect folders only where unprivileged user"
            yield "# namespaces are allowed, and fails elsewhere: `orch unit --system` has them."

    def _namespaces(self) -> Iterator[str]:
        home = self.config.home
        yield "CapabilityBoundingSet="
        yield "RestrictNamespaces=yes"
        yield "PrivateDevices=yes"
        yield "ProtectClock=yes"
        yield "ProtectControlGroups=yes"
        yield "ProtectHostname=yes"
        yield "ProtectKernelLogs=yes"
        yield "ProtectKernelModules=yes"
        yield "ProtectKernelTunables=yes"
        yield "# Nothing can be written but this; add what your own services write to."
        yield "ProtectSystem=strict"
        sockets = home.socket("control.sock").parent
        needed = [*self._read(), sockets]
        writable = [str(home.data)]
        if sockets != home.run:
            writable.append(f"-{sockets.parent}")
        if _within(needed, TEMPORARY):
            yield "# Part of what orch needs is there: the home, its sockets or its Python."
            yield "PrivateTmp=no"
            writable += map(str, TEMPORARY)
        else:
            yield "PrivateTmp=yes"
        yield f"ReadWritePaths={' '.join(_word(path) for path in dict.fromkeys(writable))}"
        yield f"ProtectHome={'read-only' if _within(needed, HOMES) else 'yes'}"

    def _read(self) -> list[Path]:
        """What has to be seen: the home, the Python that runs it, and what services are started with."""
        pythons = [sys.executable, os.path.realpath(sys.executable), sys.prefix, sys.base_prefix]
        of_services = [
            word
            for spec in self._services()
            for word in (spec.cwd, *spec.command[:1], *map(os.path.realpath, spec.command[:1]))
        ]
        return [self.config.home.path, Path(__file__), *map(Path, [*pythons, *of_services])]


def _path() -> str:
    """Our own PATH, without what only the current folder gives a meaning to."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(dict.fromkeys(folder for folder in folders if folder.startswith(os.sep)))


def _user(home: Path) -> str:
    """Who owns the home; a number when it has no name."""
    owner = home.stat().st_uid
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return str(owner)


def _within(paths: Iterable[Path], folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(folder) for path in paths for folder in folders)


def _raw(text: str) -> str:
    """Text that systemd takes as it is, but for its specifiers."""
    return text.replace("%", "%%")


def _word(word: str) -> str:
    """One word, so that systemd reads it as one (systemd.syntax(7))."""
    escaped = _raw(word).replace("\\", "\\\\").replace('"', '\\"')
    return escaped if re.fullmatch(r"[\w@%+=:,./-]+", escaped, re.ASCII) else f'"{escaped}"'
