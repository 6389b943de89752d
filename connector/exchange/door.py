"""The door of the protocol side: who speaks is asked here, for messages, reads and data alike.

A token of a read serves once, too, but is remembered in memory; that of a message is recorded in its transaction. Failed
authentications are counted and logged; so many of them per minute are audited, so that a stranger cannot fill our disk.
"""

from typing import TYPE_CHECKING, Any

import structlog

from connector.errors import AuthenticationError, StoreError
from connector.identity.tokens import CLOCK_CODES, SeenTokens, Speaker

if TYPE_CHECKING:
    from connector.exchange.node import Node

_log = structlog.get_logger("weft.door")
AUDITED_PER_MINUTE = 60
TEXT_LIMIT = 200


class Door:
    """One for each node."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._seen = SeenTokens()
        self._minute = 0
        self._audited = 0

    async def speaker(self, header: str | None) -> Speaker:
        """Who sent a request with this `Authorization` value; raises AuthenticationError, which the edge hands to `refused`."""
        speaker = await self._node.identity.speaker(header)
        for tell in self._node.heard:
            tell(speaker.participant)
        return speaker

    async def reader(self, header: str | None) -> Speaker:
        """Like `speaker`, for reads: the token is remembered until it expires and serves once."""
        speaker = await self.speaker(header)
        self._seen.remember(speaker, self._node.clock.now())
        return speaker

    async def refused(self, error: AuthenticationError, path: str, remote: str | None) -> None:
        """Count, log and (so many per minute) audit a failed authentication.

        Where the store cannot take the record, the log line stands alone: who proved nothing is refused all the same.
        """
        node = self._node
        node.counters.add("weft_requests_refused_total", reason=error.code)
        # Of a member's clock only: what else a token says may be a stranger's own words.
        times = error.facts if error.code in CLOCK_CODES else {}
        _log.warning("authentication.refused", code=error.code, path=path, remote=remote, **times)
        minute = int(node.clock.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._audited = minute, 0
        if self._audited >= AUDITED_PER_MINUTE:
            return
        self._audited += 1
        facts = {name: str(value)[:TEXT_LIMIT] for name, value in error.facts.items()}
        details: dict[str, Any] = {"path": path[:TEXT_LIMIT], "remote": remote or "", "facts": facts}
        try:
            await node.db.transact(
                lambda tx: node.audit.append(tx, "authentication.refused", reason=error.code, details=details)
            )
        except StoreError as outage:
            _log.error("authentication.unrecorded", code=error.code, problem=str(outage))
