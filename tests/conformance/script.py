"""One script of the kit, step by step: the kit's own side of a negotiation or transfer, and what it demands of ours.

The kit's state changes only when the connector has acknowledged (what it sends) or when a handler has taken a message (what it
receives). A `wait` first waits for the oldest message that was expected, then looks every 100 ms whether the state is there. Nothing
waits longer than the given time.

Where the kit is lax the double is not: it knows a process by both pids (the kit by its own), and it checks every message by its
schema (the kit not the suspension, completion and termination of a transfer).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from tests.conformance import bodies
from tests.conformance.bodies import NEGOTIATION, TRANSFER, Facts, acknowledgement, fresh
from tests.conformance.callbacks import Callbacks
from tests.conformance.client import Caller, FailedError
from tests.conformance.reading import document
from tests.conformance.tables import (
    BECOMES,
    NEGOTIATION_PATHS,
    SILENT,
    SILENT_TERMINATION,
    TAKEN_IN,
    TRANSFER_PATHS,
    TYPES,
)

STEP_S = 0.1


class UnderTest(Protocol):
    """Where the connector under test is, and who it is."""

    dsp: str
    root: str
    negotiation_webhook: str
    transfer_webhook: str
    agent: str
    authorization: str


class Player:
    """Plays one scenario of negotiation or transfer."""

    def __init__(
        self, scenario: Mapping[str, Any], under_test: UnderTest, caller: Caller, callbacks: Callbacks, wait_s: float
    ) -> None:
        self.id: str = scenario["id"]
        self.negotiates = self.id.startswith("CN")
        self.consumes = scenario["role"] == "consumer"  # the connector does; the kit is its provider
        self.script: list[str] = scenario["script"]
        self.under_test, self.caller, self.callbacks, self.wait_s = under_test, caller, callbacks, wait_s
        self.paths = NEGOTIATION_PATHS if self.negotiates else TRANSFER_PATHS
        self.process = "ContractNegotiation" if self.negotiates else "TransferProcess"
        self.kit_pid, self.peer_pid = fresh(), ""
        self.base = under_test.dsp
        self.state = ""
        self.follows = ""  # the step before this one
        self.expected: deque[tuple[str, asyncio.Event]] = deque()
        self.named = {name: scenario.get(name, "") for name in ("dataset", "offer", "agreement", "format")}

    async def play(self) -> None:
        """Raises FailedError with the step and the reason."""
        for number, step in enumerate(self.script, 1):
            self.follows = self.script[number - 2] if number > 1 else ""
            verb, _, object_ = step.partition(" ")
            try:
                await _STEPS[verb](self, object_)
            except FailedError as error:
                seen = "".join(f"; {note}" for note in self.callbacks.told())
                raise FailedError(f'step {number}, "{step}": {error}{seen}') from error

    @property
    def facts(self) -> Facts:
        consumer, provider = (self.peer_pid, self.kit_pid) if self.consumes else (self.kit_pid, self.peer_pid)
        return Facts(self.callbacks.address, self.under_test.agent, consumer, provider, **self.named)

    # -- steps ---------------------------------------------------------------------------------------------------------

    async def expect(self, message: str) -> None:
        if self.negotiates and self.follows.startswith("wait"):
            await asyncio.sleep(STEP_S)
        arrived = asyncio.Event()
        self.expected.append((message, arrived))
        stays = self.negotiates and message in {"offer", "termination"}

        def handler(body: bytes) -> tuple[int, Mapping[str, Any] | None]:
            status, answer = self.taken(message, body)
            if status == 200:
                arrived.set()
            return status, answer

        self.callbacks.register(self.paths[message], handler, stays=stays)

    async def send(self, what: str) -> None:
        message = what.replace(" refused", "")
        if self.negotiates and (message == "termination" or (message == "verification" and not self.consumes)):
            await asyncio.sleep(STEP_S)
        said = (NEGOTIATION if self.negotiates else TRANSFER)[message](self.facts)
        url = self.base + self.paths[message].replace("{pid}", self.peer_pid)
        if what != message:
            await self.caller.refused(url, said)
            return
        answer = await self.caller.accepted(url, said)
        if message == "request":
            self.acknowledged(answer)
        self.state = BECOMES[message]

    async def wait(self, state: str) -> None:
        if self.expected:
            message, arrived = self.expected.popleft()
            try:
                await asyncio.wait_for(arrived.wait(), self.wait_s)
            except TimeoutError:
                raise FailedError(f"no {message} that the kit could take came in {self.wait_s} s") from None
        await self._until(self._reached, state)

    async def get(self, state: str) -> None:
        if not self.negotiates:
            await self._until(self._served, state)
            return
        await asyncio.sleep(STEP_S)
        found = await self._served()
        if found != state:
            raise FailedError(f"the connector is in {found}")

    async def webhook(self, protocol: str) -> None:
        named = {name: self.named[name] for name in ("agreement", "format")}
        if protocol == "negotiation":
            url = self.under_test.negotiation_webhook
            body = {"offerId": self.named["offer"], "datasetId": self.named["dataset"]}
        else:
            url = self.under_test.transfer_webhook
            body = {"agreementId": named["agreement"], "format": named["format"]}
        asked = {"providerId": bodies.KIT, **body, "connectorAddress": self.callbacks.address}
        await self.caller.accepted(url, asked)

    async def pause(self, _: str) -> None:
        await asyncio.sleep(STEP_S)

    # -- the kit's own side --------------------------------------------------------------------------------------------

    async def _until(self, look: Callable[[], Awaitable[str]], state: str) -> None:
        """Look every 100 ms, the first time after 100 ms."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.wait_s
        while loop.time() < end:
            await asyncio.sleep(STEP_S)
            found = await look()
            if found == state:
                return
        raise FailedError(f"still {found or 'no state'} after {self.wait_s} s")

    async def _reached(self) -> str:
        return self.state

    async def _served(self) -> str:
        place = "negotiations" if self.negotiates else "transfers"
        found = document(await self.caller.got(f"{self.base}/{place}/{self.peer_pid}"), self.process)
        self._same_pids(found)
        return str(found["state"])

    def acknowledged(self, answer: bytes) -> None:
        """The connector's answer to the first request tells its pid."""
        found = document(answer, self.process)
        if (found["consumerPid"], found["state"]) != (self.kit_pid, "REQUESTED"):
            raise FailedError(f"acknowledged with consumerPid {found['consumerPid']} in {found['state']}")
        self.peer_pid = found["providerPid"]

    def taken(self, message: str, body: bytes) -> tuple[int, Mapping[str, Any] | None]:
        """What a handler does with a message: status and answer. Raises FailedError where the kit drops the connection."""
        found = document(body, TYPES[self.negotiates][message])
        if message == "request":
            self._opened(found)
        else:
            self._same_pids(found)
            self._meant(message, found)
            if self.state not in TAKEN_IN[message]:
                if self.negotiates or message == "termination":
                    raise FailedError(f"a {message} came while the kit's side was in {self.state or 'no state'}")
                return 409, bodies.enveloped("TransferError", **self.facts.pids, code="409")
        self.state = BECOMES[message]
        if message in SILENT or (message == "termination" and self.id in SILENT_TERMINATION):
            return 200, None
        return 200, acknowledgement(self.process, self.facts, self.state)

    def _opened(self, found: Mapping[str, Any]) -> None:
        """The connector's first request: the kit knows by the offer or the agreement which of its objects is meant."""
        if "providerPid" in found:
            raise FailedError("the first request names a providerPid")
        known, named = (
            (self.named["offer"], found["offer"]["@id"])
            if self.negotiates
            else (self.named["agreement"], found["agreementId"])
        )
        if named != known:
            raise FailedError(f"the request is about {named}, not about {known}")
        self.peer_pid, self.base = found["consumerPid"], found["callbackAddress"]

    def _same_pids(self, found: Mapping[str, Any]) -> None:
        for member, pid in self.facts.pids.items():
            if found[member] != pid:
                raise FailedError(
                    f"{found['@type']} names {member} {found[member]}, not {pid or 'one that the kit knows'}"
                )

    def _meant(self, message: str, found: Mapping[str, Any]) -> None:
        wanted = {"accepted": "ACCEPTED", "finalized": "FINALIZED"}.get(message)
        if wanted and found["eventType"] != wanted:
            raise FailedError(f"an event {found['eventType']} came instead of {wanted}")


_STEPS: dict[str, Callable[[Player, str], Awaitable[None]]] = {
    "expect": Player.expect,
    "send": Player.send,
    "wait": Player.wait,
    "get": Player.get,
    "webhook": Player.webhook,
    "pause": Player.pause,
}
