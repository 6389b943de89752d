"""Settlement beside the protocol: signatures of bundles, digests of statements, period input records, seals (revenue-share.md 7.2).

Each address takes a small JSON object of a member and answers with one, in one transaction. What is refused changes nothing but the
audit log; the body of a refusal names the member or row that is wrong.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

from aiohttp import web

from catalog.messages import catalog_error
from connector.dsp.inbound import JSON, Inbound, answering
from connector.errors import RefusedError, WeftError
from connector.exchange import bundles, documents, metering, settlement
from connector.exchange.node import Node
from connector.exchange.process import to_bytes
from connector.store import inbox, outbox
from connector.store.database import Tx
from contracts.errors import ContractError
from policies.canonical import is_digest, parse_json

# What is done with an object: (tx, node, sender, path parts, object, now) -> the answer, None for an empty one.
Work: TypeAlias = Callable[[Tx, Node, str, dict[str, str], dict[str, Any], datetime], dict[str, Any] | None]


def routes(inbound: Inbound, base: str) -> list[web.RouteDef]:
    statements, periods = (
        f"{base}/agreements/{{digest}}/statements/{{label}}",
        f"{base}/bundles/{{digest}}/periods/{{label}}",
    )
    return [
        web.get(f"{base}/bundles/{{digest}}/seals", _bundle_seals(inbound)),
        web.post(f"{base}/bundles/{{digest}}/seals", _taking(inbound, _bundle_seal, terms_needed=True)),
        web.post(statements, _taking(inbound, _statement)),
        web.post(f"{statements}/seals", _taking(inbound, _statement_seal)),
        web.get(periods, _period_input(inbound)),
        web.post(periods, _taking(inbound, _period)),
        web.post(f"{periods}/seals", _taking(inbound, _period_seal)),
        web.put(f"{base}/ledgers/{{label}}", _taking(inbound, _ledger)),
    ]


def addresses(base: str) -> dict[str, str]:
    """The extensions as `/.well-known/weft` lists them."""
    return {
        "bundles": f"{base}/bundles/{{digest}}/seals",
        "statements": f"{base}/agreements/{{digest}}/statements/{{label}}",
        "periods": f"{base}/bundles/{{digest}}/periods/{{label}}",
        "ledgers": f"{base}/ledgers/{{label}}",
    }


def _bundle_seal(
    tx: Tx, node: Node, sender: str, at: dict[str, str], signed: dict[str, Any], now: datetime
) -> dict[str, Any] | None:
    bundles.accept(tx, node, sender, at["digest"], signed, now)
    return None


def _statement(
    tx: Tx, node: Node, sender: str, at: dict[str, str], said: dict[str, Any], now: datetime
) -> dict[str, Any] | None:
    return settlement.receive_statement(tx, node, sender, at["digest"], at["label"], said, now)


def _statement_seal(
    tx: Tx, node: Node, sender: str, at: dict[str, str], signed: dict[str, Any], now: datetime
) -> dict[str, Any] | None:
    settlement.receive_statement_seal(tx, node, sender, at["digest"], at["label"], signed, now)
    return None


def _period(
    tx: Tx, node: Node, sender: str, at: dict[str, str], said: dict[str, Any], now: datetime
) -> dict[str, Any] | None:
    return settlement.receive_period(tx, node, sender, at["digest"], at["label"], said, now)


def _period_seal(
    tx: Tx, node: Node, sender: str, at: dict[str, str], signed: dict[str, Any], now: datetime
) -> dict[str, Any] | None:
    settlement.receive_period_seal(tx, node, sender, at["digest"], at["label"], signed, now)
    return None


def _ledger(
    tx: Tx, node: Node, sender: str, at: dict[str, str], said: dict[str, Any], now: datetime
) -> dict[str, Any] | None:
    return metering.receive_holder(tx, node, sender, at["label"], said, now)


def _taking(inbound: Inbound, work: Work, *, terms_needed: bool = False) -> Any:
    """Who speaks, what was said, one transaction, answer. With `terms_needed` an unknown text is fetched from the sender first."""
    node = inbound.node

    async def handler(request: web.Request) -> web.Response:
        speaker = await inbound.speaker(request)
        at = dict(request.match_info)
        document = parse_json(await inbound.body(request), max_depth=node.settings.message_depth)
        if not isinstance(document, dict) or ("digest" in at and not is_digest(at["digest"])):
            raise RefusedError("message-invalid", path="$", problem="is no object about a digest")
        said: dict[str, Any] = document
        sender = speaker.participant

        def taking(tx: Tx) -> dict[str, Any] | None:
            if not inbox.use_token(tx, sender, speaker.jti, speaker.expires):
                raise RefusedError("unauthorized")
            outbox.hasten(tx, sender, node.clock.now())
            return work(tx, node, sender, at, said, node.clock.now())

        try:
            if terms_needed:
                await documents.hold(node, sender, "terms", at["digest"])
            found = await node.db.transact(taking)
        except (ContractError, WeftError) as error:
            await _on_record(node, sender, request.path, error)
            raise error if isinstance(error, WeftError) else RefusedError(error.code, **error.facts) from error
        return web.Response(status=204) if found is None else web.Response(body=to_bytes(found), content_type=JSON)

    return answering(inbound, handler, _refusal)


async def _on_record(node: Node, sender: str, path: str, error: ContractError | WeftError) -> None:
    """A member's message was refused: that may matter in a dispute about money."""
    details: dict[str, Any] = {"path": path[:200], "text": str(error)[:1000]}
    await node.db.transact(
        lambda tx: node.audit.append(
            tx, "message.refused", actor=sender, peer=sender, reason=error.code, details=details
        )
    )


def _bundle_seals(inbound: Inbound) -> Any:
    async def handler(request: web.Request) -> web.Response:
        speaker = await inbound.reader(request)
        terms = request.match_info["digest"]
        found = await inbound.node.db.read(lambda tx: bundles.seals_for(tx, terms, speaker.participant))
        return web.Response(body=to_bytes({"terms": terms, "seals": found}), content_type=JSON)

    return answering(inbound, handler, _refusal)


def _period_input(inbound: Inbound) -> Any:
    async def handler(request: web.Request) -> web.Response:
        speaker = await inbound.reader(request)
        terms, label = request.match_info["digest"], request.match_info["label"]
        body = await inbound.node.db.read(lambda tx: settlement.record_for(tx, terms, label, speaker.participant))
        return web.Response(body=body, content_type=JSON)

    return answering(inbound, handler, _refusal)


def _refusal(code: str, text: str) -> bytes:
    return to_bytes(catalog_error(code, [text]))
