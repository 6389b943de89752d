"""A member whose connector is not ours: listed with any base, answered for by a function, in a space with one real daemon."""

import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web

from connector.authority import space
from connector.daemon import Daemon
from connector.identity.setup import initialise
from tests.pair import did, free_ports, settings

STUB, OURS = did("p-stub"), did("p-ours")
_SINCE = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Stub:
    """Answers by `answer(request)`; `asked` lists method and path with query."""

    root: str
    answer: object = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    seen: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def handle(self, request):
        self.asked.append((request.method, request.raw_path))
        self.seen.append({name.lower(): value for name, value in request.headers.items()})
        self.bodies.append(await request.read())
        return self.answer(request) if self.answer is not None else web.Response(status=404)


@contextlib.asynccontextmanager
async def beside_a_stub(root, *, base="/dsp/2025-1", answer=None, **changes):
    """(our daemon, the stub); `base` is the path of the stub in the member list."""
    ports = free_ports(4)
    key = space.create_space(root / "space", "test-space")
    origin = f"http://127.0.0.1:{ports[0]}"
    for name, protocol, management, dsp in (
        ("p-stub", ports[0], ports[1], origin + base),
        ("p-ours", ports[2], ports[3], f"http://127.0.0.1:{ports[2]}/dsp/2025-1"),
    ):
        member = initialise(
            root / name,
            participant=did(name),
            names={"zh": name, "en": name},
            region="CN-32",
            dsp=dsp,
            space_key=key,
            members=str(root / "space" / "members.json"),
            now=_SINCE,
            protocol_port=protocol,
            management_port=management,
        )
        space.add_member(root / "space", member.read_bytes(), _SINCE)
    space.sign(root / "space", "P3650D", _SINCE)
    stub = Stub(origin, answer)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stub.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", ports[0]).start()
        async with Daemon(settings(root, "p-ours", **changes)) as daemon:
            yield daemon, stub
    finally:
        await runner.cleanup()
