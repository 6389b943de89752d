"""Why an element cannot be decided, whatever the world is like: an unknown term, an unread member, a value without a reading."""

from dataclasses import dataclass

from policies.model import Unread


@dataclass(frozen=True, slots=True)
class Fault:
    """A reason code (`policies.decision.REASONS`) and the left operand, or the unread member, that it is about."""

    reason: str
    left_operand: str | None = None


def unread_fault(unread: Unread, operand: str | None = None) -> Fault | None:
    """The fault of an element that has a member we do not understand; None when everything was understood."""
    if not unread:
        return None
    name = unread[0][0]
    return Fault("refinement-failed" if name == "refinement" else "unsupported-operand", operand or name)
