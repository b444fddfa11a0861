"""A library in a process of its own, told over stdin, answering over stdout: a line of JSON each.

It is the same loop for ours and for all others, and runs in their Python: nothing of the project is
imported but by the engine that is ours.
"""

from __future__ import annotations

import json
import os
import sys


def drive(driver: object) -> None:
    """Each method is a verb; what it returns is the answer. Until stdin is closed."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin:
        told = json.loads(line)
        answer = getattr(driver, told.pop("verb"))(**told)
        print(json.dumps(answer), file=answers, flush=True)
