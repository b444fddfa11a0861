"""One connection poured into another, at the pace of the slower one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxies.gateway.stream import HIGH

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxies.gateway.stream import Stream


def pour(source: Stream, target: Stream, sink: Callable[[bytes], None]) -> None:
    """From now on `sink` takes what comes from `source`, no faster than `target` can send it."""
    source.sink = sink
    target.source = source
    if source.buffer:
        sink(source.take(len(source.buffer)))
    if target.choked:
        source.hold()
    elif source.sink is not None:
        source.go_on()


def stop_pouring(source: Stream, target: Stream) -> None:
    """What comes from `source` is kept in its buffer again."""
    source.sink = None
    if target.source is source:
        target.source = None
    if len(source.buffer) <= HIGH:
        source.go_on()
