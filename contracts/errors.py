"""Every error of the contracts package.

    ContractError               root; `code` names the broken rule, `facts` say where and what
    ├── SignatureError          a signed document does not hold what its signature claims
    ├── EvidenceError           a document of evidence differs from what it must say; `member` names it
    │   ├── ManifestError       a transfer manifest, one of its leaves or one of its chunks
    │   └── ReceiptError        a receipt
    ├── UnjudgedError           evidence uses something this program cannot judge: neither valid nor wrong
    ├── RecordError             an audit record cannot be written or read
    ├── CheckpointError         a checkpoint of an audit log is malformed or not signed by its log
    ├── IllegalTransitionError  the table of a state machine has no such row
    ├── InvalidMessageError     a message does not have the shape of the specification
    ├── SettlementError         something that money is computed from cannot be used
    │   ├── AmountError         an amount, rate or weight
    │   ├── PeriodError         a period or its name
    │   ├── TermsError          a terms document; `path` names the member
    │   ├── LedgerError         a ledger; `row` is the line of the file
    │   └── InputError          a period input record; `member` names it
    └── BrokenRuleError         a message has the shape and the order, but not the meaning: each rule has its own code

The sentence for people is `error.<code>` in the message table, with the facts as its values.
"""


class ContractError(Exception):
    """A broken rule: `code` is its name, `facts` are strings fit for a person and a log."""

    code: str = "contract-error"

    def __init__(self, **facts: str) -> None:
        super().__init__(facts)
        self.facts = facts

    def __str__(self) -> str:
        return f"{self.code}: {', '.join(f'{name}={value}' for name, value in self.facts.items())}"


class SignatureError(ContractError):
    """A signed document does not hold what its signature claims; `reason` says which rule it breaks."""

    code = "signature-invalid"

    def __init__(self, reason: str) -> None:
        super().__init__(reason=reason)
        self.reason = reason


class EvidenceError(ContractError):
    """A document of evidence differs from what it must say: `member` is the first that does."""

    code = "evidence-differs"

    def __init__(self, member: str, *, expected: object, found: object) -> None:
        super().__init__(member=member, expected=str(expected), found=str(found))
        self.member = member
        self.expected = expected
        self.found = found


class ManifestError(EvidenceError):
    """A transfer manifest differs from the agreement and request it serves, or bytes differ from the manifest."""

    code = "manifest-differs"


class ReceiptError(EvidenceError):
    """A receipt differs from the manifest it answers or from the receipts before it."""

    code = "receipt-differs"


class UnjudgedError(ContractError):
    """Evidence uses an algorithm or form this program does not know: it cannot say valid, it must not say wrong."""

    code = "cannot-judge"

    def __init__(self, member: str, found: object) -> None:
        super().__init__(member=member, found=str(found))
        self.member = member
        self.found = found


class RecordError(ContractError):
    """An audit record is malformed or too large."""

    code = "record-invalid"

    def __init__(self, problem: str) -> None:
        super().__init__(problem=problem)
        self.problem = problem


class CheckpointError(ContractError):
    """A checkpoint of an audit log is malformed or not signed by its log."""

    code = "checkpoint-invalid"

    def __init__(self, problem: str) -> None:
        super().__init__(problem=problem)
        self.problem = problem


class IllegalTransitionError(ContractError):
    """A message that the state does not allow: the table has no row for (state, trigger, sender)."""

    code = "illegal-transition"

    def __init__(self, machine: str, state: str | None, trigger: str, sender: str) -> None:
        super().__init__(machine=machine, state=state or "start", trigger=trigger, sender=sender)


class InvalidMessageError(ContractError):
    """A message does not have the shape of the specification; `path` names the first wrong member."""

    code = "message-invalid"

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path=path, problem=problem)
        self.path = path
        self.problem = problem


class BrokenRuleError(ContractError):
    """A message breaks a rule of meaning; `code` names the rule."""

    def __init__(self, code: str, /, **facts: str) -> None:
        super().__init__(**facts)
        self.code = code


class SettlementError(ContractError):
    """Something that money is computed from cannot be used; the children say what."""

    code = "settlement-invalid"


class AmountError(SettlementError):
    """An amount, rate or weight: `amount` is what was found, `problem` what is wrong with it."""

    code = "amount-invalid"


class PeriodError(SettlementError):
    """A period or its name: `period` is what was found, `problem` what is wrong with it."""

    code = "period-invalid"


class TermsError(SettlementError):
    """A terms document cannot be settled by: `path` names the member, `problem` says why."""

    code = "terms-invalid"

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path=path, problem=problem)
        self.path = path
        self.problem = problem


class LedgerError(SettlementError):
    """A ledger cannot be read: `row` is the line of the file (the header is 1), `column` the name, `-` for the whole row."""

    code = "ledger-invalid"

    def __init__(self, row: int, column: str, problem: str) -> None:
        super().__init__(row=str(row), column=column, problem=problem)
        self.row = row


class InputError(SettlementError):
    """A period input record differs from what it must say: `member` is the first that does."""

    code = "period-input-invalid"

    def __init__(self, member: str, problem: str) -> None:
        super().__init__(member=member, problem=problem)
        self.member = member
