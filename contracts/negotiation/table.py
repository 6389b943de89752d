"""Order: the contract negotiation as a table (DSP 2025-1, Contract Negotiation Protocol, states and figure).

The figure lets only one side terminate in ACCEPTED, AGREED and VERIFIED, the prose lets both ("at any state"). The prose is
followed: both rows stand here, and the added one cites the text.
"""

from enum import StrEnum

from contracts.machine import Machine, Role, Transition


class State(StrEnum):
    """The seven states of the specification; there are no others."""

    REQUESTED = "REQUESTED"
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    AGREED = "AGREED"
    VERIFIED = "VERIFIED"
    FINALIZED = "FINALIZED"
    TERMINATED = "TERMINATED"


class Trigger(StrEnum):
    """Kinds of message that move a negotiation."""

    REQUEST = "request"
    OFFER = "offer"
    ACCEPTED = "accepted"
    AGREEMENT = "agreement"
    VERIFICATION = "verification"
    FINALIZED = "finalized"
    TERMINATION = "termination"


_FIGURE = "DSP 2025-1, contract negotiation state machine"
_TEXT = "DSP 2025-1, 'a termination MAY be sent at any state' (the figure allows one side only)"
C, P = Role.CONSUMER, Role.PROVIDER

MACHINE: Machine[State, Trigger] = Machine(
    "negotiation",
    (
        Transition(None, Trigger.REQUEST, C, State.REQUESTED, _FIGURE),
        Transition(None, Trigger.OFFER, P, State.OFFERED, _FIGURE),
        Transition(State.REQUESTED, Trigger.OFFER, P, State.OFFERED, _FIGURE),
        Transition(State.REQUESTED, Trigger.AGREEMENT, P, State.AGREED, _FIGURE),
        Transition(State.REQUESTED, Trigger.TERMINATION, C, State.TERMINATED, _FIGURE),
        Transition(State.REQUESTED, Trigger.TERMINATION, P, State.TERMINATED, _FIGURE),
        Transition(State.OFFERED, Trigger.REQUEST, C, State.REQUESTED, _FIGURE),
        Transition(State.OFFERED, Trigger.ACCEPTED, C, State.ACCEPTED, _FIGURE),
        Transition(State.OFFERED, Trigger.TERMINATION, C, State.TERMINATED, _FIGURE),
        Transition(State.OFFERED, Trigger.TERMINATION, P, State.TERMINATED, _FIGURE),
        Transition(State.ACCEPTED, Trigger.AGREEMENT, P, State.AGREED, _FIGURE),
        Transition(State.ACCEPTED, Trigger.TERMINATION, P, State.TERMINATED, _FIGURE),
        Transition(State.ACCEPTED, Trigger.TERMINATION, C, State.TERMINATED, _TEXT),
        Transition(State.AGREED, Trigger.VERIFICATION, C, State.VERIFIED, _FIGURE),
        Transition(State.AGREED, Trigger.TERMINATION, C, State.TERMINATED, _FIGURE),
        Transition(State.AGREED, Trigger.TERMINATION, P, State.TERMINATED, _TEXT),
        Transition(State.VERIFIED, Trigger.FINALIZED, P, State.FINALIZED, _FIGURE),
        Transition(State.VERIFIED, Trigger.TERMINATION, P, State.TERMINATED, _FIGURE),
        Transition(State.VERIFIED, Trigger.TERMINATION, C, State.TERMINATED, _TEXT),
    ),
    frozenset({State.FINALIZED, State.TERMINATED}),
)
