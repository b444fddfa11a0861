"""What the shell offers after Tab, in the words of the scripts that `--show-completion` prints."""

from __future__ import annotations

import os
import shlex
import sys

from orchestrator.cli import names, words
from orchestrator.core import places
from orchestrator.core.errors import OrchError

# Typing itself is not imported: the shell waits.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.cli.words import Command

VARIABLE = "_ORCH_COMPLETE"

_NAMES: dict[str, Callable[[str], list[str]]] = {
    "services": names.services,
    "logs": names.logs,
    "sites": names.sites,
    **{kind: names.fixed(kind) for kind in names.FIXED},
}


def complete(environment: Mapping[str, str]) -> int | None:
    """Answer a shell, and return the exit code; None for one that typer must answer."""
    shell = environment.get(VARIABLE, "")
    if shell == "complete_bash":
        typed = _split(environment.get("COMP_WORDS", ""))
        at = int(environment.get("COMP_CWORD", "0") or 0)
        found = offers(typed[1:at], typed[at] if at < len(typed) else "")
        _print(found)
        return 0
    typed, last = _until_cursor(environment.get("_TYPER_COMPLETE_ARGS", ""))
    if shell == "complete_zsh":
        found = offers(typed, last)
        # Without an offer: files, as for a command's own words.
        listed = "\n".join(f'"{_for_zsh(name)}"' for name in found)
        _print([f"_arguments '*: :(({listed}))'" if found else "_files"])
        return 0
    if shell == "complete_fish":
        found = offers(typed, last)
        if environment.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args":
            return 0 if found else 1
        _print(found)
        return 0
    return None


def offers(typed: list[str], last: str) -> list[str]:
    """What may follow the words `typed`, beginning with `last`."""
    line = Line(words.commands())
    for word in typed:
        line.take(word)
    return [name for name in line.offers(last) if name.startswith(last) and name not in line.given]


class Line:
    """A command line as far as it is typed."""

    def __init__(self, commands: Mapping[tuple[str, ...], Command]) -> None:
        self._commands = commands
        self._command = commands[()]
        self._home: str | None = None
        self._wanted = ""  #: the option whose value comes next
        self.given: list[str] = []  #: its arguments

    def take(self, word: str) -> None:
        """Read one whole word."""
        if self._wanted:
            if self._wanted == "--home":
                self._home = word
            self._wanted = ""
        elif word in self._command.values:
            self._wanted = word
        elif word.startswith("--home="):
            self._home = word.partition("=")[2]
        elif not word.startswith("-"):
            below = self._commands.get((*self._command.path, word))
            if below and not self.given:
                self._command = below
            else:
                self.given.append(word)

    def offers(self, last: str) -> list[str]:
        """What may come next, if it begins with `last`."""
        if self._wanted:
            return _named(self._command.values[self._wanted], self._home)
        if self._command.argument == "command" and self.given:
            return []  # the words of somebody else's command
        if last.startswith("-"):
            return self._command.options
        return ([] if self.given else self._below()) or _named(self._argument(), self._home)

    def _argument(self) -> str:
        """What the next argument names; the last kind there is holds for all further ones."""
        kinds = self._command.argument.split(",")
        return kinds[min(len(self.given), len(kinds) - 1)]

    def _below(self) -> list[str]:
        path = tuple(self._command.path)
        return [other[-1] for other in self._commands if other and other[:-1] == path]


def _named(kind: str, home: str | None) -> list[str]:
    if kind not in _NAMES:
        return []
    try:
        return _NAMES[kind](places.find(os.path.expanduser(home) if home else None))  # noqa: PTH111
    except OrchError:
        return []


def _until_cursor(text: str) -> tuple[list[str], str]:
    """The words that are whole, and what has been typed of the next."""
    typed = _split(text)[1:]
    if typed and not text.endswith(" "):
        return typed[:-1], typed[-1]
    return typed, ""


def _split(text: str) -> list[str]:
    """As the shell does, as far as it is typed: a quotation may be open yet."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[str] = []
    try:
        found.extend(lexer)
    except ValueError:
        found.append(lexer.token)
    return found


def _for_zsh(name: str) -> str:
    return name.replace("$", "\\$").replace("`", "\\`").replace(":", r"\\:")


def _print(lines: list[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
