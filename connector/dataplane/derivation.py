"""What our agreements say against publishing: data of others passed on, or a product made from it without a licence.

What we received is theirs. The same content may be passed on only where its agreement allows `odrl:distribute`; a product may
be published only where the agreement of each input allows `odrl:derive` under offers that hand down what it demands, so that
of several inputs the strictest wins (policies.md 2.6, rules 3 and 6). A product of our own as an input brings along what its
inputs demand: nothing is lost by publishing in two steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

from catalog.model import Dataset, Derivation
from catalog.namespaces import dataset_iri, percent_encoded
from connector.dataplane.publication import NamedInput, Publication
from connector.dispatch.peers import root_of
from connector.errors import RefusedError
from connector.exchange.decide import decide
from connector.exchange.node import Node
from connector.exchange.remedy import prohibition
from connector.store import agreement as agreements
from connector.store import catalog, lineage
from connector.store.agreement import Agreement
from connector.store.database import Tx
from connector.store.delivery import Delivery
from connector.store.lineage import Input
from contracts.evidence.manifest import parse_manifest
from contracts.machine import Role
from policies.canonical import JsonValue
from policies.decision import Decision
from policies.identifiers import short
from policies.model import Policy
from policies.parse import parse_policy
from policies.vocabulary import DERIVE, DISTRIBUTE, INHERITS

# What an error names where there is no agreement, or no rule that speaks.
NONE = "-"
# Faults of the publication itself have sentences of their own; whatever else is refused is what an agreement says.
FAULTS = frozenset(("input-is-self", "input-ambiguous", "input-not-received"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why our own connector does not publish: the error, and the agreement and decision it comes from, if any."""

    error: RefusedError
    agreement: Agreement | None = None
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What is used as input, and what stands against it."""

    inputs: tuple[Input, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    def __add__(self, other: "Checked") -> "Checked":
        return Checked(self.inputs + other.inputs, self.refusals + other.refusals)


def check_distribution(tx: Tx, node: Node, publication: Publication, same: Sequence[Delivery]) -> Checked:
    """Whether content that arrived in these deliveries may be passed on."""
    refused = (_distribution(tx, node, publication, delivery) for delivery in same)
    return Checked(refusals=tuple(each for each in refused if each is not None))


def check_inputs(tx: Tx, node: Node, publication: Publication, dataset: Dataset) -> Checked:
    """Whether a product may be made of each of its inputs and offered as it is, and which delivery of each was used."""
    offers = tuple(parse_policy(offer.document) for offer in dataset.offers)
    check = _Derivation(tx, node, publication, offers)
    checked = reduce(Checked.__add__, map(check.named, publication.inputs), Checked())
    once = {(each.owner, each.input): each for each in checked.inputs}
    return Checked(tuple(once.values()), checked.refusals)


def derivations(node: Node, inputs: Sequence[Input]) -> tuple[Derivation, ...]:
    """What the catalog says of the inputs: whose they are and what licenses each. Deliveries are nobody else's business."""
    return tuple(
        Derivation(
            dataset=each.input,
            owner=each.owner,
            iri=_iri(node, each.owner, each.input),
            agreement=each.agreement or None,
        )
        for each in inputs
    )


def record_refusals(tx: Tx, node: Node, publication: Publication, refusals: Sequence[Refusal]) -> None:
    """Put on record that our own connector refused, with what the prohibition's remedies would have been."""
    for refusal in refusals:
        agreed, decision = refusal.agreement, refusal.decision
        details: dict[str, JsonValue] = {
            "at": "publishing",
            "dataset": publication.id,
            "code": refusal.error.code,
            "facts": {name: str(value) for name, value in refusal.error.facts.items()},
        }
        if decision is not None:
            details["decision"] = decision.to_dict()
        if agreed is not None and decision is not None and decision.reason == "prohibited":
            rule = prohibition(node, agreed, decision.action)
            details["remedies"] = [duty.action for duty in rule.remedies] if rule is not None else []
        node.audit.append(
            tx,
            "policy.decision",
            peer=agreed.counterparty if agreed is not None else None,
            agreement=agreed.digest if agreed is not None else None,
            policy=agreed.policy if agreed is not None else None,
            decision="deny",
            reason=str(refusal.error.facts["reason"]),
            details=details,
        )


def _distribution(tx: Tx, node: Node, publication: Publication, delivery: Delivery) -> Refusal | None:
    agreement = agreements.get(tx, delivery.agreement)
    if agreement is None:
        return None
    decision = decide(tx, node, agreement, action=DISTRIBUTE, purpose=publication.purpose, columns=None)
    if decision.allowed:
        return None
    error = RefusedError(
        "distribution-prohibited",
        agreement=agreement.digest,
        dataset=delivery.dataset,
        owner=delivery.counterparty,
        reason=decision.reason or "no-permission",
    )
    return Refusal(error, agreement, decision)


@dataclass(frozen=True, slots=True)
class _Derivation:
    """One product to be published under these offers."""

    tx: Tx
    node: Node
    publication: Publication
    offers: tuple[Policy, ...]

    def named(self, wanted: NamedInput) -> Checked:
        """One input as the publication names it: a licence of another's dataset, or a dataset of our own."""
        if wanted.dataset == self.publication.id:
            return self._refused(wanted.dataset, "input-is-self")
        if wanted.agreement is not None:
            return self._under(wanted.dataset, wanted.agreement)
        own = catalog.dataset(self.tx, wanted.dataset)
        licences = lineage.licences(self.tx, wanted.dataset)
        # Two owners may use one id: a product must say whose dataset it was made of.
        if len({each.counterparty for each in licences} | ({self.node.participant} if own is not None else set())) > 1:
            return self._refused(wanted.dataset, "input-ambiguous")
        if own is not None:
            return self._own(own.dataset)
        found = Checked()
        for agreement in licences:
            checked = self._licence(agreement)
            if not checked.refusals:
                return checked
            found = found if found.refusals else checked  # the newest agreement says why not
        return found if found.refusals else self._refused(wanted.dataset, "no-permission")

    def _under(self, dataset: str, digest: str) -> Checked:
        """An input under the agreement that the publication names."""
        agreement = agreements.get(self.tx, digest)
        if agreement is None or agreement.role is not Role.CONSUMER or not agreement.in_force:
            return self._refused(dataset, "agreement-unknown", agreement=digest)
        if agreement.dataset != dataset:
            return self._refused(dataset, "other-dataset", agreement=digest)
        return self._licence(agreement)

    def _own(self, dataset: Dataset) -> Checked:
        """A dataset of ours: nobody need allow it, but everybody whose data it was made of."""
        version = f"sha-256:{dataset.sha256}" if dataset.sha256 is not None else ""
        found = Input(dataset.id, self.node.participant, version=version, missing=self._missing(dataset.id))
        behind = (self._behind(each) for each in self._roots(dataset.id, set()))
        refusals = (refusal for checked in behind for refusal in checked.refusals)
        return Checked((found,), tuple(refusals))

    def _roots(self, dataset: str, seen: set[str]) -> list[Input]:
        """What a dataset of ours was made of, down to what others own; the product itself where it comes round."""
        if dataset in seen:
            return []
        seen.add(dataset)
        found: list[Input] = []
        for each in lineage.of_product(self.tx, dataset):
            own = each.owner == self.node.participant
            comes_round = own and each.input == self.publication.id
            found += self._roots(each.input, seen) if own and not comes_round else [each]
        return found

    def _behind(self, root: Input) -> Checked:
        if not root.agreement:
            return self._refused(root.input, "input-is-self")
        agreement = agreements.get(self.tx, root.agreement)
        return self._licence(agreement) if agreement is not None else Checked()

    def _licence(self, agreement: Agreement) -> Checked:
        """Whether an agreement lets a product be made of its dataset, now and under these offers."""
        delivery = lineage.last_delivery(self.tx, agreement.digest)
        decision = decide(
            self.tx,
            self.node,
            agreement,
            action=DERIVE,
            purpose=self.publication.purpose,
            columns=None,
            # The manifest must cite what the offer bound; without any, what we hold decides, and the rest is said below.
            transforms={delivery.transform} if delivery is not None else None,
            next_policies=self.offers,
        )
        if not decision.allowed:
            return self._refused(agreement.dataset, decision.reason or "no-permission", agreement, decision)
        missing = self._missing(agreement.dataset)
        if delivery is None and not missing:
            return self._refused(agreement.dataset, "input-not-received", agreement)
        used = Input(agreement.dataset, agreement.counterparty, agreement.digest, missing=missing)
        return Checked((used if delivery is None else _with(used, delivery),))

    def _missing(self, dataset: str) -> bool:
        return dataset in self.publication.missing_inputs

    def _refused(
        self, dataset: str, reason: str, agreement: Agreement | str | None = None, decision: Decision | None = None
    ) -> Checked:
        known = agreement if isinstance(agreement, Agreement) else None
        digest = known.digest if known is not None else agreement
        error = RefusedError(
            reason if reason in FAULTS else "derivation-refused",
            input=dataset,
            agreement=digest or NONE,
            rule=_rule(decision) if decision is not None else short(DERIVE),
            reason=reason,
        )
        return Checked(refusals=(Refusal(error, known, decision),))


def _rule(decision: Decision) -> str:
    """What refuses, as people read it: the terms that are not handed down, the condition that fails, else the action."""
    if decision.left_operand == INHERITS:
        return ", ".join(short(name) for name in (decision.actual or "").split(",") if name) or short(INHERITS)
    return short(decision.left_operand or decision.action)


def _with(used: Input, delivery: Delivery) -> Input:
    signed = delivery.signed_manifest
    return replace(
        used,
        delivery=delivery.id,
        version=delivery.version,
        manifest=parse_manifest(signed["document"]).digest() if signed is not None else "",
        received=delivery.updated,
    )


def _iri(node: Node, owner: str, dataset: str) -> str:
    """The IRI that a dataset has in the graph of its owner; one of ours where the owner is no member any more."""
    if owner == node.participant:
        return dataset_iri(root_of(node.base), dataset)
    member = node.members.current().members.get(owner)
    if member is None:
        return f"urn:weft:{percent_encoded(owner)}:{percent_encoded(dataset)}"
    return dataset_iri(root_of(member.dsp), dataset)
