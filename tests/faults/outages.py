"""What can happen to the store of a running daemon, each for as long as a block lasts."""

import contextlib
import subprocess
import sys

from connector.errors import StoreError

HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
held.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
held.execute("ROLLBACK")
held.close()
"""
PLENTY = 2**30
BUSY_MS = 50  # instead of ten seconds: a test does not wait for as long as a daemon does


def pragma(daemon, text):
    return daemon.node.db.transact(lambda tx: tx._connection.execute(f"PRAGMA {text}").fetchall())


@contextlib.asynccontextmanager
async def full(daemon):
    """The disk is full: not one page more, and what is left of the last ones is used up, in every table that messages need."""
    await pragma(daemon, "max_page_count = 1")  # that is: as large as it is
    size = 100_000
    while size > 10:
        try:
            await daemon.node.db.transact(
                lambda tx, size=size: tx._connection.execute(
                    "INSERT INTO fact (name, value) VALUES (hex(randomblob(16)), :value)", {"value": "x" * size}
                )
            )
        except StoreError:
            size //= 2
    with contextlib.suppress(StoreError):
        while True:
            await daemon.node.db.transact(lambda tx: daemon.node.audit.append(tx, "admin.started"))
    try:
        yield
    finally:
        await pragma(daemon, f"max_page_count = {PLENTY}")


@contextlib.asynccontextmanager
async def locked(daemon):
    """Another process holds the write lock of the database."""
    await pragma(daemon, f"busy_timeout = {BUSY_MS}")
    path = daemon.settings.data_dir / "weft.db"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            holder.stdin.close()
            holder.wait()


@contextlib.asynccontextmanager
async def gone(daemon):
    """The file is not where it was: a volume that was unmounted, a hand that slipped."""
    path = daemon.settings.data_dir / "weft.db"
    aside = path.with_name("aside.db")
    path.rename(aside)
    try:
        yield
    finally:
        aside.rename(path)


OUTAGES = {"full": full, "locked": locked, "gone": gone}
