"""What the native API says about things: plain JSON, made from rows, with names and sentences in both languages."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from catalog.model import price_of
from catalog.reader import PeerDataset
from connector.management.desk import Desk
from connector.store import agreement as agreements
from connector.store import catalog, counter
from connector.store import transfer as transfers
from connector.store.agreement import Agreement
from connector.store.audit import KeptRecord
from connector.store.database import Tx
from connector.store.delivery import Delivery
from contracts.machine import Role
from contracts.negotiation import table as negotiation_table
from contracts.negotiation.model import Negotiation
from contracts.transfer import table as transfer_table
from contracts.transfer.messages import PUSH
from contracts.transfer.model import Transfer
from policies.columns import parse_list
from policies.compare import policy_digest
from policies.compile import compile_policy
from policies.enforcement import REFUSED, enforcement
from policies.errors import PolicyError
from policies.explain import explain
from policies.facts import static_problems, terms_digests, valid_until
from policies.parse import parse_policy
from policies.vocabulary import TRANSFORM, USE

Json = dict[str, Any]
LANGUAGES = ("en", "zh")

# What a person calls the messages that a person decides about; the others follow by themselves.
_NEGOTIATION_VERBS = {
    (Role.CONSUMER, negotiation_table.Trigger.REQUEST): "counter",
    (Role.PROVIDER, negotiation_table.Trigger.OFFER): "counter",
    (Role.CONSUMER, negotiation_table.Trigger.ACCEPTED): "accept",
    (Role.PROVIDER, negotiation_table.Trigger.AGREEMENT): "agree",
    (Role.CONSUMER, negotiation_table.Trigger.TERMINATION): "terminate",
    (Role.PROVIDER, negotiation_table.Trigger.TERMINATION): "terminate",
}
_TRANSFER_VERBS = {
    transfer_table.Trigger.SUSPENSION: "suspend",
    transfer_table.Trigger.COMPLETION: "complete",
    transfer_table.Trigger.TERMINATION: "terminate",
}


def named(desk: Desk, lang: str) -> Callable[[str], str]:
    """What participants are called in one language; everything else is called what it is."""
    return lambda identifier: desk.name_of(identifier).get(lang) or identifier


def negotiation(desk: Desk, found: Negotiation) -> Json:
    """A negotiation: where it stands, what we can do, whose turn it is."""
    allowed = [
        verb
        for trigger in negotiation_table.MACHINE.allowed(found.state, found.role)
        if found.state is not None and (verb := _NEGOTIATION_VERBS.get((found.role, trigger)))
    ]
    ended = found.state in negotiation_table.MACHINE.terminal
    return {
        "id": found.pid,
        "role": found.role.value,
        "counterparty": found.counterparty,
        "counterparty_name": desk.name_of(found.counterparty),
        "peer_pid": found.peer_pid,
        "state": found.state.value if found.state else None,
        "dataset": found.dataset,
        "offer": dict(found.offer),
        "offer_digest": digest_of_terms(found.offer),
        "offered_by": found.offered_by.value,
        "approval": found.approval,
        "agreement": found.agreement or None,
        "code": found.code,
        "reason": found.reason,
        "allowed": allowed,
        "waiting_for": "nobody" if ended else "us" if set(allowed) - {"terminate"} else "counterparty",
        "created": found.created,
        "updated": found.updated,
    }


def transfer(desk: Desk, found: Transfer) -> Json:
    """A transfer: where it stands and what we can do. The data address holds a token and is not shown."""
    sendable = transfer_table.MACHINE.allowed(found.state, found.role) if found.state is not None else ()
    allowed = [verb for trigger in sendable if (verb := _TRANSFER_VERBS.get(trigger))]
    if found.state is transfer_table.State.SUSPENDED and found.suspended_by in ("", found.role.value):
        allowed.insert(0, "resume")
    ended = found.state in transfer_table.MACHINE.terminal
    fetching = found.role is (Role.PROVIDER if found.format == PUSH else Role.CONSUMER)  # whose turn a running one is
    ours = found.state is transfer_table.State.STARTED and fetching
    return {
        "id": found.pid,
        "role": found.role.value,
        "counterparty": found.counterparty,
        "counterparty_name": desk.name_of(found.counterparty),
        "peer_pid": found.peer_pid,
        "state": found.state.value if found.state else None,
        "agreement": found.agreement,
        "dataset": found.dataset,
        "format": found.format,
        "purpose": found.purpose,
        "suspended_by": found.suspended_by,
        "code": found.code,
        "reason": found.reason,
        "allowed": allowed,
        "waiting_for": "nobody" if ended else "us" if ours or "resume" in allowed else "counterparty",
        "created": found.created,
        "updated": found.updated,
    }


def agreement(tx: Tx, desk: Desk, found: Agreement, *, whole: bool = False) -> Json:
    """An agreement with what is left of it; `whole` adds its rules in words and its seals."""
    document = found.document
    plan = desk.node.plans.get(found.policy, document)
    until = valid_until(plan)
    shown: Json = {
        "digest": found.digest,
        "id": found.id,
        "negotiation": found.negotiation,
        "role": found.role.value,
        "counterparty": found.counterparty,
        "counterparty_name": desk.name_of(found.counterparty),
        "dataset": found.dataset,
        "offer": found.offer,
        # The digest of the same rules as an offer: what somebody may have consented to before.
        "offer_digest": digest_of_terms({**document, "@type": "Offer"}),
        "policy": found.policy,
        "document": document,
        "in_force": found.in_force or None,
        "created": found.created,
        "valid_until": until.isoformat() if until is not None else None,
        "price": _price(tx, document),
        "remaining": _remaining(tx, desk, found),
    }
    if whole:
        sealed = agreements.seals(tx, found.digest)
        shown |= {
            **words(document),
            "seals": [{"signatory": signatory, **signed} for signatory, signed in sealed.items()],
        }
    return shown


def delivery(tx: Tx, desk: Desk, found: Delivery, *, whole: bool = False) -> Json:
    """A delivery; `whole` adds the signed manifest and receipt."""
    under = transfers.get(tx, found.transfer)
    shown: Json = {
        "id": found.id,
        "role": found.role.value,
        "transfer": found.transfer,
        "agreement": found.agreement,
        "counterparty": found.counterparty,
        "counterparty_name": desk.name_of(found.counterparty),
        "dataset": found.dataset,
        "purpose": under.purpose if under is not None else "",
        "columns": list(parse_list(found.columns)) if found.columns else None,
        "state": found.state.value,
        "size": found.size,
        "verified_bytes": found.verified,
        "chunk": found.chunk,
        "root": found.root,
        "rows": found.rows,
        "counted": found.counted,
        "path": found.path,
        "code": found.code,
        "reason": found.reason,
        "created": found.created,
        "updated": found.updated,
    }
    if whole:
        shown |= {"manifest": found.signed_manifest, "receipt": found.signed_receipt}
    return shown


def record(found: KeptRecord) -> Json:
    """A record of the audit log; `details` are None once they were erased."""
    entry = found.record
    return {
        "seq": found.seq,
        "time": entry.get("ts"),
        **{name: entry.get(name) for name in ("type", "actor", "peer", "agreement", "policy", "decision", "reason")},
        "refs": entry.get("refs", []),
        "details": found.details,
        "trace": entry.get("trace"),
    }


def peer_dataset(desk: Desk, found: PeerDataset, provider: str) -> Json:
    """A dataset of a catalog; prices stand with the offers they belong to."""
    shown = found.model_dump(mode="json", exclude={"offers", "prices", "services", "owner", "formats"})
    return {
        **shown,
        "provider": provider,
        "provider_name": desk.name_of(provider),
        "prices": [price.model_dump(mode="json") for price in found.prices.values()],
        "offer_ids": [str(offer.get("@id", "")) for offer in found.offers],
    }


def offer(desk: Desk, document: Mapping[str, Any], *, dataset: str, provider: str, price: Json | None) -> Json:
    """An offer for whoever may consent to it: each rule in words, its class, and what keeps us from accepting it."""
    node = desk.node
    shown: Json = {
        "id": str(document.get("@id", "")),
        "policy": dict(document),
        "digest": digest_of_terms(document),
        "dataset": dataset,
        "provider": provider,
        "price": price,
        "terms": [],
        "transforms": [],
        "problems": [],
        "acceptable": False,
    }
    try:
        plan = compile_policy(parse_policy(document))
    except PolicyError as error:
        return shown | {"sentences": {lang: [str(error)] for lang in LANGUAGES}, "enforcement": []}
    member = desk.member_list.get(node.participant)
    problems = static_problems(plan, node.participant, member.region if member else None, node.clock.now())
    told = words(document)
    return shown | {
        **told,
        "terms": list(terms_digests(plan.policy)),
        "transforms": sorted(_transforms(document)),
        "problems": [{lang: problem.sentence(lang) for lang in LANGUAGES} for problem in problems],
        "acceptable": not problems and all(rule["class"] != REFUSED for rule in told["enforcement"]),
    }


def words(document: Mapping[str, Any]) -> Json:
    """The rules of a policy as sentences in both languages, and the class of each."""
    parsed = parse_policy(document)
    return {
        "sentences": {lang: explain(parsed, lang) for lang in LANGUAGES},
        "enforcement": enforcement(parsed),
    }


def _remaining(tx: Tx, desk: Desk, found: Agreement) -> list[Json]:
    """The counted windows that hold now. Only the provider counts: a consumer knows the limit, not what is left."""
    plan = desk.node.plans.get(found.policy, found.document)
    windows = plan.counters(USE, desk.node.clock.now())
    if found.role is Role.CONSUMER:
        return [{"window": window.window, "limit": window.limit} for window in windows]
    used = counter.used(tx, found.digest, windows)
    return [
        {
            "window": window.window,
            "limit": window.limit,
            "used": used[window.key],
            "left": max(window.limit - used[window.key], 0),
        }
        for window in windows
    ]


def _price(tx: Tx, document: Mapping[str, Any]) -> Json | None:
    """The price that the first terms document of a policy names, if we hold it."""
    for digest in terms_digests(parse_policy(document)):
        kept = catalog.document(tx, digest)
        if kept is not None:
            price = price_of(orjson.loads(kept.body))
            if price is not None:
                return price.model_dump(mode="json")
    return None


def digest_of_terms(document: Mapping[str, Any]) -> str:
    """The policy digest of an offer, `""` for a document that has no canonical form."""
    try:
        return policy_digest(document)
    except PolicyError:
        return ""


def _transforms(value: Any) -> set[str]:
    """Right operands of every constraint on a transform, at any depth."""
    if isinstance(value, Mapping):
        found = {str(value.get("rightOperand"))} if value.get("leftOperand") == TRANSFORM else set()
        return found.union(*(_transforms(member) for member in value.values()))
    if isinstance(value, list):
        return set().union(*(_transforms(element) for element in value))
    return set()
