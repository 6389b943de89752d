"""Exit codes by cause, the same for every command (console.md 6)."""

from collections.abc import Mapping
from enum import IntEnum

from connector.errors import (
    AuthenticationError,
    RefusedError,
    SettingsError,
    UnreachableError,
    VerificationError,
    WeftError,
)


class UsageError(Exception):
    """The line as it was typed cannot be run; the text is the sentence."""


class Exit(IntEnum):
    """What a script can act upon; the sentence on standard error says the rest."""

    DONE = 0
    UNEXPECTED = 1  # a fault of the program or of the machine
    USAGE = 2  # the command, its input or the configuration is wrong
    POLICY = 3  # a policy refuses
    PEER = 4  # the counterparty refuses
    UNREACHABLE = 5  # the daemon or a member does not answer
    VERIFICATION = 6  # bytes, a signature or a log do not hold what they claim
    APPROVAL = 7  # somebody has to decide: terms nobody consented to, or a partner who has not answered


# By the name of the class, so that looking up a code imports nothing of the client.
_CLIENT: Mapping[str, Exit] = {
    "NotReachableError": Exit.UNREACHABLE,
    "NotAuthorizedError": Exit.USAGE,
    "NotFoundError": Exit.USAGE,
    "ConflictError": Exit.USAGE,
    "InvalidRequestError": Exit.USAGE,
    "OfferRejectedError": Exit.APPROVAL,
    "StillWaitingError": Exit.APPROVAL,
    "PolicyDeniedError": Exit.POLICY,
    "QuotaExceededError": Exit.POLICY,
    "RefusedByPeerError": Exit.PEER,
    "NegotiationTerminatedError": Exit.PEER,
    "TransferTerminatedError": Exit.PEER,
    "DeliveryFailedError": Exit.PEER,
    "VerificationError": Exit.VERIFICATION,
}
_OURS: tuple[tuple[type[WeftError], Exit], ...] = (
    (SettingsError, Exit.USAGE),
    (RefusedError, Exit.USAGE),
    (AuthenticationError, Exit.PEER),
    (UnreachableError, Exit.UNREACHABLE),
    (VerificationError, Exit.VERIFICATION),
)
# Domain errors about what somebody typed or handed over; any other is a signature, a manifest, a log that does not hold.
_INPUT = frozenset(
    {"JsonError", "CanonicalError", "InvalidPolicyError", "ListFormError", "NotPublishableError", "InvalidGraphError"}
    | {"TermsError", "AmountError", "PeriodError", "InputError"}
)


def exit_for(error: BaseException) -> Exit:
    """The exit code of an error."""
    name = type(error).__name__
    if getattr(error, "by_policy", False):
        return Exit.POLICY
    if name in _CLIENT:
        return _CLIENT[name]
    for kind, code in _OURS:
        if isinstance(error, kind):
            return code
    module = type(error).__module__
    if name in _INPUT:
        return Exit.USAGE
    if module == "contracts.errors":
        return Exit.VERIFICATION
    return Exit.UNEXPECTED
