"""A period of settlement as the native API shows it: every statement with what it waits for, our lines, net positions.

Before closing the same view is a preview from our own books, in the state `open`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from connector.exchange import settlement as closing
from connector.exchange import statements
from connector.exchange.accounts import Account, Pot, Subject
from connector.exchange.bundles import missing_of
from connector.exchange.extensions import UNSPOKEN
from connector.exchange.node import Node
from connector.exchange.statements import Draft, Problem
from connector.store import bundle as bundles
from connector.store import settlement
from connector.store.database import Tx
from connector.store.settlement import SIGNED, Kept, KeptInput, Opinion, State
from contracts.settlement.bundle import bundle_statement
from contracts.settlement.inputs import PeriodInput, read_input
from contracts.settlement.lines import Document
from contracts.settlement.period import period_of, written
from contracts.settlement.positions import my_lines, net_positions
from policies.canonical import digest_of
from policies.sentences import sentence

Json = dict[str, Any]
LANGUAGES = ("en", "zh")
# What is shown of a statement that is on its way, or contradicted; the others are as they were saved.
_UNSETTLED = frozenset({State.OPEN, State.CLOSED, State.DIVERGED})


def bundle(tx: Tx, pot: Pot) -> Json:
    """A bundle: who has signed, who is missing, which agreements fill its slots."""
    found, seals = pot.bundle, bundles.seals(tx, pot.bundle.digest)
    missing = missing_of(tx, found)
    return {
        "id": found.id,
        "terms": found.digest,
        "operator": found.operator,
        "signatories": [
            {"participant": party, "signed_at": seals[party].signed_at if party in seals else None}
            for party in found.signatories
        ],
        "missing": list(missing),
        "in_force": not missing,
        "since": written(found.anchor) if not missing else None,
        "agreements": [
            {
                "ref": slot.ref,
                "role": slot.role,
                "provider": slot.provider,
                "consumer": slot.consumer,
                "product": slot.product,
                "agreement": pot.agreements.get(slot.ref),
            }
            for slot in found.agreements
        ],
    }


def period(tx: Tx, node: Node, label: str) -> Json:
    """Everything about the periods of this name: the statements we take part in, and what they come to."""
    subjects = closing.subjects_of(tx, node, label)
    shown = [_Shown.of(tx, node, subject, label) for subject in subjects]
    documents = [each.document for each in shown if each.document is not None]
    purses = _purses(documents, node.participant)
    first = purses[0] if purses else {"lines": [], "total": 0, "positions": [], "currency": None, "exponent": 0}
    return {
        "period": label,
        "participant": node.participant,
        "closed": {each.subject.ref: each.kept.closed for each in shown if each.kept is not None},
        "statements": [each.view(tx, node, label) for each in shown],
        "inputs": [_input(each) for each in settlement.inputs(tx, label)],
        **first,
        "others": purses[1:],
    }


@dataclass(frozen=True, slots=True)
class _Shown:
    """A statement with what it would be now, while it is not settled."""

    subject: Subject
    kept: Kept | None
    draft: Draft

    @classmethod
    def of(cls, tx: Tx, node: Node, subject: Subject, label: str) -> "_Shown":
        kept = settlement.get(tx, subject.key(label))
        unsettled = kept is None or kept.state in _UNSETTLED
        return cls(subject, kept, _draft(tx, node, subject, label, preview=kept is None) if unsettled else Draft())

    @property
    def state(self) -> State:
        return self.kept.state if self.kept is not None else State.OPEN

    @property
    def document(self) -> Document | None:
        """The statement as we have it, or as our own books would give it."""
        return self.kept.document if self.kept is not None and self.kept.document is not None else self.draft.document

    def view(self, tx: Tx, node: Node, label: str) -> Json:
        subject, kept, document = self.subject, self.kept, self.document
        said = settlement.opinions(tx, subject.key(label))
        digest = digest_of(document) if document is not None else None
        seals = settlement.seals(tx, digest) if digest is not None else {}
        others = _others(node, subject)
        return {
            "kind": subject.kind,
            "ref": subject.ref,
            "terms": subject.terms.digest,
            "agreement": subject.agreement or None,
            "parties": sorted([node.participant, *others]),
            "bundle": subject.bundle.id if subject.bundle is not None else None,
            "state": self.state.value,
            "closed": kept.closed if kept is not None else None,
            "closable": closing.closable(subject, label).isoformat(timespec="seconds"),
            "digest": digest,
            "usage_root": (kept.usage_root if kept is not None else self.draft.usage_root) or None,
            "document": document,
            "digests": _digests(node, self, said, seals, digest),
            "seals": sorted(seals),
            "missing": self._missing(node, others, said, seals, digest),
            "problems": [_told(each) for each in (*self.draft.problems, *_troubles(self, node, said, others))],
            "differences": _differences(node, self, said),
        }

    def _missing(
        self, node: Node, others: list[str], said: Mapping[str, Opinion], seals: Mapping[str, Any], digest: str | None
    ) -> list[str]:
        """Who has not sealed what we have signed; before that, whose equal digest is not here."""
        if self.state in SIGNED:
            return [party for party in sorted([node.participant, *others]) if party not in seals]
        if self.state is State.EMPTY:
            return []
        if isinstance(self.subject, Pot) and _conducted(node, self.subject):
            return [self.subject.bundle.operator]
        equal = {each.participant for each in said.values() if digest is not None and each.digest == digest}
        return [party for party in others if party not in equal]


def _draft(tx: Tx, node: Node, subject: Subject, label: str, *, preview: bool) -> Draft:
    span = period_of(subject.terms, label)
    if isinstance(subject, Account):
        return statements.of_account(tx, node, subject, span)
    record = settlement.newest_input(tx, subject.bundle.digest, label)
    if record is not None or node.participant != subject.bundle.operator:
        return statements.of_pot(tx, node, subject, span, read_input(record.document) if record is not None else None)
    made = statements.record_of(tx, node, subject, span, preview=preview)
    if not isinstance(made, PeriodInput):
        return Draft(problems=made)
    return Draft(bundle_statement(subject.bundle, made, previous=statements.previous(tx, subject.key(label))))


def _others(node: Node, subject: Subject) -> list[str]:
    if isinstance(subject, Account):
        return [subject.counterparty]
    return [party for party in subject.bundle.signatories if party != node.participant]


def _conducted(node: Node, subject: Subject) -> bool:
    """Whether another conducts this: members of a bundle tell its operator, and hear nothing but its record and seals."""
    return isinstance(subject, Pot) and subject.bundle.operator != node.participant


def _digests(
    node: Node, shown: _Shown, said: Mapping[str, Opinion], seals: Mapping[str, Any], digest: str | None
) -> dict[str, str]:
    """Who has which digest, as far as they told us or signed it."""
    told = {each.participant: each.digest for each in said.values() if each.word == "said" and each.digest}
    if digest is None or shown.kept is None:
        return told
    return told | dict.fromkeys((*seals, node.participant), digest)


def _troubles(shown: _Shown, node: Node, said: Mapping[str, Opinion], others: list[str]) -> Iterable[Problem]:
    """What stands between us and the others: who has not closed, who differs, who refused or does not speak Weft."""
    if shown.kept is None or shown.state is State.AGREED:
        return
    for party in others:
        word = said.get(party)
        if word is not None and word.word == "refused":
            code = str(word.facts.get("code"))
            facts = {"participant": party, "code": code, "text": str(word.facts.get("text", ""))}
            yield Problem(UNSPOKEN if code == UNSPOKEN else "refused-by-partner", facts)
        elif word is not None and word.word == "diverged":
            yield Problem("member-differs", {"participant": party})
        elif word is not None and word.word == "said":
            if word.digest != shown.kept.digest and shown.state is State.DIVERGED:
                facts = {"participant": party, "ours": shown.kept.digest or "-", "theirs": word.digest or "-"}
                usage = word.usage_root not in ("", shown.kept.usage_root)
                yield Problem("usage-differs" if usage else "statement-differs", facts)
        elif shown.state in (State.PROPOSED, State.DIVERGED) and not _conducted(node, shown.subject):
            yield Problem("not-closed", {"participant": party})
    if isinstance(shown.subject, Pot) and _conducted(node, shown.subject):
        operator = {"participant": shown.subject.bundle.operator}
        if shown.draft.differences:
            yield Problem("record-differs", operator)
        elif shown.state is State.PROPOSED:
            yield Problem("operator-waits", operator)


def _differences(node: Node, shown: _Shown, said: Mapping[str, Opinion]) -> list[Json]:
    """Rows of a record that our own books, or those of a member that told us, contradict."""
    ours = [{"participant": node.participant, **asdict(each)} for each in shown.draft.differences]
    theirs = [
        {"participant": each.participant, **row}
        for each in said.values()
        if each.word == "diverged"
        for row in each.facts.get("rows", ())
    ]
    return [*ours, *theirs]


def _input(record: KeptInput) -> Json:
    document = record.document
    return {"bundle": document["bundle"], "terms": record.terms, "digest": record.digest, "document": document}


def _told(problem: Problem) -> Json:
    return {
        "code": problem.code,
        "facts": dict(problem.facts),
        "message": {lang: sentence(f"settlement.problem.{problem.code}", lang, **problem.facts) for lang in LANGUAGES},
    }


def _purses(documents: list[Document], us: str) -> list[Json]:
    """Our lines, their total and the net positions of all, for each currency: what statements we hold come to."""
    found: list[Json] = []
    for (currency, exponent), positions in net_positions(documents).items():
        of_it = [each for each in documents if (each["currency"], each["exponent"]) == (currency, exponent)]
        lines = my_lines(of_it, us)
        found.append(
            {
                "lines": [line.document() for line in lines],
                "total": sum(line.amount for line in lines),
                "positions": [{"party": party, "amount": amount} for party, amount in positions.items()],
                "currency": currency,
                "exponent": exponent,
            }
        )
    return found
