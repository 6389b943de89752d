import json

import pytest

from contracts.errors import IllegalTransitionError
from contracts.machine import Machine, Role, Transition
from contracts.negotiation import table as negotiation
from contracts.transfer import table as transfer
from tests.shared import shared

BOTH = {"consumer": Role.CONSUMER, "provider": Role.PROVIDER}
TRIGGERS = {
    "ContractRequestMessage": negotiation.Trigger.REQUEST,
    "ContractOfferMessage": negotiation.Trigger.OFFER,
    "ContractAgreementMessage": negotiation.Trigger.AGREEMENT,
    "ContractAgreementVerificationMessage": negotiation.Trigger.VERIFICATION,
    "ContractNegotiationTerminationMessage": negotiation.Trigger.TERMINATION,
    "TransferRequestMessage": transfer.Trigger.REQUEST,
    "TransferStartMessage": transfer.Trigger.START,
    "TransferSuspensionMessage": transfer.Trigger.SUSPENSION,
    "TransferCompletionMessage": transfer.Trigger.COMPLETION,
    "TransferTerminationMessage": transfer.Trigger.TERMINATION,
}
MACHINES = {"negotiation": (negotiation.MACHINE, negotiation.State), "transfer": (transfer.MACHINE, transfer.State)}


def rows_of_the_specification(name, states):
    data = json.loads(shared("data/dsp/state-machines.json").read_text())[name]
    for row in data["transitions"]:
        trigger = TRIGGERS.get(row["message"])
        if trigger is None:
            trigger = negotiation.Trigger.ACCEPTED if row["eventType"] == "ACCEPTED" else negotiation.Trigger.FINALIZED
        for by in row["by"]:
            yield (states(row["from"]) if row["from"] else None), trigger, BOTH[by], states(row["to"])


@pytest.mark.parametrize("name", ["negotiation", "transfer"])
def test_the_table_holds_every_row_of_the_figure_and_adds_only_terminations(name):
    """The specification's figure is in the table; what the table adds is the prose's termination by either side."""
    machine, states = MACHINES[name]
    figure = set(rows_of_the_specification(name, states))
    table = {(row.state, row.trigger, row.by, row.to) for row in machine.rows}
    assert figure <= table
    assert all(row[1].value == "termination" for row in table - figure)


@pytest.mark.parametrize("name", ["negotiation", "transfer"])
def test_nothing_leaves_a_terminal_state(name):
    """A terminal state has no row, and every other state can reach one."""
    machine, states = MACHINES[name]
    for state in states:
        if state in machine.terminal:
            assert machine.allowed(state, Role.CONSUMER) == machine.allowed(state, Role.PROVIDER) == ()
        else:
            assert any(machine.reaches(state, end) for end in machine.terminal)


@pytest.mark.parametrize("name", ["negotiation", "transfer"])
def test_what_the_table_does_not_say_is_illegal(name):
    """Every (state, trigger, sender) without a row raises and names all three."""
    machine, states = MACHINES[name]
    triggers = {row.trigger for row in machine.rows}
    for state in (None, *states):
        for trigger in triggers:
            for by in Role:
                if machine.allows(state, trigger, by):
                    assert trigger in machine.allowed(state, by)
                    continue
                with pytest.raises(IllegalTransitionError) as caught:
                    machine.step(state, trigger, by)
                assert caught.value.facts["trigger"] == trigger
                assert caught.value.facts["sender"] == by


def test_two_rows_with_one_key_are_refused():
    """A table that says two things about one message cannot be built."""
    row = Transition(None, negotiation.Trigger.REQUEST, Role.CONSUMER, negotiation.State.REQUESTED, "")
    with pytest.raises(ValueError, match="share a key"):
        Machine("twice", (row, row), frozenset())


def test_the_diagram_names_every_transition():
    """The Mermaid text has one line for each pair of states and trigger."""
    drawn = negotiation.MACHINE.mermaid()
    assert "REQUESTED --> AGREED: agreement by provider" in drawn
    assert "AGREED --> TERMINATED: termination by consumer or provider" in drawn
    assert "FINALIZED --> [*]" in drawn
