"""What a counterparty answers to our first request: a wrong answer makes no process that leads nowhere."""

import asyncio
import json

import pytest

from connector.store import negotiation as negotiations
from contracts.negotiation.table import State
from tests.conformance.bodies import KIT, enveloped, fresh
from tests.conformance.driven import driven
from tests.pair import until

ABOUT = {"dataset": "beyond", "offer": "urn:uuid:beyond"}


def answered(**members):
    """An acknowledgement with other members; `None` leaves one out."""

    def answer(said):
        right = {"providerPid": fresh(), "consumerPid": said["consumerPid"], "state": "REQUESTED"} | members
        return enveloped("ContractNegotiation", **{name: value for name, value in right.items() if value is not None})

    return answer


ANSWERS = {
    "nothing": lambda _: None,
    "no pid": answered(providerPid=None),
    "a pid that is no text": answered(providerPid=7),
    "a pid that is a path": answered(providerPid="../x?y#z"),
    "a pid that is too long": answered(providerPid="x" * 1000),
}


async def requested(weft, answer):
    """Our negotiation after its first request was answered like this; the kit's side of it."""
    process, heard = weft.player("CN_C", "", **ABOUT), asyncio.Event()

    def handler(body):
        said = json.loads(body)
        process.peer_pid, process.base, process.state = said["consumerPid"], said["callbackAddress"], "REQUESTED"
        heard.set()
        return 200, answer(said)

    weft.callbacks.register("/negotiations/request", handler, stays=False)
    named = {"providerId": KIT, "offerId": ABOUT["offer"], "datasetId": ABOUT["dataset"]}
    await weft.caller.accepted(
        weft.under_test.negotiation_webhook, named | {"connectorAddress": weft.callbacks.address}
    )
    await heard.wait()
    ours = process.peer_pid

    def check(tx):
        found = negotiations.get(tx, ours)
        return found if found.state is State.REQUESTED else None

    return await until(weft.under_test.daemon, f"negotiation:{ours}", check), process


@pytest.mark.slow
@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_without_a_pid_does_not_lose_the_process(name, tmp_path):
    """Whatever the answer says, no path is made of it; the pid is learnt from the next message, and answers go to it."""
    async with driven(tmp_path) as weft:
        weft.under_test.daemon.node.reactions._table[ABOUT["dataset"]] = {"OFFERED": ["accept"]}
        negotiation, process = await requested(weft, ANSWERS[name])
        assert negotiation.peer_pid == ""
        await process.expect("accepted")
        await process.send("offer")
        await process.wait("ACCEPTED")
        found = await weft.under_test.daemon.node.db.read(lambda tx: negotiations.get(tx, negotiation.pid))
        assert found.peer_pid == process.kit_pid
