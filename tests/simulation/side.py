"""One side: the product's own connector without sockets and threads, on a database that outlives it, in as many lives as it takes.

A life is what the composition root builds: node, dispatcher, receiver, handlers. It dies between two instructions: at a commit,
before which nothing of it is durable or after which everything is, or at any other moment. Then nothing of it runs any more.
"""

import asyncio
import contextvars
import re
import sqlite3
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson

from connector.clock import micros, moment
from connector.dataplane.content import Content, Wanted
from connector.dataplane.fetch import Fetch
from connector.dataplane.pull import Pull
from connector.dataplane.receive import Receiver
from connector.dataplane.remote import Remote
from connector.dataplane.sealed import read_manifest
from connector.dispatch.dispatcher import Dispatcher
from connector.dispatch.guard import Guard
from connector.dsp import routes as dsp
from connector.errors import AuthenticationError, RefusedError, StoreError
from connector.exchange.automate import Automation
from connector.exchange.node import Node
from connector.exchange.process import PROTOCOLS
from connector.identity.source import MemberSource
from connector.identity.tokens import LEEWAY_S, Speaker, Times
from connector.store import inbox, queries
from connector.store.audit import AuditLog
from connector.store.database import Database, Tx, _Job
from contracts.evidence.manifest import Manifest
from contracts.evidence.merkle import Frontier
from contracts.evidence.record import origin_of
from tests.simulation.founding import CONTENT, LEAF, ROWS, found, sign
from tests.simulation.world import Request, Served, SimulatedClock, SimulatedTransport, World

LIFE: "contextvars.ContextVar[Life | None]" = contextvars.ContextVar("life", default=None)
INBOX_S = 30 * 86400
MOMENT_S = 0.001


class Crash(BaseException):
    """The machine dies in the middle of a commit that has not happened."""


class Store(Database):
    """The product's store with its writer's thread unrolled: same groups, same savepoints, same commit, same wake-ups."""

    def __init__(self, side: "Side", life: "Life") -> None:
        super().__init__(life.settings.data_dir, seal=self._sealed)
        self._side = side
        self._life = life
        self._connection = side.disk
        self._waiting: list[_Job] = []
        self._loop = side.world.loop
        self._dies = ""

    async def transact(self, work: Callable[[Tx], Any]) -> Any:
        self._alive()
        world = self._side.world
        job = _Job(work, world.loop.create_future())
        if not self._waiting:
            if world.draw(world.weather.commit_delay):
                world.loop.call_later(world.luck.random() * 0.05, self._flush)
            else:
                world.loop.call_soon(self._flush)
        self._waiting.append(job)
        return await job.future

    async def read(self, work: Callable[[Tx], Any]) -> Any:
        """On a snapshot, told a moment later: meanwhile the writer may have gone on."""
        self._alive()
        job = _Job(work, self._side.world.loop.create_future())
        try:
            job.result = work(Tx(self._connection, self._statements))
        except Exception as error:  # noqa: BLE001  it is the answer
            job.error = error
        self._answer([job])
        return await job.future

    def _alive(self) -> None:
        if self._life.dead:
            raise StoreError("database-closed", path="-")

    def _flush(self) -> None:
        if self._life.dead:
            return
        group, self._waiting = self._waiting, []
        self._dies = self._side.dies_at_commit()
        try:
            woken = self._commit(self._connection, group)
        except Crash:
            self._connection.execute("ROLLBACK")
            self._side.crash("before a commit")
            return
        if self._dies:
            self._side.crash("after a commit")
            return
        self._side.committed()
        self._answer(group, woken, self._look(self._connection, woken))

    def _still_there(self) -> None:
        """A database in memory has no file that could be taken away."""

    def _sealed(self, tx: Tx) -> None:
        self._life.audit.seal(tx)
        if self._dies == "before":
            raise Crash


class Identity:
    """Tokens without cryptography: who speaks, when it was made, and used once; the times are checked as the product does."""

    def __init__(self, side: "Side") -> None:
        self._side = side

    async def authorisation(self, audience: str) -> str:
        made = round(self._side.clock.now().timestamp(), 6)
        return f"Bearer sim {self._side.did} {audience} {self._side.new_id()} {made}"

    async def speaker(self, header: str | None) -> Speaker:
        parts = (header or "").split(" ")
        if len(parts) != 6 or parts[1] != "sim" or parts[3] != self._side.did:
            raise AuthenticationError("token-malformed", problem="no token of this world")
        _, _, participant, _, jti, made = parts
        times = Times(float(made), float(made) + self._side.settings.token_lifetime_s, None)
        times.check(self._side.clock.now(), LEEWAY_S)
        return Speaker(participant, "-", jti, _instant(times.exp + LEEWAY_S), _instant(times.iat))


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class Contents:
    """One small table behind every dataset, without a file."""

    class Leaves:
        """Its only leaf."""

        async def of_root(self, _root: str) -> bytes:
            return LEAF

    kept_leaves = Leaves()

    @asynccontextmanager
    async def open(self, wanted: Wanted) -> Any:
        yield Content(wanted, None, len(CONTENT), sha256(CONTENT).hexdigest(), ROWS)  # type: ignore[arg-type]

    async def leaves(self, _content: Content) -> bytes:
        return LEAF


class Part:
    """A delivery that has arrived and been verified."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.tree = Frontier().extend([LEAF])
        self.rows = ROWS
        self.verified = manifest.size

    def close(self) -> None:
        """Nothing to close."""

    discard = close


class Fetching(Fetch):
    """A delivery whose bytes need some time and cannot be wrong: manifest, receipt and settlement are the product's."""

    async def _fetch(self, transfer: Any, agreement: Any) -> None:
        remote = Remote(self._node, transfer, self._delivery.columns)
        answer = await remote.small("/manifest")
        if answer.status != 200:
            raise RefusedError("data-address-missing", pid=transfer.pid)
        manifest, signed = read_manifest(self._node, transfer, agreement, self._delivery.columns, answer.body)
        await self._accept(manifest, signed)
        await asyncio.sleep(0.05)
        part = Part(manifest)
        self._heard(part.verified)
        self._delivery = await self._acknowledger.final(part)  # type: ignore[arg-type]


class Life:
    """One connector from its start to its end."""

    def __init__(self, side: "Side") -> None:
        founded = found()[side.name]
        self.side = side
        self.dead = False
        self.tasks: list[asyncio.Task[Any]] = []
        self.settings = founded.settings
        self.context = contextvars.copy_context()
        self.context.run(LIFE.set, self)
        self.audit = AuditLog(
            participant=founded.did,
            origin=origin_of(founded.did),
            public_key=founded.ring.public("audit"),
            sign=sign,
            clock=side.clock.now,
            salt=lambda: side.new_id().encode(),
        )
        source = MemberSource("members.json", self.settings.space_key, clock=side.clock)
        source._current = founded.members
        guard = Guard(source.current)
        self.transport = SimulatedTransport(side.world, side.name, guard, side.leaves)
        self.store = Store(side, self)
        self.node = Node(
            participant=founded.did,
            settings=self.settings,
            clock=side.clock,
            ring=founded.ring,
            members=source,
            identity=Identity(side),
            audit=self.audit,
            db=self.store,
            transport=self.transport,
            guard=guard,
            new_id=side.new_id,
            reactions=Automation(),
            plans=founded.plans,
        )
        pull = Pull(self.node, Contents())  # type: ignore[arg-type]
        self.handlers = [route.handler for route in dsp.routes(self.node)]
        self.handlers += [pull.answered(handler) for handler in (pull.manifest, pull.receipts, pull.token)]
        learn_routes(self.node)
        self.spawn(self._open())

    async def _open(self) -> None:
        """As the composition root does: old replies are forgotten, then whatever was left is taken up."""
        node, side = self.node, self.side
        await node.db.transact(lambda tx: inbox.prune(tx, side.clock.now(), INBOX_S))
        await node.db.read(node.peers.load)
        self.dispatcher = Dispatcher(node)
        self.dispatcher._jitter = side.luck
        self.dispatcher.open()
        self.receiver = Receiver(node)
        await self.receiver.resume_all()
        await node.db.transact(lambda tx: self.audit.append(tx, "admin.started", details={"dsp": self.settings.dsp}))
        side.up = True

    def spawn(self, work: Any) -> "asyncio.Task[Any]":
        """Run something as a part of this life."""
        return self.context.copy().run(self.side.world.loop.create_task, work)

    def die(self) -> None:
        """Nothing of this life does anything any more."""
        self.dead = self.transport.dead = True
        for task in self.tasks:
            if not task.done():
                task.cancel()


class Side:
    """A member's machine: its disk, its clock, its lives."""

    def __init__(self, world: World, name: str, disk: sqlite3.Connection) -> None:
        self.world = world
        self.name = name
        self.did = found()[name].did
        self.disk = disk
        self.settings = found()[name].settings
        self.clock = SimulatedClock(world.loop)
        self.luck = world.luck
        self.up = False
        self.life: Life | None = None
        self.last: Life | None = None
        self.crashes: dict[int, str] = {}  # by the number of a commit
        self.lives = 0
        self.tasks: list[asyncio.Task[Any]] = []  # of all lives
        self._commits = 0
        self._ids = 0
        self._number = "ab".index(name) + 1

    def new_id(self) -> str:
        self._ids += 1
        return f"urn:uuid:0000000{self._number}-0000-4000-8000-{self._ids:012x}"

    # -- life and death ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.world.tell(self.name, "starts")
        self.lives += 1
        self.life = self.last = Life(self)

    def dies_at_commit(self) -> str:
        """Whether the commit that is about to happen is the last of this life."""
        self._commits += 1
        return "" if self.world.calm else self.crashes.pop(self._commits, "")

    def crash(self, when: str) -> None:
        """Die now, and come back later."""
        if self.life is None:
            return
        self.world.tell(self.name, f"dies {when}")
        self.up = False
        self.life.die()
        self.life = None
        self.world.loop.call_later(self.world.luck.random() * 60, self.start)

    def committed(self) -> None:
        """A commit is durable."""

    # -- asked by the world ------------------------------------------------------------------------------------------

    def serve(self, request: Request, done: Callable[[Served | None], None]) -> None:
        """Give a request to the handler of its address; a life that ends meanwhile gives no answer."""
        life = self.life
        if life is None:
            done(None)
            return
        matched = match(request.method, request.path)
        if matched is None:
            done((404, b"", {}))
            return
        number, request = (
            matched[0],
            Request(request.method, request.path, request.headers, request.body, matched[1], request.query),
        )
        task = life.spawn(life.handlers[number](request))

        def finished(task: "asyncio.Task[Any]") -> None:
            if task.cancelled() or life.dead:
                done(None)
            elif (error := task.exception()) is not None:
                self.world.breaks(f"{self.name}: a handler failed: {error!r} at {request.method} {request.path}")
                done((500, b"", {}))
            else:
                answer = task.result()
                done(
                    (answer.status, answer.body or b"", {name.lower(): value for name, value in answer.headers.items()})
                )

        task.add_done_callback(finished)

    def leaves(self, method: str, url: str, body: bytes) -> None:
        """A request leaves: after the termination of its process nothing may but the termination itself."""
        if method != "POST" or not body or "@type" not in (said := orjson.loads(body)):
            return
        self.world.tell(self.name, f"says {said['@type']} {str(said['@id'])[-6:]} to {url.rpartition('2025-1/')[2]}")
        if said["@type"].endswith("TerminationMessage"):
            return
        mine = [said.get(name) for name in ("consumerPid", "providerPid")]
        for protocol in PROTOCOLS.values():
            for pid in mine:
                process = (
                    protocol.get(self.tx(), pid) if pid and protocol.state(self.tx(), pid) == "TERMINATED" else None
                )
                if process is not None and self._since(process.updated) > MOMENT_S:
                    self.world.breaks(f"{self.name} said {said['@type']} after its process {pid} was terminated")
                ending = self.rows(
                    "SELECT created_us FROM outbox WHERE process = ? AND trigger_name = 'termination'", pid
                )
                if ending and abs(micros(self.clock.now()) - ending[0]["created_us"]) / 1e6 > MOMENT_S:
                    self.world.breaks(f"{self.name} said {said['@type']} although it is ending {pid}")

    def _since(self, updated: str) -> float:
        """Seconds since a row was written. What was on its way to the wire at that very moment is not called back."""
        return abs((self.clock.now() - moment(updated)).total_seconds())

    # -- looked at from outside --------------------------------------------------------------------------------------

    def tx(self) -> Tx:
        return Tx(self.disk, _STATEMENTS)

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        return self.disk.execute(sql, values).fetchall()

    @property
    def waiting(self) -> int:
        """Messages in the outbox."""
        return int(self.rows("SELECT count(*) FROM outbox")[0][0])


# -- addresses ---------------------------------------------------------------------------------------------------------

_ROUTES: dict[tuple[str, int], list[tuple[re.Pattern[str], int]]] = {}
_STATEMENTS: dict[str, str] = {}


def learn_routes(node: Node) -> None:
    """The table of addresses, once: it is the same for every node."""
    if _ROUTES:
        return
    _STATEMENTS.update(queries.load())
    listed = [(route.method, route.path) for route in dsp.routes(node)]
    listed += [("GET", "/data/{pid}/manifest"), ("POST", "/data/{pid}/receipts"), ("POST", "/data/{pid}/token")]
    for number, (method, path) in enumerate(listed):
        pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)) + "$")
        _ROUTES.setdefault((method, path.count("/")), []).append((pattern, number))


def match(method: str, path: str) -> tuple[int, dict[str, str]] | None:
    """The number of the handler for an address, and the parts of the address that it names."""
    for pattern, number in _ROUTES.get((method, path.count("/")), ()):
        if found_ := pattern.match(path):
            return number, found_.groupdict()
    return None
