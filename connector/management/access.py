"""Who may use the management side: whoever sends a management key as `Authorization: Bearer …`.

The daemon keeps SHA-256 hashes only. A guess is not helped by time: what is looked up is the hash of what was sent, and what is
compared is the whole hash in constant time. Refused attempts are audited, at most one in a while, so that a flood of them does
not become a flood of records.
"""

import hmac

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from connector.clock import stamp
from connector.errors import AuthenticationError
from connector.exchange.node import Node
from connector.identity.bearer import hash_key, new_key
from connector.store.database import Tx

# Under which label the caller's key is known.
LABEL = web.RequestKey("label", str)
# One audit record per so many seconds tells of a flood as well as a million would.
REFUSAL_INTERVAL_S = 10.0


class Access:
    """The middleware that lets requests with a known key in."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._quiet_until_s = 0.0

    async def check(self, request: web.Request) -> str:
        """The label of the key that was sent; raises AuthenticationError management-key-missing, management-key-wrong."""
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            await self._refuse(request, "management-key-missing")
            raise AuthenticationError("management-key-missing")
        sent = hash_key(key.strip())
        found = await self._node.db.read(lambda tx: tx.one("management.key", hash=sent))
        if found is None or not hmac.compare_digest(str(found["hash"]), sent):
            await self._refuse(request, "management-key-wrong")
            raise AuthenticationError("management-key-wrong")
        return str(found["label"])

    async def _refuse(self, request: web.Request, code: str) -> None:
        node = self._node
        now_s = node.clock.monotonic()
        if now_s < self._quiet_until_s:
            return
        self._quiet_until_s = now_s + REFUSAL_INTERVAL_S
        details = {"side": "management", "path": request.path[:200], "from": request.remote or "-"}
        await node.db.transact(lambda tx: node.audit.append(tx, "authentication.refused", reason=code, details=details))

    def middleware(self) -> Middleware:
        @web.middleware
        async def keyed(request: web.Request, handler: Handler) -> web.StreamResponse:
            request[LABEL] = await self.check(request)
            return await handler(request)

        return keyed


def add_key(tx: Tx, node: Node, label: str, by: str) -> str:
    """Make a key, keep its hash, audit the act; returns the key, which is nowhere afterwards."""
    key = new_key()
    hashed = hash_key(key)
    tx.run("fact.add_key", hash=hashed, label=label, created=stamp(node.clock.now()))
    node.audit.append(tx, "admin.key-added", details={"label": label, "hash": hashed[:12], "by": by})
    return key
