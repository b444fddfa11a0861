"""Which sites there are: the home's `sites/*.toml` first, then those shipped; the name decides."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from orchestrator.core.config import read_toml
from orchestrator.core.errors import ConfigError
from orchestrator.core.problems import describe
from sites.definition import needs
from sites.definition.definition import Definition

if TYPE_CHECKING:
    from orchestrator.core.home import Home


@dataclass(frozen=True, slots=True)
class Entry:
    """A site file that could be read: what it says, and where it is."""

    definition: Definition
    path: Path
    shipped: bool


def read(path: Path) -> Definition:
    """Read and validate one site file; without `name` it is called like the file.

    Raises:
        ConfigError: every problem, each with file, key, value and what is allowed.
    """
    raw = {"name": path.stem, **read_toml(path)}
    try:
        return Definition.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(tuple(describe(error, lambda _: str(path), Definition))) from error


class Registry:
    """The site files of a home and of the package."""

    def __init__(self, home: Home, shipped: Path | None = None) -> None:
        self._own = home.path / "sites"
        self._shipped = shipped or Path(str(resources.files("sites") / "definitions"))

    def entries(self) -> tuple[dict[str, Entry], tuple[str, ...]]:
        """Return every site that can be read, by name, and the problems of those that cannot."""
        found: dict[str, Entry] = {}
        problems: list[str] = []
        for path, shipped in self._files():
            try:
                entry = Entry(read(path), path, shipped)
            except ConfigError as error:
                problems += error.problems
                continue
            name = entry.definition.name
            if name in found and found[name].shipped == shipped:
                problems.append(f"{path}: name = {name!r}: {found[name].path} has this name too")
            found.setdefault(name, entry)
        wanted = {name: entry.definition.needs for name, entry in found.items()}
        for name, entry in found.items():
            problems += [f"{entry.path}: {told}" for told in needs.problems(wanted, name)]
        return dict(sorted(found.items())), tuple(problems)

    def get(self, name: str) -> Entry:
        """Return the site called `name`.

        Raises:
            ConfigError: there is none, or a file that may mean it is wrong.
        """
        found, problems = self.entries()
        own = self._own / f"{name}.toml"
        meant = {f"{own}:", f"{found[name].path}:" if name in found else f"{own}:"}
        concerned = tuple(line for line in problems if line.startswith(tuple(meant)))
        if concerned:
            raise ConfigError(concerned, hint=f"mend it, then `orch sites check {name}`")
        if name in found:
            return found[name]
        known = ", ".join(found) or "none"
        problem = f"site: {name!r} is not there; there are: {known}"
        raise ConfigError((problem, *problems), hint=f"make {own}, or see `orch sites list`")

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Return what changes with every change of a file."""
        found = ((str(path), path.stat()) for path, _ in self._files())
        return tuple((path, facts.st_mtime_ns, facts.st_size) for path, facts in found)

    def _files(self) -> list[tuple[Path, bool]]:
        own = [(path, False) for path in sorted(self._own.glob("*.toml"))]
        return own + [(path, True) for path in sorted(self._shipped.glob("*.toml"))]
