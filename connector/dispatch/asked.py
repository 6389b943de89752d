"""What an examination asks a partner, each thing once: several checks read the same answer."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.namespaces import DSP_CONTEXT
from connector.dispatch import probes
from connector.dispatch.guard import networks_of
from connector.dispatch.peers import root_of
from connector.dispatch.probes import Seen
from connector.dispatch.resolve import Lookup
from connector.dispatch.transport import Answer, client_tls
from connector.dispatch.versions import Versions, discover
from connector.errors import WeftError
from connector.exchange.node import Node
from connector.exchange.process import to_bytes
from connector.identity.members import Member

REQUEST_S = 12.0
ANSWER_LIMIT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer, and when it was asked for and came; or why there is none."""

    answer: Answer | None
    problem: WeftError | None
    sent: datetime
    came: datetime


class Asked:
    """The questions to one partner. Whoever asks again is given the answer of before."""

    def __init__(self, node: Node, participant: str, *, lookup: Lookup | None = None) -> None:
        """`lookup` answers for names in place of the operating system."""
        self.node = node
        self.participant = participant
        self.lookup = lookup
        self.networks = networks_of(node.settings)
        self._shared: dict[str, asyncio.Task[Any]] = {}

    async def close(self) -> None:
        """Give up what has not been answered."""
        for each in self._shared.values():
            each.cancel()
        await asyncio.gather(*self._shared.values(), return_exceptions=True)

    def partner(self) -> Member:
        """Its entry in the member list; raises AuthenticationError not-a-member, VerificationError without a list."""
        return self.node.members.current().member(self.participant)

    async def _once(self, name: str, make: Callable[[], Awaitable[Any]]) -> Any:
        """The one task of this name."""
        if name not in self._shared:
            self._shared[name] = asyncio.ensure_future(make())
        return await asyncio.shield(self._shared[name])

    async def looked_up(self) -> Seen:
        """What the partner's name leads to."""
        found: Seen = await self._once(
            "name", lambda: probes.look_up(self.partner().origin, self.networks, self.lookup)
        )
        return found

    async def connected(self) -> Seen | None:
        """What stands at its address; None when its name leads nowhere."""

        async def connect() -> Seen | None:
            seen = await self.looked_up()
            if not seen.addresses:
                return None
            settings, clock = self.node.settings, self.node.clock
            # Certificates are judged by the machine's own time, whatever a test has done to ours.
            machine = clock.now() - clock.offset
            return await probes.connect(self.partner().origin, seen.addresses, client_tls(settings.tls_ca), machine)

        found: Seen | None = await self._once("connection", connect)
        return found

    async def reached(self) -> bool:
        """Whether something listens there, with a certificate that holds."""
        seen = await self.connected()
        return seen is not None and bool(seen.addresses)

    async def ask(
        self, method: str, url: str, participant: str, *, signed: bool = False, body: bytes | None = None
    ) -> Heard:
        """One request; `signed` with our token."""
        node = self.node
        sent = node.clock.now()
        headers = {"Accept": "application/json"}
        try:
            if signed:
                headers["Authorization"] = await node.identity.authorisation(participant)
            if body is not None:
                headers["Content-Type"] = "application/json"
            answer = await node.transport.request(
                method,
                url,
                participant=participant,
                headers=headers,
                body=body,
                limit_bytes=ANSWER_LIMIT_BYTES,
                timeout_s=min(REQUEST_S, node.settings.send_timeout_s),
            )
        except WeftError as error:
            return Heard(None, error, sent, node.clock.now())
        return Heard(answer, None, sent, node.clock.now())

    async def asked_catalog(self) -> Heard | None:
        """The answer to a catalog request with our token; None when nothing listens there."""

        async def ask() -> Heard | None:
            if not await self.reached():
                return None
            body = to_bytes({"@context": [DSP_CONTEXT], "@type": "CatalogRequestMessage"})
            url = f"{await self._base()}/catalog/request"
            return await self.ask("POST", url, self.participant, signed=True, body=body)

        found: Heard | None = await self._once("catalog", ask)
        return found

    async def _base(self) -> str:
        """Where the protocol is spoken: as its version document says, else as it is listed."""
        with contextlib.suppress(WeftError):
            return (await self.discovered()).base
        return self.partner().dsp

    async def discovered(self) -> Versions:
        """Its version document; raises like `discover`."""
        found: Versions = await self._once("versions", lambda: discover(self.node, self.participant))
        return found

    async def asked_weft(self) -> Heard | None:
        """The answer at `/.well-known/weft`; None when nothing listens there."""

        async def ask() -> Heard | None:
            if not await self.reached():
                return None
            return await self.ask("GET", f"{root_of(self.partner().dsp)}/.well-known/weft", self.participant)

        found: Heard | None = await self._once("weft", ask)
        return found
