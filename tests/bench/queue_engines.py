"""All queues that can be driven, by name, and in which package each is found."""

from __future__ import annotations

from tests.bench.queue_bare import Bare, BareApsw
from tests.bench.queue_engine import Engine
from tests.bench.queue_others import Huey, LiteQueue, LocalQueue, PersistQueue
from tests.bench.queue_ours import Ours, Redis

ENGINES: dict[str, type[Engine]] = {
    "ours": Ours,
    "litequeue": LiteQueue,
    "huey": Huey,
    "persist-queue": PersistQueue,
    "localqueue": LocalQueue,
    "sqlite3": Bare,
    "apsw": BareApsw,
    "redis": Redis,
}
#: The package that an engine needs; those of None run in our own Python.
MODULES: dict[str, str | None] = {
    name: None if name in {"ours", "sqlite3", "redis"} else name for name in ENGINES
}
