"""The store as a file that is only read: beside a running daemon, or without one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from connector.cli.connect import settings
from connector.cli.exits import UsageError
from connector.cli.shell import Shell
from connector.store.database import Database

FILE = "weft.db"


def path(shell: Shell) -> Path:
    """Where the store of the configured participant is; raises UsageError before the daemon has ever started."""
    found = settings(shell).data_dir / FILE
    if not found.exists():
        raise UsageError(shell.word("no-store", path=found))
    return found


@asynccontextmanager
async def store(shell: Shell) -> AsyncIterator[Database]:
    """The store for `read` alone: it is never opened for writing, and its readers are read-only connections."""
    database = Database(path(shell))
    await database.open_to_read()
    try:
        yield database
    finally:
        await database.close()
