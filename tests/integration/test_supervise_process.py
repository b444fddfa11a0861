"""Processes of our own, taken over as a supervisor does that has replaced its own program."""

from __future__ import annotations

import signal
import subprocess
import sys

from orchestrator.supervise.ownership import identify
from orchestrator.supervise.process import Process

#: Its first thread ends before the others, and shows as a zombie while they still run.
MANY_THREADS = """
import threading, time
for _ in range(30):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print(flush=True)
time.sleep(60)
"""


def test_the_exit_code_of_an_adopted_child_is_known_whatever_its_threads_do() -> None:
    for _ in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", MANY_THREADS], stdout=subprocess.PIPE, start_new_session=True
        ) as child:
            assert child.stdout
            child.stdout.readline()
            process = Process.adopt(identify(child.pid), "launch")
            assert process

            process.signal(signal.SIGKILL)
            while not process.ended():
                continue

            assert process.exit_code == -signal.SIGKILL
            process.close()
