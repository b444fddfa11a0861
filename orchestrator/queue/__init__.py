"""The work queue: leased, heart-beaten, acked, retried.

For people who embed it: `open_queue`, `WorkQueue`, `Runner`, `RunnerConfig`, `Worker`, `KeyedLimiter`,
`host_key`, `TokenBucket`, and what pipelines take and return.
"""

from __future__ import annotations

from orchestrator.core.lazy import lazily

_PLACES = {
    "Done": "pipeline",
    "Failure": "pipeline",
    "KeyedLimiter": "limiter",
    "LeaseLost": "token",
    "Limits": "model",
    "NewJob": "model",
    "OnConflict": "model",
    "Pipelines": "pipeline",
    "QueueState": "model",
    "Retry": "pipeline",
    "RetryPolicy": "retry",
    "Runner": "runner",
    "RunnerConfig": "config",
    "Skip": "pipeline",
    "Task": "pipeline",
    "TokenBucket": "bucket",
    "WorkQueue": "work",
    "Worker": "worker",
    "host_key": "host",
    "open_queue": "open",
}

__all__ = list(_PLACES)
__getattr__ = lazily(__name__, _PLACES)
