"""Terms and transforms that an offer binds by digest: fetched from who cites them and checked before anything is agreed.

They are served under `<DSP base>/terms/sha-256:…` and `/transforms/sha-256:…` (revenue-share.md, 7.2; data-planes.md): whoever
agrees has read exactly the bytes whose digest stands in the policy, and can settle by them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

from connector.errors import RefusedError, UnreachableError
from connector.exchange.node import Node
from connector.store import catalog
from connector.store.catalog import DocumentKind
from connector.store.database import Tx
from contracts.errors import TermsError
from contracts.settlement.fit import check_fit
from contracts.settlement.terms import parse_terms
from policies.canonical import JsonValue, canonical, digest
from policies.compare import policy_digest
from policies.facts import required_transforms, terms_digests
from policies.vocabulary import DERIVE, USE

LIMIT_BYTES = 1024 * 1024
FOLDERS: Mapping[DocumentKind, str] = {"terms": "terms", "transform": "transforms"}


async def learn(node: Node, participant: str, document: Mapping[str, Any]) -> None:
    """Note what the `@context` of a member's answer shows of the connector it runs."""
    context = document.get("@context")
    if node.peers.news(participant, context):
        await node.db.transact(lambda tx: node.peers.note(tx, participant, context))


async def get(node: Node, participant: str, url: str, *, limit_bytes: int = LIMIT_BYTES) -> tuple[int, bytes]:
    """A GET with our token at an address of a member; raises RefusedError (guard) and UnreachableError."""
    headers = {"Authorization": await node.identity.authorisation(participant), "Accept": "application/json"}
    answer = await node.transport.request(
        "GET",
        url,
        participant=participant,
        headers=headers,
        limit_bytes=limit_bytes,
        timeout_s=node.settings.send_timeout_s,
    )
    return answer.status, answer.body


async def fetch(node: Node, participant: str, policy: Mapping[str, Any], *, dataset: str, provider: str) -> None:
    """Fetch and keep every document a policy names and we do not hold, from the member who put it on the table.

    Terms must be such that an agreement between `provider` and the other of us two can be settled by. Raises RefusedError
    `document-differs`, `terms-invalid`; UnreachableError `document-unavailable`.
    """
    plan = node.plans.get(policy_digest(policy), policy)
    cited = terms_digests(plan.policy)
    for name in dict.fromkeys(each for action in (USE, DERIVE) for each in required_transforms(plan, action)):
        await hold(node, participant, "transform", name)
    consumer = participant if provider == node.participant else node.participant
    for name in cited:
        body = await hold(node, participant, "terms", name)
        with refused(name, participant):
            check_fit(parse_terms(body), provider=provider, consumer=consumer, product=dataset)


async def hold(node: Node, participant: str, kind: DocumentKind, name: str) -> bytes:
    """The bytes of a document by its digest: those we hold, else fetched from a member, checked and kept.

    Raises as `fetch`.
    """
    kept = await node.db.read(lambda tx: catalog.document(tx, name))
    if kept is not None and kept.kind == kind:
        return kept.body
    base = await node.bases.of(participant)
    status, body = await get(node, participant, f"{base}/{FOLDERS[kind]}/{name}")
    if status != HTTPStatus.OK:
        raise UnreachableError("document-unavailable", digest=name, participant=participant, status=status)
    if digest(body) != name:
        raise RefusedError("document-differs", digest=name, found=digest(body), participant=participant)
    if kind == "terms":
        with refused(name, participant):
            parse_terms(body)
    await node.db.transact(partial(catalog.put_document, kind=kind, body=body))
    return body


async def keep_terms(node: Node, document: Mapping[str, JsonValue], *, by: str) -> str:
    """Keep a terms document of ours, so that we can ask for it and serve it; returns its digest. `by` is who brought it.

    Raises RefusedError `terms-invalid`, CanonicalError.
    """
    body = canonical(dict(document))
    name = digest(body)
    with refused(name, node.participant):
        parse_terms(body)

    def work(tx: Tx) -> None:
        if catalog.document(tx, name) is None:
            catalog.put_document(tx, "terms", body)
            node.audit.append(
                tx, "admin.terms-kept", actor=node.participant, refs=[f"terms:{name}"], details={"by": by}
            )

    await node.db.transact(work)
    return name


@contextmanager
def refused(name: str, participant: str) -> Iterator[None]:
    """Terms that nothing can be settled by are refused with their digest and with whose they are."""
    try:
        yield
    except TermsError as error:
        raise RefusedError(error.code, **error.facts, digest=name, participant=participant) from error
