"""What a failed test's homes have to say: the ends of their logs, added to its report."""

from __future__ import annotations

from pathlib import Path

LINES = 40


def of(folder: Path) -> list[tuple[str, str]]:
    """(title, text) of every log below `folder`, events first."""
    logs = sorted(folder.glob("**/data/logs/*"), key=lambda file: file.name != "events.jsonl")
    found = []
    for file in logs:
        lines = file.read_text(errors="replace").splitlines()[-LINES:] if file.is_file() else []
        if lines:
            found.append((str(file.relative_to(folder)), "\n".join(lines)))
    return found
