"""Terms and transforms that an offer binds by digest: fetched from the provider and checked before anything is agreed.

They are served under `<DSP base>/terms/sha-256:…` and `/transforms/sha-256:…` (revenue-share.md, 7.2; data-planes.md): whoever
agrees has read exactly the bytes whose digest stands in the policy.
"""

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from connector.errors import RefusedError, UnreachableError
from connector.exchange.node import Node
from connector.store import catalog
from connector.store.database import Tx
from policies.canonical import digest
from policies.compare import policy_digest
from policies.facts import required_transforms, terms_digests
from policies.vocabulary import DERIVE, USE

LIMIT_BYTES = 1024 * 1024


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


async def fetch(node: Node, provider: str, policy: Mapping[str, Any]) -> None:
    """Fetch and keep every document the policy names and we do not hold; raises RefusedError `document-differs`."""
    plan = node.plans.get(policy_digest(policy), policy)
    wanted = [("terms", item) for item in terms_digests(plan.policy)]
    wanted += [("transforms", item) for action in (USE, DERIVE) for item in required_transforms(plan, action)]
    if not wanted:
        return

    def missing(tx: Tx) -> list[tuple[str, str]]:
        return [(folder, item) for folder, item in wanted if catalog.document(tx, item) is None]

    base = node.members.current().member(provider).dsp
    for folder, item in await node.db.read(missing):
        status, body = await get(node, provider, f"{base}/{folder}/{item}")
        if status != HTTPStatus.OK:
            raise UnreachableError("document-unavailable", digest=item, participant=provider, status=status)
        if digest(body) != item:
            raise RefusedError("document-differs", digest=item, found=digest(body), participant=provider)
        kind: catalog.DocumentKind = "terms" if folder == "terms" else "transform"
        await node.db.transact(partial(catalog.put_document, kind=kind, body=body))
