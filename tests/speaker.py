"""A member that speaks the protocol by hand: its own tokens, its own bytes, straight at a daemon's address."""

import io
import json
import uuid
from typing import Any, Self

import aiohttp

from connector.daemon import Daemon
from connector.identity.keys import KeyRing
from connector.identity.tokens import make_token

CONTEXT = ["https://w3id.org/dspace/2025/1/context.jsonld"]


class Speaker:
    """Sends what it is told to as `daemon`'s participant, with that participant's keys, to another daemon."""

    def __init__(self, daemon: Daemon, other: Daemon) -> None:
        self.ring: KeyRing = daemon.node.ring
        self.daemon = daemon
        self.other = other
        self.base = other.node.base
        self.clock = getattr(daemon, "clock", other.clock)  # a stub goes by the clock of the daemon that it speaks to
        self.session = aiohttp.ClientSession()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    def token(self, **changes: Any) -> str:
        """A good token by its own clock, or one with a changed ring, audience, time, jti or lifetime."""
        arguments = {
            "ring": self.ring,
            "audience": self.other.node.participant,
            "now": self.clock.now(),
            "jti": uuid.uuid4().hex,
            "lifetime_s": 300,
        } | changes
        return make_token(**arguments)

    async def send(
        self, path: str, body: Any = None, *, method: str = "POST", token: str | None = None
    ) -> tuple[int, Any]:
        """Status and parsed body; `body` is a document or raw bytes, `token` `""` for no header at all."""
        headers = {} if token == "" else {"Authorization": f"Bearer {token or self.token()}"}
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        data = io.BytesIO(content) if content is not None else None
        url = path if path.startswith("http") else self.base + path
        async with self.session.request(method, url, data=data, headers=headers) as response:
            answer = await response.read()
            return response.status, json.loads(answer) if answer else None


def pid() -> str:
    return f"urn:uuid:{uuid.uuid4()}"


def message(type_: str, **members: Any) -> dict[str, Any]:
    """A protocol message with a fresh @id."""
    return {"@context": CONTEXT, "@type": type_, "@id": pid(), **members}
