"""A repeated request gets the answer of the first: the caller's `Idempotency-Key` decides, never the content alone.

Equal key and equal request: the recorded answer. Equal key and another request: a named error. The commands that open a process
know the key themselves, in the transaction that opens it, so that a crash before the answer was recorded opens no second one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from weakref import WeakValueDictionary

from aiohttp import web

from connector.clock import micros
from connector.errors import RefusedError
from connector.exchange.node import Node
from connector.store.database import Tx
from policies.canonical import digest

HEADER = "Idempotency-Key"
KEY_LIMIT = 200
# Nobody repeats a request after a week.
KEPT_S = 7 * 86400
_FIRST_ERROR_STATUS = 400

Answering = Callable[[web.Request], Awaitable[web.Response]]


class Repeats:
    """Remembers the answers of changing requests."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def once(self, handler: Answering) -> Answering:
        """The handler, run at most once per key. Raises RefusedError idempotency-key-reused."""

        async def answering(request: web.Request) -> web.Response:
            key = request.headers.get(HEADER, "")
            if not key:
                return await handler(request)
            if len(key) > KEY_LIMIT:
                raise RefusedError("request-invalid", path=HEADER, problem=f"is longer than {KEY_LIMIT} characters")
            asked = digest(b"\n".join([request.method.encode(), request.path_qs.encode(), await request.read()]))
            lock = self._locks.setdefault(key, asyncio.Lock())
            async with lock:
                known = await self._node.db.read(lambda tx: tx.one("management.reply", key=key))
                if known is not None:
                    if known["request"] != asked:
                        raise RefusedError("idempotency-key-reused", key=key)
                    return web.Response(
                        body=bytes(known["body"]), status=int(known["status"]), content_type="application/json"
                    )
                answer = await handler(request)
                if answer.status < _FIRST_ERROR_STATUS:
                    await self._keep(key, asked, answer)
                return answer

        return answering

    async def _keep(self, key: str, asked: str, answer: web.Response) -> None:
        now = self._node.clock.now()
        body = answer.body if isinstance(answer.body, bytes) else b""
        await self._node.db.transact(lambda tx: _keep(tx, key, asked, answer.status, body, now))


def _keep(tx: Tx, key: str, asked: str, status: int, body: bytes, now: datetime) -> None:
    at_us = micros(now)
    tx.run("management.keep_reply", key=key, request=asked, status=status, body=body, at_us=at_us)
    tx.run("management.forget_replies", before_us=at_us - KEPT_S * 1_000_000)
