"""Read by every Python that is started under libfaketime by `tests.support.wall_clock`.

Since 3.11 `time.sleep` asks `clock_nanosleep` for a point of the monotonic clock; libfaketime 0.9.10
refuses that with EINVAL when it is told to leave that clock alone.
"""

import select
import time


def sleep(seconds: float) -> None:
    """Wait, by a call that libfaketime hands through."""
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


time.sleep = sleep
