"""Every error of the client.

    ClientError                         root; `code`, `facts`, `sentence(lang)`, `retryable`
    ├── NotReachableError               the daemon, or a member it had to call, does not answer
    ├── NotAuthorizedError              the management key is missing or wrong
    ├── NotFoundError                   nothing has this name
    ├── ConflictError                   the state does not allow it, or a key was used for something else
    ├── InvalidRequestError             a member of the request is wrong; `problems` lists each with its path
    ├── OfferRejectedError              no offer was accepted; `offers` holds the differences of each
    ├── EndedError                      a process ended otherwise than asked for
    │   ├── NegotiationTerminatedError
    │   ├── TransferTerminatedError
    │   └── DeliveryFailedError
    ├── PolicyDeniedError               a policy refuses, ours or the provider's
    │   └── QuotaExceededError          because everything granted is used up
    ├── RefusedByPeerError              the counterparty refuses for another reason
    ├── VerificationError               bytes, a signature or a log do not hold what they claim
    ├── StillWaitingError               time is up, the process goes on and can be waited for again
    └── ProtocolError                   the daemon's answer makes no sense

`code` names the broken rule, `facts` carry what was found, and the sentence for a person is `error.<code>` of the message
table with the facts as its values: the daemon, the client and the command line say the same.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from connector.errors import WeftError
from policies.sentences import has_sentence, language, sentence

if TYPE_CHECKING:
    from connector.client.consent import Rejection

# Reasons of a decision that mean: granted, but used up (policies.md 6.1).
QUOTA_REASONS = frozenset({"counter-exhausted"})
# Reasons a policy, or the gate before it, gives for a denial (policies.md 6.1: the list is closed; two are Weft's own).
POLICY_REASONS = QUOTA_REASONS | {
    "agreement-not-in-force", "constraint-not-satisfied", "duty-unfulfilled", "duty-violated", "no-permission",
    "not-in-collection", "outside-validity", "policy-void", "prohibited", "refinement-failed", "signatures-missing",
    "source-timeout", "stopped-by-consumer", "stopped-by-provider", "suspended-by-remedy", "transfer-suspended",
    "unknown-profile", "unsupported-action", "unsupported-operand", "unsupported-operator", "value-incomparable",
    "value-missing",
}  # fmt: skip


class ClientError(WeftError):
    """Root. `messages` are the sentences the daemon sent along, `error_id` is the number of its log line."""

    retryable: ClassVar[bool] = False

    def __init__(self, code: str, /, **facts: Any) -> None:
        super().__init__(code, **facts)
        self.messages: Mapping[str, str] = {}
        self.error_id = ""

    def sentence(self, lang: str = "en") -> str:
        """What happened, why, and what to do next."""
        sent = self.messages.get(language(lang))
        if sent:
            return sent
        identifier = f"error.{self.code}"
        if has_sentence(identifier):
            return sentence(identifier, lang, **self.facts)
        return sentence("error.unexplained", lang, code=self.code, facts=_listed(self.facts))

    def __str__(self) -> str:
        return self.sentence()


class NotReachableError(ClientError):
    """The daemon (`url`) or a member that it had to call does not answer. Repeating can help."""

    retryable = True


class NotAuthorizedError(ClientError):
    """The management key is missing or unknown."""


class NotFoundError(ClientError):
    """Nothing has this name: `kind`, `id`."""


class ConflictError(ClientError):
    """The state of a process does not allow it, or an idempotency key stands for another request."""


class InvalidRequestError(ClientError):
    """The request is wrong; `problems` are (path, message) of every wrong member."""

    @property
    def problems(self) -> list[tuple[str, str]]:
        listed = self.facts.get("problems")
        if isinstance(listed, list):
            return [(str(each.get("path", "")), str(each.get("problem", ""))) for each in listed]
        return [(str(self.facts.get("path", "")), str(self.facts.get("problem", self.code)))]


class OfferRejectedError(ClientError):
    """No offer of the dataset was accepted. `offers` pairs each with why: the terms in it that were not consented to."""

    def __init__(self, code: str, /, *, offers: "Sequence[Rejection]" = (), **facts: Any) -> None:
        super().__init__(code, **facts)
        self.offers = tuple(offers)

    def sentence(self, lang: str = "en") -> str:
        return "\n".join([super().sentence(lang), *(rejection.sentence(lang) for rejection in self.offers)])


class EndedError(ClientError):
    """A process ended otherwise than asked for: `state`, `reason` and `peer_code` as the one who ended it gave them."""

    @property
    def state(self) -> str:
        return str(self.facts.get("state", ""))

    @property
    def reason(self) -> str:
        return str(self.facts.get("reason", ""))

    @property
    def peer_code(self) -> str:
        return str(self.facts.get("peer_code", ""))

    @property
    def by_policy(self) -> bool:
        """Whether a policy ended it, ours or the provider's."""
        return self.peer_code in POLICY_REASONS


class NegotiationTerminatedError(EndedError):
    """The negotiation was terminated."""


class TransferTerminatedError(EndedError):
    """The transfer was terminated or completed before what was waited for."""


class DeliveryFailedError(EndedError):
    """The delivery was given up."""


class PolicyDeniedError(ClientError):
    """A policy refuses: `reason` is of the closed list, `operand` names the constraint if there is one."""

    @property
    def reason(self) -> str:
        return str(self.facts.get("reason", self.code))


class QuotaExceededError(PolicyDeniedError):
    """Everything granted for this window is used up."""


class RefusedByPeerError(ClientError):
    """The counterparty refuses for a reason of its own."""


class VerificationError(ClientError):
    """Bytes, a signature or a log do not hold what they claim."""


class StillWaitingError(ClientError):
    """Time is up: `state` is the last one seen, `waiting_for` who must act. The process goes on."""

    retryable = True


class ProtocolError(ClientError):
    """The daemon's answer makes no sense to this client."""


_BY_STATUS: Mapping[int, type[ClientError]] = {
    400: InvalidRequestError,
    401: NotAuthorizedError,
    403: PolicyDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: InvalidRequestError,
    422: VerificationError,
    429: QuotaExceededError,
    502: RefusedByPeerError,
    503: NotReachableError,
    504: NotReachableError,
}


def denial(code: str, /, **facts: Any) -> PolicyDeniedError | RefusedByPeerError:
    """The error for a code that the one who refused gave: a reason of a policy, or something else of the counterparty."""
    reason = str(facts.get("reason") or code)
    if reason in QUOTA_REASONS:
        return QuotaExceededError(code, **facts)
    if reason in POLICY_REASONS:
        return PolicyDeniedError(code, **facts)
    return RefusedByPeerError(code, **facts)


def from_answer(status: int, body: object, *, request: str) -> ClientError:
    """The error in an answer of the daemon: `{code, facts, message: {en, zh}, id}`."""
    if not isinstance(body, dict) or not isinstance(body.get("code"), str):
        return ProtocolError("answer-senseless", request=request, status=status)
    code, facts = body["code"], body.get("facts")
    facts = {str(name): value for name, value in facts.items()} if isinstance(facts, dict) else {}
    if status == 403:  # noqa: PLR2004  the number is the standard's
        error: ClientError = denial(code, **facts)
    else:
        error = _BY_STATUS.get(status, ClientError)(code, **facts)
    messages = body.get("message")
    error.messages = {str(k): str(v) for k, v in messages.items()} if isinstance(messages, dict) else {}
    error.error_id = str(body.get("id", ""))
    return error


def _listed(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in facts.items())
