"""Every message in every state, for both roles of both protocols: what the tables do not allow is refused and changes nothing."""

import json

import pytest

from tests.conformance.bodies import NEGOTIATION, TRANSFER
from tests.conformance.driven import driven, refused
from tests.shared import shared

REQUESTED, TAKEN = "send request", "expect request, webhook {}, wait REQUESTED"
NEGOTIATING, MOVING = TAKEN.format("negotiation"), TAKEN.format("transfer")
# How a process comes into a state: the data set with the reactions that it needs, and the kit's steps.
ROADS = {
    "CN": {
        "REQUESTED": ("ACN0202", REQUESTED),
        "OFFERED": ("ACN0204", "expect offer, send request, wait OFFERED"),
        "ACCEPTED": ("ACN0303", "expect offer, send request, wait OFFERED, send accepted"),
        "AGREED": ("ACN0203", "expect agreement, send request, wait AGREED"),
        "VERIFIED": ("ACN0203", "expect agreement, send request, wait AGREED, send verification"),
        "FINALIZED": (
            "ACN0301",
            "expect agreement, send request, wait AGREED, expect finalized, send verification, wait FINALIZED",
        ),
        "TERMINATED": ("ACN0202", "send request, send termination"),
    },
    "CN_C": {
        "REQUESTED": ("ACNC0201", NEGOTIATING),
        "OFFERED": ("ACNC0204", f"{NEGOTIATING}, send offer"),
        "ACCEPTED": ("ACNC0205", f"{NEGOTIATING}, expect accepted, send offer, wait ACCEPTED"),
        "AGREED": ("ACNC0201", f"{NEGOTIATING}, send agreement"),
        "VERIFIED": ("ACNC0206", f"{NEGOTIATING}, expect verification, send agreement, wait VERIFIED"),
        "FINALIZED": ("ACNC0104", f"{NEGOTIATING}, expect verification, send agreement, wait VERIFIED, send finalized"),
        "TERMINATED": ("ACNC0201", f"{NEGOTIATING}, send termination"),
    },
    "TP": {
        "REQUESTED": ("ATP0205", REQUESTED),
        "STARTED": ("ATP0201", "expect start, send request, wait STARTED"),
        "SUSPENDED": ("ATP0303", "expect start, send request, wait STARTED, send suspension"),
        "COMPLETED": ("ATP0202", "expect start, send request, wait STARTED, send completion"),
        "TERMINATED": ("ATP0205", "send request, send termination"),
    },
    "TP_C": {
        "REQUESTED": ("ATPC0301", MOVING),
        "STARTED": ("ATPC0301", f"{MOVING}, send start"),
        "SUSPENDED": ("ATPC0301", f"{MOVING}, send start, send suspension"),
        "COMPLETED": ("ATPC0301", f"{MOVING}, send start, send completion"),
        "TERMINATED": ("ATPC0301", f"{MOVING}, send termination"),
    },
}
SAID = {
    "ContractRequestMessage": "counter-request",
    "ContractOfferMessage": "offer",
    "ContractAgreementMessage": "agreement",
    "ContractAgreementVerificationMessage": "verification",
    "ContractNegotiationEventMessage": "",
    "TransferStartMessage": "start",
    "TransferSuspensionMessage": "suspension",
    "TransferCompletionMessage": "completion",
}


def allowed(test):
    """What the specification lets the counterparty say, by state: the figures, and the text for terminations."""
    name = "negotiation" if test.startswith("CN") else "transfer"
    machine = json.loads(shared("data/dsp/state-machines.json").read_text(encoding="utf-8"))[name]
    counterparty = "provider" if test.endswith("_C") else "consumer"
    table = {state: set() if state in machine["terminal"] else {"termination"} for state in machine["states"]}
    for row in machine["transitions"]:
        if row["from"] and counterparty in row["by"] and "Termination" not in row["message"]:
            table[row["from"]].add(SAID[row["message"]] or row["eventType"].lower())
    return table


def sayable(test):
    """Everything that has an address at a process."""
    known = NEGOTIATION if test.startswith("CN") else TRANSFER
    return [message for message in known if message != "request"]


@pytest.mark.slow
@pytest.mark.parametrize("test", ROADS)
async def test_what_a_state_does_not_allow_is_refused_and_changes_nothing(test, tmp_path):
    """For every state of a role, each message that the specification's table has no row for is 400, with both pids and a reason."""
    table = allowed(test)
    assert set(table) == set(ROADS[test])
    async with driven(tmp_path) as weft:
        for state, (name, script) in ROADS[test].items():
            about = (
                {"dataset": name, "offer": f"CD123:{name}:456" if test == "CN" else f"offer{name}"}
                if test.startswith("CN")
                else {"agreement": name}
            )
            process = await weft.drive(test, script, **about)
            assert await weft.state(process) == state
            for message in sayable(test):
                if message.partition(" ")[0] in table[state]:
                    continue
                status, answer = await weft.post(weft.place(process, message), weft.words(process, message))
                assert refused(process, status, answer), (state, message)
                assert await weft.state(process) == state, message
