"""Waiting for commits instead of looking again and again."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from connector.store.database import Database


@contextmanager
def watch(db: Database, topic: str) -> Iterator[asyncio.Event]:
    """An event that is set by each commit that wakes the topic, while the block runs."""
    event = asyncio.Event()
    stop = db.subscribe(topic, event.set)
    try:
        yield event
    finally:
        stop()
