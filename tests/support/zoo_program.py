"""A zoo as a process of its own: `python -m tests.support.zoo_program KIND[=COUNT]…`.

Without words there is one of every kind. It says in one line of JSON where the judges are and the truth
about everybody, and ends with its stdin.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.zoo import Resident, Zoo, open_files
from tests.support.zoo_kinds import KINDS


def truth(resident: Resident) -> dict[str, Any]:
    kind = resident.kind
    return {
        "kind": resident.name,
        "url": resident.proxy.url,
        "usable": kind.usable,
        "reason": kind.reason,
        "anonymity": str(kind.anonymity),
        "tls": kind.tls,
        "exit": resident.animal.leave_from or "127.0.0.1",
    }


@contextlib.contextmanager
def zoo_of(*words: str) -> Iterator[dict[str, Any]]:
    """The line that such a process says, for as long as it runs."""
    command = [sys.executable, "-m", "tests.support.zoo_program", *words]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root
    ) as process:
        assert process.stdin
        assert process.stdout
        yield json.loads(process.stdout.readline())
        process.stdin.close()


def main() -> None:
    open_files()
    with Zoo() as zoo:
        for word in sys.argv[1:] or KINDS:
            name, _, count = word.partition("=")
            zoo.many(name, int(count or 1))
        facts = {"judge": zoo.judge, "judge_tls": zoo.judge_tls, "ca": zoo.ca}
        residents = [truth(resident) for resident in zoo.residents.values()]
        sys.stdout.write(json.dumps({**facts, "residents": residents}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
