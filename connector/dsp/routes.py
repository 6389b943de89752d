"""Addresses of the protocol side (DSP 2025-1, HTTPS binding; both roles under one base, as our callback address is that base).

Beside the protocol stand Weft's extensions: terms, transforms, seals, and the document at `/.well-known/weft` that lists them.
"""

from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from catalog import discovery
from catalog.messages import Service, catalog_error
from connector.dsp import catalog as catalog_routes
from connector.dsp import settlement as settlement_routes
from connector.dsp.inbound import JSON, Inbound, Route, answering
from connector.errors import RefusedError
from connector.exchange import seals
from connector.exchange.node import Node
from connector.exchange.process import NEGOTIATION, TRANSFER, Protocol, to_bytes
from connector.store import agreement as agreements
from connector.store import catalog, inbox
from connector.store.database import Tx
from contracts.errors import ContractError
from contracts.negotiation import messages as said
from contracts.negotiation.table import Trigger
from contracts.transfer import messages as moved
from contracts.transfer.table import Trigger as TransferTrigger
from policies.canonical import is_digest, parse_json

BASE = "/dsp/2025-1"
VERSION = discovery.VERSION


def _negotiation(model: Any, trigger: Trigger) -> Route:
    return Route(NEGOTIATION, model, lambda _message: trigger)


def _transfer(model: Any, trigger: TransferTrigger) -> Route:
    return Route(TRANSFER, model, lambda _message: trigger)


_EVENT = Route(
    NEGOTIATION,
    said.ContractNegotiationEventMessage,
    lambda message: Trigger.ACCEPTED if message.event_type == "ACCEPTED" else Trigger.FINALIZED,
)
MESSAGES: dict[str, Route] = {
    "/negotiations/request": _negotiation(said.ContractRequestMessage, Trigger.REQUEST),
    "/negotiations/offers": _negotiation(said.ContractOfferMessage, Trigger.OFFER),
    "/negotiations/{pid}/request": _negotiation(said.ContractRequestMessage, Trigger.REQUEST),
    "/negotiations/{pid}/offers": _negotiation(said.ContractOfferMessage, Trigger.OFFER),
    "/negotiations/{pid}/agreement": _negotiation(said.ContractAgreementMessage, Trigger.AGREEMENT),
    "/negotiations/{pid}/agreement/verification": _negotiation(
        said.ContractAgreementVerificationMessage, Trigger.VERIFICATION
    ),
    "/negotiations/{pid}/events": _EVENT,
    "/negotiations/{pid}/termination": _negotiation(said.ContractNegotiationTerminationMessage, Trigger.TERMINATION),
    "/transfers/request": _transfer(moved.TransferRequestMessage, TransferTrigger.REQUEST),
    "/transfers/{pid}/start": _transfer(moved.TransferStartMessage, TransferTrigger.START),
    "/transfers/{pid}/suspension": _transfer(moved.TransferSuspensionMessage, TransferTrigger.SUSPENSION),
    "/transfers/{pid}/completion": _transfer(moved.TransferCompletionMessage, TransferTrigger.COMPLETION),
    "/transfers/{pid}/termination": _transfer(moved.TransferTerminationMessage, TransferTrigger.TERMINATION),
}


def routes(node: Node) -> list[web.RouteDef]:
    """Everything below the protocol side but the data itself."""
    inbound = Inbound(node)
    served = [web.post(BASE + path, _message(inbound, route)) for path, route in MESSAGES.items()]
    served += [
        web.get(f"{BASE}/negotiations/{{pid}}", _process(inbound, NEGOTIATION)),
        web.get(f"{BASE}/transfers/{{pid}}", _process(inbound, TRANSFER)),
        web.get(f"{BASE}/terms/{{digest}}", _document(inbound, "terms")),
        web.get(f"{BASE}/transforms/{{digest}}", _document(inbound, "transform")),
        web.get(f"{BASE}/agreements/{{digest}}/seals", _seals(inbound)),
        web.put(f"{BASE}/agreements/{{digest}}/seals", _put_seal(inbound)),
        *catalog_routes.routes(inbound, BASE),
        *settlement_routes.routes(inbound, BASE),
        web.get("/.well-known/dspace-version", _versions(node)),
        web.get("/dsp/.well-known/dspace-version", _versions(node)),
        web.get("/.well-known/weft", _extensions(node)),
        *_did_document(node),
        web.get("/health", _health(node)),
    ]
    return served


def _message(inbound: Inbound, route: Route) -> Any:
    async def handler(request: web.Request) -> web.Response:
        return await inbound.message(request, route)

    return handler


def _process(inbound: Inbound, protocol: Protocol[Any]) -> Any:
    """A process as its two parties may see it; for everybody else it does not exist."""

    async def handler(request: web.Request) -> web.Response:
        speaker = await inbound.reader(request)
        pid = request.match_info["pid"]
        process = await inbound.node.db.read(lambda tx: protocol.get(tx, pid))
        if process is None or process.counterparty != speaker.participant or process.state is None:
            raise RefusedError("process-unknown", pid=pid)
        return web.Response(body=to_bytes(protocol.acknowledgement(process)), content_type=JSON)

    def error(code: str, text: str) -> bytes:
        unknown = "urn:uuid:00000000-0000-0000-0000-000000000000"
        return to_bytes(protocol.refusal(unknown, unknown, code, [text]))

    return answering(inbound, handler, error)


def _catalog_error(code: str, text: str) -> bytes:
    return to_bytes(catalog_error(code, [text]))


def _document(inbound: Inbound, kind: str) -> Any:
    """Terms and transforms are for every member of the space, by digest."""

    async def handler(request: web.Request) -> web.Response:
        await inbound.reader(request)
        digest = request.match_info["digest"]
        found = await inbound.node.db.read(lambda tx: catalog.document(tx, digest))
        if found is None or found.kind != kind:
            raise RefusedError("document-unknown", digest=digest[:100])
        return web.Response(
            body=found.body, content_type=JSON, headers={"ETag": f'"{digest}"', "Cache-Control": "private, immutable"}
        )

    return answering(inbound, handler, _catalog_error)


def _seals(inbound: Inbound) -> Any:
    async def handler(request: web.Request) -> web.Response:
        speaker = await inbound.reader(request)
        digest = request.match_info["digest"]

        def work(tx: Tx) -> list[dict[str, Any]] | None:
            agreed = agreements.get(tx, digest)
            if agreed is None or agreed.counterparty != speaker.participant:
                return None
            return list(agreements.seals(tx, digest).values())

        found = await inbound.node.db.read(work)
        if found is None:
            raise RefusedError("agreement-unknown", agreement=digest[:100])
        return web.Response(body=to_bytes({"agreement": digest, "seals": found}), content_type=JSON)

    return answering(inbound, handler, _catalog_error)


def _put_seal(inbound: Inbound) -> Any:
    async def handler(request: web.Request) -> web.Response:
        node = inbound.node
        speaker = await inbound.speaker(request)
        digest = request.match_info["digest"]
        document = parse_json(await inbound.body(request), max_depth=node.settings.message_depth)
        if not isinstance(document, dict) or not is_digest(digest):
            raise RefusedError("seal-invalid", problem="not a signed document over an agreement digest")

        def work(tx: Tx) -> bytes | None:
            if not inbox.use_token(tx, speaker.participant, speaker.jti, speaker.expires):
                raise RefusedError("unauthorized")
            try:
                seals.accept_theirs(tx, node, speaker.participant, digest, document, node.clock.now())
            except ContractError as error:
                raise RefusedError("seal-invalid", problem=str(error)) from error
            return seals.exchanged(tx, node, digest)

        ours = await node.db.transact(work)
        return web.Response(status=204) if ours is None else web.Response(body=ours, content_type=JSON)

    return answering(inbound, handler, _catalog_error)


def _versions(node: Node) -> Any:
    """Our one version, below the host and below `/dsp`: root and path together are the base in both (DSP 2025-1, versions).

    `serviceId` is the id that our DataService has in the catalog and in a DID document. While test_mock_identity holds, nobody
    proves anything, so that no `auth` is named.
    """
    entry: dict[str, Any] = {
        "version": discovery.VERSION,
        "path": BASE,
        "binding": discovery.BINDING,
        "serviceId": Service.of(node.participant, node.base).id,
        "identifierType": discovery.identifier_type(node.participant),
    }
    if not node.settings.test_mock_identity:
        entry["auth"] = {"protocol": "Weft member list", "version": "1", "profile": ["jwt/es256"]}
    below_host = to_bytes({"protocolVersions": [entry]})
    below_dsp = to_bytes({"protocolVersions": [{**entry, "path": f"/{VERSION}"}]})

    async def handler(request: web.Request) -> web.Response:
        body = below_dsp if request.path.startswith("/dsp/") else below_host
        return web.Response(body=body, content_type=JSON)

    return handler


def did_services(node: Node) -> list[dict[str, Any]]:
    """The `service` entries of our DID document (DSP 2025-1, discovery): where our catalog and our version document lie."""
    return discovery.did_services(node.participant, node.base, node.base.removesuffix(f"/{VERSION}"))


def _did_document(node: Node) -> list[web.RouteDef]:
    """The DID document, where our identifier is the did:web of this very host; else its owner publishes it elsewhere.

    It says where we are, not who we are: keys of members come from the signed list.
    """
    place = discovery.did_web_place(node.participant)
    if place is None or place[0] != urlsplit(node.base).netloc.lower():
        return []
    body = to_bytes(discovery.did_document(node.participant, did_services(node)))

    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=JSON)

    return [web.get(place[1], handler)]


def _extensions(node: Node) -> Any:
    document = {
        "name": "weft",
        "version": "1",
        "participantId": node.participant,
        "service": did_services(node),
        "extensions": {
            "seals": f"{node.base}/agreements/{{digest}}/seals",
            "terms": f"{node.base}/terms/{{digest}}",
            "transforms": f"{node.base}/transforms/{{digest}}",
            **settlement_routes.addresses(node.base),
            "sealedTransfer": {"manifest": "tm/1", "receipt": "rc/1", "leaf": ["sha-256"]},
        },
    }

    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=to_bytes(document), content_type=JSON)

    return handler


def _health(node: Node) -> Any:
    """Whether the store answers. It says nothing else: anybody may ask."""

    async def handler(_request: web.Request) -> web.Response:
        await node.db.read(lambda tx: tx.one("outbox.depth"))
        return web.Response(body=b'{"status":"up"}', content_type=JSON)

    return handler
