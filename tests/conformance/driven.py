"""Weft under test, driven into any state by the kit's own steps, for tests of what the kit does not test."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.conformance.bodies import NEGOTIATION, TRANSFER
from tests.conformance.callbacks import Callbacks
from tests.conformance.client import Caller
from tests.conformance.connector import ConnectorUnderTest, connector_under_test
from tests.conformance.script import Player
from tests.conformance.tables import NEGOTIATION_PATHS, TRANSFER_PATHS
from tests.dspschema import validate
from tests.pair import free_ports

WAIT_S = 10
PROCESSES = {
    True: "negotiation/contract-negotiation-schema.json",
    False: "transfer/transfer-process-schema.json",
}
ERRORS = {
    True: "negotiation/contract-negotiation-error-schema.json",
    False: "transfer/transfer-error-schema.json",
}


@dataclass
class Driven:
    """The connector, and the kit as somebody who says what a test wants."""

    under_test: ConnectorUnderTest
    callbacks: Callbacks
    caller: Caller
    session: aiohttp.ClientSession

    def player(self, test: str, script: str, **about: str) -> Player:
        """A process that has not begun: the kit's side of test `CN`, `CN_C`, `TP` or `TP_C`; steps are separated by commas."""
        role = "consumer" if test.endswith("_C") else "provider"
        steps = [step.strip() for step in script.split(",")]
        scenario = {"id": f"{test}:beyond", "role": role, "script": steps, "format": "HttpData-PULL", **about}
        return Player(scenario, self.under_test, self.caller, self.callbacks, WAIT_S)

    async def drive(self, test: str, script: str, **about: str) -> Player:
        """Play the steps; returns the process that came of them."""
        self.callbacks.clear()
        player = self.player(test, script, **about)
        await player.play()
        return player

    def words(self, player: Player, message: str) -> dict[str, Any]:
        """A message of the kit about this process."""
        said: dict[str, Any] = (NEGOTIATION if player.negotiates else TRANSFER)[message](player.facts)
        return said

    def place(self, player: Player, message: str) -> str:
        """Where that message goes."""
        paths = NEGOTIATION_PATHS if player.negotiates else TRANSFER_PATHS
        return player.base + paths[message].replace("{pid}", player.peer_pid)

    async def post(self, url: str, body: Any) -> tuple[int, Any]:
        async with self.session.post(url, json=body) as answer:
            return answer.status, json.loads(await answer.read())

    async def state(self, player: Player) -> str:
        """What a look at the process shows now."""
        kind = "negotiations" if player.negotiates else "transfers"
        async with self.session.get(f"{player.base}/{kind}/{player.peer_pid}") as answer:
            assert answer.status == 200
            found = await answer.json()
        validate(found, PROCESSES[player.negotiates])
        assert {name: found[name] for name in player.facts.pids} == player.facts.pids
        return str(found["state"])


def refused(player: Player, status: int, answer: Any) -> str:
    """The reason of a proper refusal: 400 and the protocol's error body with both pids; raises AssertionError."""
    assert status == 400, (status, answer)
    validate(answer, ERRORS[player.negotiates])
    assert {name: answer[name] for name in ("providerPid", "consumerPid")} == player.facts.pids
    assert answer["code"]
    assert answer["reason"][0]
    return str(answer["reason"][0])


@contextlib.asynccontextmanager
async def driven(folder: Path) -> AsyncIterator[Driven]:
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    async with (
        Callbacks(address) as callbacks,
        connector_under_test(folder, kit_address=address) as under_test,
        Caller(under_test.authorization) as caller,
        aiohttp.ClientSession(headers={"Authorization": under_test.authorization}) as session,
    ):
        yield Driven(under_test, callbacks, caller, session)
