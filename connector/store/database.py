"""The store on SQLite: one writer that commits in groups, snapshots for readers beside it.

**A transaction is a plain function of `(tx)`.** It cannot wait for the network, it can be rerun, it needs no event loop.
The writer takes all functions that wait, runs each inside its own savepoint, commits once and then answers all of them with
one wake-up of the event loop: one fsync serves many messages. A function that raises rolls back alone; a commit that fails,
or an error that ends the whole transaction (disk full, input/output), fails the group.

`seal` is run once per group just before the commit: the audit log extends its tree and signs its checkpoint there.
Whoever waits for work subscribes to a topic; `tx.wake(topic)` takes effect after the commit, never before. Who would read at
once then lets the writer look: that saves the way to another thread and back, which costs more than the look.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from connector.errors import StoreError
from connector.store import queries
from connector.store.migrate import migrate

T = TypeVar("T")
Row = sqlite3.Row

# More functions than this in one group would let the first one wait for too long.
GROUP_LIMIT = 256
READERS = 4
CHECKPOINT_PAGES = 4000
CACHE_KIB = 4096
# What file, disk and other processes do to a question; any other error of SQLite is one of ours.
_OUTAGES = tuple(
    f"SQLITE_{name}" for name in ("BUSY", "CANTOPEN", "CORRUPT", "FULL", "IOERR", "LOCKED", "NOMEM", "NOTADB")
)


class Tx:
    """One transaction as its function sees it: named statements, and topics to wake after the commit."""

    __slots__ = ("_connection", "_statements", "woken")

    def __init__(self, connection: sqlite3.Connection, statements: dict[str, str]) -> None:
        self._connection = connection
        self._statements = statements
        self.woken: set[str] = set()

    def run(self, name: str, /, **values: Any) -> int:
        """Execute a named statement; returns the number of rows it changed."""
        return self._connection.execute(self._statements[name], values).rowcount

    def one(self, name: str, /, **values: Any) -> Row | None:
        """First row of a named query, or nothing."""
        found: Row | None = self._connection.execute(self._statements[name], values).fetchone()
        return found

    def all(self, name: str, /, **values: Any) -> list[Row]:
        """All rows of a named query: the query itself states its limit."""
        return self._connection.execute(self._statements[name], values).fetchall()

    def many(self, name: str, rows: Sequence[dict[str, Any]], /) -> None:
        """Execute a named statement once per row."""
        self._connection.executemany(self._statements[name], rows)

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """What is done inside is undone when it raises; what was done before stays. Attempts do not nest."""
        woken = set(self.woken)
        self._connection.execute("SAVEPOINT attempt")
        try:
            yield
        except Exception:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK TO attempt")
                self._connection.execute("RELEASE attempt")
            self.woken = woken
            raise
        self._connection.execute("RELEASE attempt")

    def wake(self, topic: str) -> None:
        """Wake the subscribers of a topic once this is committed."""
        self.woken.add(topic)


class _Job:
    __slots__ = ("error", "future", "result", "work")

    def __init__(self, work: Callable[[Tx], Any], future: "asyncio.Future[Any]") -> None:
        self.work = work
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None


class Database:
    """The store of one participant. Open it inside a running event loop and close it there."""

    def __init__(
        self,
        path: Path,
        *,
        synchronous: str = "FULL",
        seal: Callable[[Tx], None] | None = None,
        max_pages: int | None = None,
    ) -> None:
        """`synchronous` is FULL for everybody but tests; `max_pages` bounds the file, so that tests can fill a disk."""
        self.path = path
        self._synchronous = synchronous
        self._seal = seal
        self._max_pages = max_pages
        self._statements = queries.load()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._subscribers: dict[str, list[Callable[[], None]]] = {}
        self._looks: dict[str, list[tuple[Callable[[Tx], Any], Callable[[Any], None]]]] = {}
        self._questions: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: list[threading.Thread] = []
        self._writes = False
        self._file: tuple[int, int] | None = None
        self.groups = 0
        self.functions = 0

    async def open(self) -> None:
        """Open, migrate and start the writer; raises StoreError when the file is newer or cannot be used."""
        self._loop = asyncio.get_running_loop()
        connection = await self._loop.run_in_executor(None, self._open_writer)
        self._writes = True
        self._start(threading.Thread(target=self._write, args=(connection,), name="weft-write", daemon=True))

    async def open_to_read(self) -> None:
        """Start the readers alone: beside a running daemon, or without one. Nothing is migrated, nothing can be written."""
        self._loop = asyncio.get_running_loop()
        self._start()

    def _start(self, *writer: threading.Thread) -> None:
        readers = [threading.Thread(target=self._serve, name="weft-read", daemon=True) for _ in range(READERS)]
        self._threads = [*writer, *readers]
        for thread in self._threads:
            thread.start()

    async def close(self) -> None:
        """Finish what was handed over and close every connection."""
        threads, self._threads, self._writes = self._threads, [], False
        if threads:
            self._jobs.put(None)
            for _ in range(READERS):
                self._questions.put(None)
        for thread in threads:
            await asyncio.to_thread(thread.join)

    def subscribe(self, topic: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` on the event loop after each commit that woke `topic`; returns how to stop it."""
        self._subscribers.setdefault(topic, []).append(callback)

        def stop() -> None:
            waiting = self._subscribers[topic]
            waiting.remove(callback)
            if not waiting:  # topics are named after processes: they must not pile up
                del self._subscribers[topic]

        return stop

    def watch(self, topic: str, look: Callable[[Tx], T], tell: Callable[[T | None], None]) -> Callable[[], None]:
        """Run `look` in the writer behind each commit that woke `topic`, and `tell` its result on the event loop.

        `look` reads a few rows and changes nothing; when it raises, None is told. Results come in the order of the commits,
        and of the answers of `transact`. Returns how to stop it.
        """
        watcher = (look, tell)
        self._looks.setdefault(topic, []).append(watcher)
        return lambda: self._looks[topic].remove(watcher)

    async def transact(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in a transaction and return its result once it is durable."""
        if not self._writes:
            raise StoreError("database-closed", path=str(self.path))
        # Whoever stops waiting does not undo what the writer has begun: it does not look at the future.
        result: T = await self._handed_to(self._jobs, work)
        return result

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on a snapshot, beside the writer. It must not change anything: the connection is read-only."""
        result: T = await self._handed_to(self._questions, work)
        return result

    def _handed_to(self, waiting: "queue.SimpleQueue[_Job | None]", work: Callable[[Tx], Any]) -> "asyncio.Future[Any]":
        if self._loop is None or not self._threads:
            raise StoreError("database-closed", path=str(self.path))
        job = _Job(work, self._loop.create_future())
        waiting.put(job)
        return job.future

    # -- threads ---------------------------------------------------------------------------------------------------

    def _connect(self, *, read_only: bool) -> sqlite3.Connection:
        mode = "ro" if read_only else "rwc"
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=10,
        )
        connection.row_factory = sqlite3.Row
        return connection

    def _open_writer(self) -> sqlite3.Connection:
        try:
            connection = self._connect(read_only=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute("PRAGMA foreign_keys = ON")
            # What a savepoint may have to undo stays in memory: as a file it costs a create and an unlink per commit.
            connection.execute("PRAGMA temp_store = MEMORY")
            # A checkpoint syncs twice: fewer of them, for a log of 16 MB at most between two. Its pages stay in the cache.
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            if self._max_pages is not None:
                connection.execute(f"PRAGMA max_page_count = {self._max_pages}")
            migrate(connection, str(self.path))
            self._file = self._identity()
        except (sqlite3.Error, OSError) as error:
            raise StoreError("database-unusable", path=str(self.path), cause=str(error)) from error
        return connection

    def _identity(self) -> tuple[int, int]:
        """Which file the path names now; raises OSError when there is none."""
        found = self.path.stat()
        return found.st_dev, found.st_ino

    def _still_there(self) -> None:
        """Raise OSError when the open file has lost its name: what is written to it would be gone with the process."""
        if self._identity() != self._file:
            raise FileExistsError(f"another file has taken the place of {self.path.name}")

    def _serve(self) -> None:
        """One reader: takes questions as they come, each on a snapshot of its own."""
        connection: sqlite3.Connection | None = None
        with contextlib.suppress(sqlite3.Error):  # the first question hears of it
            connection = self._connect(read_only=True)
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # SQLite opens the file no earlier
        while (job := self._questions.get()) is not None:
            try:
                if connection is None:
                    connection = self._connect(read_only=True)
                connection.execute("BEGIN")
                try:
                    job.result = job.work(Tx(connection, self._statements))
                finally:
                    connection.execute("COMMIT")
            except Exception as error:  # noqa: BLE001  it is the answer
                outage = getattr(error, "sqlite_errorname", "").startswith(_OUTAGES)
                job.error = self._failure(error) if outage else error
            self._answer([job])
            del job  # a thread that waits must hold nothing of what it has answered
        if connection is not None:
            connection.close()

    def _write(self, connection: sqlite3.Connection) -> None:
        running = True
        while running:
            group: list[_Job] = []
            job = self._jobs.get()
            while True:
                if job is None:
                    running = False
                    break
                group.append(job)
                if len(group) == GROUP_LIMIT or self._jobs.empty():
                    break
                job = self._jobs.get()
            if group:
                woken = self._commit(connection, group)
                self._answer(group, woken, self._look(connection, woken))
        connection.close()

    def _look(self, connection: sqlite3.Connection, woken: set[str]) -> list[Callable[[], None]]:
        """What the watchers of these topics see now, as calls that tell them."""
        telling: list[Callable[[], None]] = []
        for look, tell in [watcher for topic in woken for watcher in tuple(self._looks.get(topic, ()))]:
            try:
                seen = look(Tx(connection, self._statements))
            except Exception:  # noqa: BLE001  a look that fails must not end the writer: its owner hears that it saw nothing
                seen = None
            telling.append(partial(tell, seen))
        return telling

    def _commit(self, connection: sqlite3.Connection, group: list[_Job]) -> set[str]:
        tx = Tx(connection, self._statements)
        try:
            self._still_there()
            connection.execute("BEGIN IMMEDIATE")
            if len(group) == 1 and not self._run_alone(connection, tx, group[0]):
                return set()
            for job in group if len(group) > 1 else ():
                self._run(connection, tx, job)
            if self._seal is not None:
                self._seal(tx)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  whatever ends the transaction is everybody's answer
            with contextlib.suppress(sqlite3.Error):  # what cannot be undone now is undone before the next group
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            failure = self._failure(error)
            for job in group:
                job.error = failure
            return set()
        self.groups += 1
        self.functions += len(group)
        return tx.woken

    def _told(self, error: Exception) -> Exception:
        """What a function is told of what it raised: the file's trouble as an error of the store, its own as it is."""
        outage = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.IntegrityError)
        return self._failure(error) if outage else error

    def _failure(self, error: Exception) -> StoreError:
        """What the file or the disk did, as an error of the store."""
        failure = StoreError("store-failed", path=str(self.path), cause=str(error))
        failure.__cause__ = error
        return failure

    def _run_alone(self, connection: sqlite3.Connection, tx: Tx, job: _Job) -> bool:
        """Run the only function of a group, which needs no savepoint; False when it raised, and all of it is undone."""
        try:
            job.result = job.work(tx)
        except Exception as error:
            if not connection.in_transaction:
                raise
            connection.execute("ROLLBACK")
            job.error = self._told(error)
            return False
        if not connection.in_transaction:  # what the disk has ended must not go on statement by statement
            raise sqlite3.OperationalError("the transaction has ended")
        return True

    def _run(self, connection: sqlite3.Connection, tx: Tx, job: _Job) -> None:
        before = set(tx.woken)
        connection.execute("SAVEPOINT work")
        try:
            job.result = job.work(tx)
        except Exception as error:
            # Disk full and input/output errors end the whole transaction: nothing can be rolled back alone any more.
            if not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO work")
            connection.execute("RELEASE work")
            job.error = self._told(error)
            tx.woken = before
        else:
            connection.execute("RELEASE work")

    def _answer(
        self, group: list[_Job], woken: Collection[str] = (), telling: Sequence[Callable[[], None]] = ()
    ) -> None:
        def deliver() -> None:
            for job in group:
                if job.future.cancelled():
                    continue
                if job.error is not None:
                    job.future.set_exception(job.error)
                    job.future.exception()  # a waiter that was cancelled leaves no "never retrieved" warning
                else:
                    job.future.set_result(job.result)
            for tell in telling:
                tell()
            for topic in woken:
                for callback in tuple(self._subscribers.get(topic, ())):
                    callback()

        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(deliver)
