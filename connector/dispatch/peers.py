"""What a peer can do beside the protocol: its document at `/.well-known/weft`, remembered, never assumed."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any

import orjson

from connector.clock import moment, stamp
from connector.exchange.node import Node

LIMIT_BYTES = 16 * 1024
FRESH = timedelta(hours=24)
NAME = "weft"


def root_of(dsp: str) -> str:
    """The root of a member's protocol side: its DSP base without the version path."""
    return dsp.removesuffix("/dsp/2025-1")


async def speaks_weft(node: Node, participant: str) -> bool:
    """Whether the peer's document lists Weft's extensions; raises UnreachableError when that cannot be learnt now."""
    row = await node.db.read(lambda tx: tx.one("fact.peer", participant=participant))
    now = node.clock.now()
    if row is not None and now - moment(row["fetched"]) < FRESH:
        return _is_weft(orjson.loads(row["document"]))
    url = f"{root_of(node.members.current().member(participant).dsp)}/.well-known/weft"
    answer = await node.transport.request(
        "GET",
        url,
        participant=participant,
        headers={},
        limit_bytes=LIMIT_BYTES,
        timeout_s=node.settings.send_timeout_s,
    )
    document: dict[str, Any] = {}
    if answer.status == HTTPStatus.OK:
        try:
            parsed = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            parsed = {}
        document = parsed if isinstance(parsed, dict) else {}
    text = orjson.dumps(document).decode()
    await node.db.transact(
        lambda tx: tx.run("fact.set_peer", participant=participant, document=text, fetched=stamp(now))
    )
    return _is_weft(document)


def _is_weft(document: dict[str, Any]) -> bool:
    return document.get("name") == NAME and isinstance(document.get("version"), str)
