"""Order: the transfer process as a table (DSP 2025-1, Transfer Process Protocol, states and figure)."""

from enum import StrEnum

from contracts.machine import Machine, Role, Transition


class State(StrEnum):
    """The five states of the specification; there are no others."""

    REQUESTED = "REQUESTED"
    STARTED = "STARTED"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    TERMINATED = "TERMINATED"


class Trigger(StrEnum):
    """Kinds of message that move a transfer."""

    REQUEST = "request"
    START = "start"
    SUSPENSION = "suspension"
    COMPLETION = "completion"
    TERMINATION = "termination"


_FIGURE = "DSP 2025-1, transfer process state machine"
C, P = Role.CONSUMER, Role.PROVIDER

MACHINE: Machine[State, Trigger] = Machine(
    "transfer",
    (
        Transition(None, Trigger.REQUEST, C, State.REQUESTED, _FIGURE),
        Transition(State.REQUESTED, Trigger.START, P, State.STARTED, _FIGURE),
        Transition(State.REQUESTED, Trigger.TERMINATION, C, State.TERMINATED, _FIGURE),
        Transition(State.REQUESTED, Trigger.TERMINATION, P, State.TERMINATED, _FIGURE),
        Transition(State.STARTED, Trigger.COMPLETION, C, State.COMPLETED, _FIGURE),
        Transition(State.STARTED, Trigger.COMPLETION, P, State.COMPLETED, _FIGURE),
        Transition(State.STARTED, Trigger.SUSPENSION, C, State.SUSPENDED, _FIGURE),
        Transition(State.STARTED, Trigger.SUSPENSION, P, State.SUSPENDED, _FIGURE),
        Transition(State.STARTED, Trigger.TERMINATION, C, State.TERMINATED, _FIGURE),
        Transition(State.STARTED, Trigger.TERMINATION, P, State.TERMINATED, _FIGURE),
        Transition(State.SUSPENDED, Trigger.START, C, State.STARTED, _FIGURE),
        Transition(State.SUSPENDED, Trigger.START, P, State.STARTED, _FIGURE),
        Transition(State.SUSPENDED, Trigger.TERMINATION, C, State.TERMINATED, _FIGURE),
        Transition(State.SUSPENDED, Trigger.TERMINATION, P, State.TERMINATED, _FIGURE),
    ),
    frozenset({State.COMPLETED, State.TERMINATED}),
)
