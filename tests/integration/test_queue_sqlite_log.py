"""Whoever comes and goes, the write-ahead log stays under those who have the file open."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from orchestrator.queue.open import open_queue

OTHER = """
import sys
from orchestrator.queue.open import open_queue
with open_queue(sys.argv[1]) as queue:
    queue.enqueue(sys.argv[2])
    print(queue.stats().total)
"""


def test_another_process_does_not_take_the_log_away(tmp_path: Path) -> None:
    file = tmp_path / "queue.sqlite"
    with open_queue(file) as queue:
        queue.enqueue("ours")
        # Each thread has a connection of its own, which is opened beside the first.
        thread = threading.Thread(target=queue.stats)
        thread.start()
        thread.join()

        other = [sys.executable, "-c", OTHER, str(file), "theirs"]
        assert subprocess.run(other, capture_output=True, check=True, text=True).stdout == "2\n"

        assert (tmp_path / "queue.sqlite-wal").exists()
        assert queue.stats().total == 2
        queue.enqueue("more")
        other[-1] = "also"
        assert subprocess.run(other, capture_output=True, check=True, text=True).stdout == "4\n"
