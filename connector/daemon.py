"""The composition root: settings in, a running connector out.

Everything is built here, once, by plain constructor arguments; several daemons may live in one process. Order of the start: keys,
store, member list, ways out, listeners, then whatever was left unfinished is taken up. The stop goes the other way and takes at
most ten seconds: what is in flight is finished or left so that the next start resumes it.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import uuid
import weakref
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Self

import structlog
from aiohttp import web

from connector.clock import stamp
from connector.dataplane import pull
from connector.dataplane.content import Contents
from connector.dataplane.intake import Inbox
from connector.dataplane.push import Pusher
from connector.dataplane.receive import Receiver
from connector.dispatch.dispatcher import Dispatcher
from connector.dispatch.guard import Destinations, Guard, OneAddress, networks_of
from connector.dispatch.resolve import Networks
from connector.dispatch.transport import HttpTransport, Transport, client_tls, conditional_get
from connector.dsp import routes as dsp
from connector.dsp.connections import Connections
from connector.dsp.dating import dated
from connector.dsp.httplog import HttpLog
from connector.dsp.limits import Turnstile, open_files
from connector.errors import SettingsError, StoreError, WeftError
from connector.exchange import remedy
from connector.exchange.automate import Automation
from connector.exchange.node import Node, Reactions
from connector.exchange.peer import Peers
from connector.federation.crawler import Crawler, Limits
from connector.federation.fetch import fetcher
from connector.health import Counters
from connector.identity.bearer import hash_key, read_management_key
from connector.identity.identity import Identity
from connector.identity.keys import KeyRing
from connector.identity.members import LIST_LIMIT_BYTES, Member, MemberList
from connector.identity.mock import MockIdentity
from connector.identity.source import Fetch, Fetched, MemberSource
from connector.identity.static import StaticIdentity
from connector.management import app as management
from connector.settings import Settings
from connector.store import catalog, inbox
from connector.store.audit import AuditLog
from connector.store.database import Database, Tx
from contracts.evidence.record import origin_of

_log = structlog.get_logger("weft.daemon")
STOP_S = 8
# What is left of a connection after its last answer: the rest of a buffer, a peer that says goodbye under TLS.
HANG_UP_S = 0.5
# Of the event loop: an accepted connection needs two to reach its handler.
TURNS = 3
SALT_BYTES = 16
HEADERS_MOST = 100
# How long the rest of a request is read that nobody wants: so that its sender reads our answer.
LINGER_S = 2.0
# Replies are kept this long: nobody repeats a message after that.
INBOX_S = 30 * 86400


def new_id() -> str:
    """A fresh identifier for a process, message or agreement."""
    return f"urn:uuid:{uuid.uuid4()}"


class _Port(socket.socket):
    """A listening socket that knows what it accepted.

    Between the system's accept and the handler, and while TLS is being agreed, nobody else does: such a connection would outlive
    the daemon that took it.
    """

    def __init__(self, family: Any, connections: Connections | None) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self._connections = connections
        self.accepted: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def accept(self) -> tuple[socket.socket, Any]:
        connection, address = super().accept()
        if self._connections is not None:
            connection = self._connections.admit(connection, address)
        self.accepted.add(connection)
        return connection, address

    @property
    def left(self) -> list[socket.socket]:
        """Accepted connections that are still open."""
        return [each for each in self.accepted if each.fileno() >= 0]


class Daemon:
    """One participant's connector: `async with Daemon(settings)`, or `open()` and `close()`."""

    def __init__(
        self,
        settings: Settings,
        *,
        transport: Callable[[Guard], Transport] | None = None,
        reactions: Reactions | None = None,
        peers: Peers | None = None,
    ) -> None:
        """Tests replace the way out to hurt it; a conformance run says what follows by itself and how to speak with the kit."""
        self.settings = settings
        self.clock = settings.clock()
        self._make_transport = transport
        self._reactions = reactions or Automation()
        self._peers = peers or Peers(settings.peers)
        self._closing = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[Any]] = []
        self.started = ""
        self.protocol_port = settings.protocol_port
        self.management_port = settings.management_port

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Start everything; raises WeftError and leaves nothing running when something cannot be used."""
        try:
            await self._open()
        except BaseException:
            await self._closing.aclose()
            raise

    async def close(self) -> None:
        """Stop taking up work, finish or leave resumable what is in flight, close the store."""
        await self._closing.aclose()

    async def _open(self) -> None:
        settings = self.settings
        ring = KeyRing.load(settings.keys_dir, settings.participant)
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        audit = AuditLog(
            participant=settings.participant,
            origin=origin_of(settings.participant),
            public_key=ring.public("audit"),
            sign=lambda data: ring.sign("audit", data),
            clock=self.clock.now,
            salt=lambda: os.urandom(SALT_BYTES),
        )
        db = Database(
            settings.data_dir / "weft.db",
            synchronous=settings.test_synchronous,
            seal=audit.seal,
            max_pages=settings.database_max_pages,
        )
        await db.open()
        self._closing.push_async_callback(db.close)
        await db.transact(self._own)
        source = await self._members(db, audit)
        push = Destinations.read(settings.push_destinations)
        guard = Guard(source.current, networks=networks_of(settings), push=push)
        tls = client_tls(settings.tls_ca)
        transport = (
            self._make_transport(guard)
            if self._make_transport
            else HttpTransport(guard.check, tls=tls, networks=guard.networks)
        )
        self._closing.push_async_callback(transport.close)
        self.node = Node(
            participant=settings.participant,
            settings=settings,
            clock=self.clock,
            ring=ring,
            members=source,
            identity=self._identity(ring, source),
            audit=audit,
            db=db,
            transport=transport,
            guard=guard,
            new_id=new_id,
            reactions=self._reactions,
            peers=self._peers,
            counters=Counters(),
        )
        await db.read(self.node.peers.load)
        await self._start_workers()
        await self._listen()
        self.started = stamp(self.clock.now())
        started: dict[str, Any] = {"dsp": settings.dsp}
        if settings.test_mock_identity:
            started["identity"] = "mock"
            _log.warning("identity.insecure", text="whoever says a member's name is believed: for tests only")
        await db.transact(lambda tx: audit.append(tx, "admin.started", details=started))
        _log.info("daemon.ready", participant=settings.participant, dsp=settings.dsp)

    def _identity(self, ring: KeyRing, source: MemberSource) -> Identity:
        settings = self.settings
        if settings.test_mock_identity:
            return MockIdentity(settings.participant, source.current, settings.test_mock_speaker)
        return StaticIdentity(
            ring, source, self.clock, lifetime_s=settings.token_lifetime_s, leeway_s=settings.clock_leeway_s
        )

    def _own(self, tx: Tx) -> None:
        """This store is this participant's; the first management key is known by its hash; old replies are forgotten."""
        settings, now = self.settings, self.clock.now()
        found = tx.one("fact.get", name="participant")
        if found is not None and found["value"] != settings.participant:
            raise StoreError("database-of-another", path=str(settings.data_dir), participant=found["value"])
        tx.run("fact.set", name="participant", value=settings.participant)
        key = read_management_key(settings.management_key)
        tx.run("fact.add_key", hash=hash_key(key), label="first", created=stamp(now))
        inbox.prune(tx, now, INBOX_S)
        catalog.renew_terms(tx)

    async def _members(self, db: Database, audit: AuditLog) -> MemberSource:
        """The member list: the highest number ever accepted is durable before a list is in force."""
        settings = self.settings
        fetch: Fetch | None = None
        if settings.members.startswith(("http://", "https://")):
            transport = HttpTransport(
                OneAddress(settings.members).check,
                tls=client_tls(settings.tls_ca),
                networks=Networks.everything(),  # our own operator wrote this address down
            )
            self._closing.push_async_callback(transport.close)

            async def conditional(tag: str | None) -> Fetched:
                return await conditional_get(
                    transport,
                    settings.members,
                    tag,
                    limit_bytes=LIST_LIMIT_BYTES,
                    timeout_s=settings.send_timeout_s,
                )

            fetch = conditional

        async def accepted(members: MemberList, _data: bytes) -> None:
            def work(tx: Tx) -> None:
                tx.run("fact.set", name="members_seq", value=str(members.seq))
                details: dict[str, Any] = {
                    "seq": members.seq,
                    "digest": members.digest,
                    "members": len(members.members),
                }
                audit.append(tx, "admin.members-accepted", details=details)
                tx.wake("members")

            await db.transact(work)
            _log.info("members.accepted", seq=members.seq, members=len(members.members))

        async def refused(error: WeftError) -> None:
            facts = {name: str(value) for name, value in error.facts.items()}
            await db.transact(
                lambda tx: audit.append(tx, "admin.members-refused", reason=error.code, details={"facts": facts})
            )
            _log.error("members.refused", code=error.code, **facts)

        row = await db.read(lambda tx: tx.one("fact.get", name="members_seq"))
        source = MemberSource(
            settings.members,
            settings.space_key,
            clock=self.clock,
            fetch=fetch,
            interval_s=settings.members_interval_s,
            known_seq=int(row["value"]) if row else 0,
            on_accepted=accepted,
            on_refused=refused,
        )
        try:
            await source.reload()
        except WeftError as error:
            # Without a list nobody can be known: we serve, refuse everybody, and take up a good list when it comes.
            await refused(error)
        self._task(source.watch, "weft-members")
        return source

    async def _start_workers(self) -> None:
        self.dispatcher = Dispatcher(self.node)
        self.dispatcher.open()
        self._closing.push_async_callback(self.dispatcher.close)
        self.receiver = Receiver(self.node)
        self._closing.push_async_callback(self.receiver.close)
        await self.receiver.resume_all()
        self.contents = Contents(self.node)
        self.pusher = Pusher(self.node, self.contents)
        self.pusher.open()
        self._closing.push_async_callback(self.pusher.close)
        self.crawler = Crawler(
            self.node.db,
            self.clock,
            fetcher(self.node),
            self._others,
            Limits(interval_s=self.settings.crawl_interval_s, timeout_s=self.settings.crawl_timeout_s),
            lambda tx, participant: remedy.look(tx, self.node, participant),
        )
        self.node.heard.append(self.crawler.heard_from)
        self._task(self._crawl, "weft-crawl")

    def _others(self) -> list[Member]:
        """The members whose catalogs we read: all but ourselves, none while no list is in force."""
        try:
            members = self.node.members.current().members.values()
        except WeftError:
            return []
        return [member for member in members if member.participant_id != self.node.participant]

    async def _crawl(self) -> None:
        """Keep the index fresh, and follow every new member list."""
        changed = asyncio.Event()
        stop = self.node.db.subscribe("members", changed.set)
        try:
            while True:
                changed.clear()
                await self.crawler.members_changed()
                await changed.wait()
        finally:
            stop()
            await self.crawler.close()

    async def _listen(self) -> None:
        settings = self.settings
        turnstile = Turnstile(settings, self.clock.monotonic, self.node.counters, open_files())
        protocol = web.Application(client_max_size=settings.message_limit_bytes, middlewares=[turnstile.middleware])
        protocol.add_routes([*dsp.routes(self.node), *pull.routes(self.node, self.contents)])
        Inbox(self.node, self.receiver).serve(protocol)
        if self.clock.offset:
            protocol.on_response_prepare.append(dated(self.clock))
        # The protocol side comes last: whoever asks it for our health and gets an answer finds the other side, too.
        self.management_port = await self._serve(management.application(self), "management")
        self.protocol_port = await self._serve(protocol, "protocol", turnstile.connections)

    async def _serve(self, app: web.Application, side: str, connections: Connections | None = None) -> int:
        """Bind one listener; returns its port. Raises SettingsError `port-taken` and `tls-unusable`.

        `connections` bounds how many it accepts.
        """
        settings = self.settings
        prefix = "" if side == "protocol" else "management_"
        host, port = getattr(settings, f"{side}_host"), getattr(settings, f"{side}_port")
        cert, key = getattr(settings, f"{prefix}tls_cert"), getattr(settings, f"{prefix}tls_key")
        context = None
        if cert is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            try:
                context.load_cert_chain(cert, key)
            except (OSError, ssl.SSLError) as error:
                name = f"{prefix}tls_cert"
                raise SettingsError("tls-unusable", name=name, path=str(cert), problem=str(error)) from error
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=HttpLog(self.node.counters),
            handle_signals=False,
            shutdown_timeout=STOP_S / 2,
            # Also the time for the headers of a request: until they are whole, a connection counts as resting.
            keepalive_timeout=settings.idle_timeout_s,
            max_headers=HEADERS_MOST,
            lingering_time=LINGER_S,
            auto_decompress=False,  # what is counted is what came over the wire
        )
        await runner.setup()
        ports: list[_Port] = []
        self._closing.push_async_callback(_shut, runner, ports)
        try:
            for where in await _addresses(host, port):
                ports.append(_bound(*where, connections))
                await web.SockSite(runner, ports[-1], ssl_context=context).start()
        except OSError as error:
            raise SettingsError("port-taken", host=host, port=port, problem=error.strerror or str(error)) from error
        bound: int = runner.addresses[0][1]
        return bound

    def _task(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Run what never ends until the stop; what an outage of the store ends is begun anew."""

        async def keep() -> None:
            while True:
                try:
                    await work()
                except StoreError as error:
                    _log.error("task.interrupted", task=name, problem=str(error))
                await asyncio.sleep(self.settings.retry_first_s)

        task = asyncio.create_task(keep(), name=name)

        async def stop() -> None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        self._closing.push_async_callback(stop)


async def _addresses(host: str, port: int) -> list[tuple[Any, Any]]:
    """Where a listener of this name listens: family and address of each, without repeats."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bound(family: Any, address: Any, connections: Connections | None) -> _Port:
    """A socket at an address, not yet listening; raises OSError and leaves none."""
    port = _Port(family, connections)
    try:
        if os.name == "posix":
            port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            port.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        port.bind(address)
    except OSError:
        port.close()
        raise
    return port


async def _shut(runner: web.AppRunner, ports: Sequence[_Port]) -> None:
    """Accept nothing more, let what is answered be answered, and leave no connection behind, in whatever state it is."""
    for port in ports:
        # Before the server is shut: asyncio drops what it accepts for a server that is shut meanwhile, and leaves it open.
        asyncio.get_running_loop().remove_reader(port)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    await runner.cleanup()
    for port in ports:
        port.close()
    if not await _none_left(ports):
        for connection in [each for port in ports for each in port.left]:
            with contextlib.suppress(OSError):  # its transport reads the end of the stream, and closes
                connection.shutdown(socket.SHUT_RDWR)
        await _none_left(ports)


async def _none_left(ports: Sequence[_Port]) -> bool:
    """Whether all connections have come to their end within a moment."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(HANG_UP_S):
            while any(port.left for port in ports):  # noqa: ASYNC110  a socket that is closed tells nobody
                await asyncio.sleep(0.005)
    return not any(port.left for port in ports)
