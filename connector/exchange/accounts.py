"""What a statement is about: agreements of ours under priced terms, and the bundles we take part in (revenue-share.md 3.4, 7.1).

An agreement whose terms fill a slot of a bundle is known by that slot's ref, and its usage is booked under the bundle's terms; else
it is known by the id of its own terms. Renewed agreements under the same terms are one account.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache, reduce
from typing import Literal, TypeAlias

from connector.exchange.node import Node
from connector.store import agreement as agreements
from connector.store import bundle as bundles
from connector.store import catalog
from connector.store.agreement import Agreement
from connector.store.database import Tx
from connector.store.settlement import Key
from contracts.errors import TermsError
from contracts.machine import Role
from contracts.settlement.terms import Bundle, Terms, parse_terms
from policies.facts import terms_digests, valid_until

# Documents never change, so neither does what they say: as many as are in use at a time.
TERMS = 4096


@lru_cache(TERMS)
def _read(body: bytes) -> Terms | Bundle | None:
    """What a document says, None for one that we cannot settle by."""
    try:
        return parse_terms(body)
    except TermsError:
        return None


def held_terms(tx: Tx, digest: str) -> Terms | Bundle | None:
    """The terms of this digest, None when we do not hold them or cannot settle by them."""
    found = catalog.document(tx, digest)
    return _read(found.body) if found is not None and found.kind == "terms" else None


def held_bundle(tx: Tx, digest: str) -> Bundle | None:
    found = held_terms(tx, digest)
    return found if isinstance(found, Bundle) else None


@dataclass(frozen=True, slots=True)
class Account:
    """Priced terms between us and another party, with the agreements that cite them, oldest first."""

    terms: Terms
    ref: str
    counterparty: str
    agreements: tuple[str, ...]
    bundle: Bundle | None
    until: datetime | None  # nothing is charged for periods that begin later
    kind: Literal["bilateral"] = field(default="bilateral", init=False)

    @property
    def booked(self) -> str:
        """The terms under which its usage is booked."""
        return self.terms.digest if self.bundle is None else self.bundle.digest

    @property
    def agreement(self) -> str:
        """What names it to the counterparty: the first agreement."""
        return self.agreements[0]

    def key(self, label: str) -> Key:
        return Key(self.terms.digest, self.ref, label)

    @property
    def we_provide(self) -> bool:
        return self.terms.payer == self.counterparty


@dataclass(frozen=True, slots=True)
class Pot:
    """A bundle that we are a signatory of, with our agreements in its slots by ref."""

    bundle: Bundle
    agreements: dict[str, str]
    kind: Literal["bundle"] = field(default="bundle", init=False)

    @property
    def terms(self) -> Bundle:
        return self.bundle

    @property
    def agreement(self) -> str:
        """It is about none alone."""
        return ""

    @property
    def ref(self) -> str:
        return self.bundle.id

    @property
    def booked(self) -> str:
        return self.bundle.digest

    def key(self, label: str) -> Key:
        return Key(self.bundle.digest, self.bundle.id, label)


Subject: TypeAlias = Account | Pot


def accounts(tx: Tx, node: Node) -> list[Account]:
    """All accounts of agreements in force, in the order of the first agreement of each."""
    found: dict[tuple[str, str], Account] = {}
    for agreed in agreements.in_force(tx):
        for account in _accounts_of(tx, node, agreed):
            place = account.terms.digest, account.ref
            known = found.get(place)
            found[place] = account if known is None else _together(known, account)
    return list(found.values())


def account_of(tx: Tx, node: Node, agreement: str) -> Account | None:
    """The account that an agreement of ours belongs to, with its renewals; None where nothing is ever charged."""
    agreed = agreements.get(tx, agreement)
    mine = next(iter(_accounts_of(tx, node, agreed)), None) if agreed is not None and agreed.in_force else None
    if agreed is None or mine is None:
        return None
    same = [
        account
        for other in reversed(agreements.for_dataset(tx, agreed.counterparty, agreed.dataset, agreed.role))
        for account in _accounts_of(tx, node, other)
        if (account.terms.digest, account.ref) == (mine.terms.digest, mine.ref)
    ]
    return reduce(_together, same)


def pots(tx: Tx, node: Node) -> list[Pot]:
    """The bundles we are a signatory of: signed by anybody we heard of, or cited by an agreement of ours."""
    cited: dict[str, None] = dict.fromkeys(bundles.known(tx))
    filled: dict[str, dict[str, str]] = {}
    for agreed in agreements.in_force(tx):
        for citing in _bundles_of(tx, node, agreed):
            cited[citing.digest] = None
            slot = citing.slot_of(*_parties(node, agreed), agreed.dataset)
            if slot is not None:
                filled.setdefault(citing.digest, {})[slot.ref] = agreed.digest
    held = [bundle for digest in cited if (bundle := held_bundle(tx, digest)) is not None]
    return [Pot(each, filled.get(each.digest, {})) for each in held if node.participant in each.signatories]


def pot(tx: Tx, node: Node, bundle: Bundle) -> Pot:
    """One bundle with our agreements in its slots."""
    filled: dict[str, str] = {}
    for slot in bundle.agreements:
        if node.participant not in (slot.provider, slot.consumer):
            continue
        role = Role.PROVIDER if slot.provider == node.participant else Role.CONSUMER
        other = slot.consumer if role is Role.PROVIDER else slot.provider
        for agreed in agreements.for_dataset(tx, other, slot.product, role):
            if bundle.digest in _cited(node, agreed):
                filled[slot.ref] = agreed.digest
                break
    return Pot(bundle, filled)


def _accounts_of(tx: Tx, node: Node, agreed: Agreement) -> Iterator[Account]:
    provider, consumer = _parties(node, agreed)
    bundle = next(
        (each for each in _bundles_of(tx, node, agreed) if each.slot_of(provider, consumer, agreed.dataset)), None
    )
    slot = bundle.slot_of(provider, consumer, agreed.dataset) if bundle is not None else None
    for digest in _cited(node, agreed):
        terms = held_terms(tx, digest)
        if not isinstance(terms, Terms) or not terms.priced:
            continue
        if (terms.payee, terms.payer, terms.product) != (provider, consumer, agreed.dataset):
            continue
        ref = slot.ref if slot is not None else terms.id
        until = valid_until(node.plans.get(agreed.policy, agreed.document))
        yield Account(terms, ref, agreed.counterparty, (agreed.digest,), bundle, until)


def _together(first: Account, later: Account) -> Account:
    """An account and a renewal of it."""
    ends = (first.until, later.until)
    until = max(end for end in ends if end is not None) if None not in ends else None
    return replace(first, agreements=(*first.agreements, *later.agreements), until=until)


def _bundles_of(tx: Tx, node: Node, agreed: Agreement) -> Iterator[Bundle]:
    for digest in _cited(node, agreed):
        bundle = held_bundle(tx, digest)
        if bundle is not None:
            yield bundle


def _cited(node: Node, agreed: Agreement) -> tuple[str, ...]:
    """Digests of the terms that an agreement binds."""
    return terms_digests(node.plans.get(agreed.policy, agreed.document).policy)


def _parties(node: Node, agreed: Agreement) -> tuple[str, str]:
    """Provider and consumer."""
    ours = node.participant
    return (ours, agreed.counterparty) if agreed.role is Role.PROVIDER else (agreed.counterparty, ours)
