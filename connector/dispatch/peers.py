"""What a peer can do beside the protocol: its document at `/.well-known/weft`, remembered, never assumed."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import orjson

from connector.clock import moment, stamp
from connector.dispatch.verdict import Verdict, judge
from connector.errors import UnreachableError
from connector.exchange.node import Node
from connector.store.database import Tx

LIMIT_BYTES = 16 * 1024
FRESH = timedelta(hours=24)
NAME = "weft"


def root_of(dsp: str) -> str:
    """The root of a member's protocol side: its DSP base without the version path."""
    return dsp.removesuffix("/dsp/2025-1")


class Peers:
    """What the peers of one node said, in the store and in memory."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._known: dict[str, tuple[bool, datetime]] = {}

    async def speak_weft(self, participant: str) -> bool:
        """Whether the peer's document lists Weft's extensions; raises UnreachableError when that cannot be learnt now."""
        now = self._node.clock.now()
        known = self._known.get(participant) or await self._node.db.read(lambda tx: _kept(tx, participant))
        if known is None or now - known[1] >= FRESH:
            known = (await self._ask(participant, now), now)
        self._known[participant] = known
        return known[0]

    async def _ask(self, participant: str, now: datetime) -> bool:
        node = self._node
        url = f"{root_of(node.members.current().member(participant).dsp)}/.well-known/weft"
        answer = await node.transport.request(
            "GET",
            url,
            participant=participant,
            headers={},
            limit_bytes=LIMIT_BYTES,
            timeout_s=node.settings.send_timeout_s,
        )
        if judge(answer.status) is Verdict.AGAIN:
            # Busy is no answer: remembered as one, it would silence everything beside the protocol for a day.
            raise UnreachableError("unreachable", url=url, cause=f"HTTP {answer.status}")
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


def _kept(tx: Tx, participant: str) -> tuple[bool, datetime] | None:
    row = tx.one("fact.peer", participant=participant)
    return None if row is None else (_is_weft(orjson.loads(row["document"])), moment(row["fetched"]))


def _is_weft(document: dict[str, Any]) -> bool:
    return document.get("name") == NAME and isinstance(document.get("version"), str)
