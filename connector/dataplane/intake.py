"""Consumer side, the inbox: where a provider sends what we asked it to push (data-planes.md 5.1).

    POST  /inbox/{pid}            opened by the token of our request, as a bearer token or raw
    POST  /inbox/{pid}/{token}    the same with the token in the path: EDC sends to `baseUrl` and adds no header to it

Answered with 200 only when the bytes are a file of ours and durable. A POST that comes while another one is under way replaces it:
a provider that begins again has given the earlier one up.
"""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Never

import structlog
from aiohttp import ClientPayloadError, web
from aiohttp.http import HttpProcessingError

from connector.dataplane.arrival import TOO_LARGE, Posted
from connector.dataplane.http import problem
from connector.dataplane.receive import Receiver
from connector.dataplane.remote import RemoteRefusal
from connector.dataplane.standing import SUSPENDED
from connector.errors import (
    AuthenticationError,
    RefusedError,
    StoreError,
    UnreachableError,
    VerificationError,
    WeftError,
)
from connector.exchange.node import Node
from connector.exchange.stop import BY_REMEDY
from connector.store import delivery as deliveries
from connector.store import transfer as transfers
from connector.store.database import Tx
from connector.store.delivery import Delivery
from contracts.errors import ContractError
from contracts.machine import Role
from contracts.transfer.messages import PUSH, DataAddress

_log = structlog.get_logger("weft.data")

READ_BYTES = 256 * 1024
# Compared where there is no transfer, so that the time of an answer does not tell whether there is one.
_NO_TOKEN = secrets.token_urlsafe(32)
# Refusals that pass: the provider may try again.
_STATUS = {SUSPENDED: HTTPStatus.CONFLICT, BY_REMEDY: HTTPStatus.CONFLICT}


class Inbox:
    """What is taken in, for one node."""

    def __init__(self, node: Node, receiver: Receiver) -> None:
        self._node = node
        self._receiver = receiver
        # POSTs under way, by delivery: in which order they came, and their task.
        self._taking: dict[str, tuple[int, asyncio.Task[None]]] = {}
        self._numbers = itertools.count()

    def serve(self, app: web.Application) -> None:
        """Add everything below `/inbox`; a stop does not wait for senders, they send again."""
        app.add_routes([web.post("/inbox/{pid}", self.post), web.post("/inbox/{pid}/{token}", self.post)])
        app.on_shutdown.append(self._stop)

    async def _stop(self, _app: web.Application) -> None:
        for _, task in list(self._taking.values()):
            task.cancel()

    async def post(self, request: web.Request) -> web.StreamResponse:
        # The path is never logged: it may hold the token.
        pid, number = request.match_info["pid"], next(self._numbers)
        try:
            delivery = await self._opened(pid, _token(request))
            await self._take(delivery, request, number)
        except AuthenticationError as error:
            await self._node.door.refused(error, f"/inbox/{pid}", request.remote)
            return problem(error)
        except OSError as error:
            return self._refused(pid, StoreError("received-unwritable", problem=error.strerror or str(error)))
        except ContractError as error:
            return self._refused(pid, RefusedError(error.code, **error.facts), HTTPStatus.UNPROCESSABLE_ENTITY)
        except WeftError as error:
            return self._refused(pid, error, _status(error))
        return web.Response()

    def _refused(self, pid: str, error: WeftError, status: int | None = None) -> web.Response:
        _log.info("push.refused", transfer=pid, code=error.code)
        return problem(error, status)

    async def _opened(self, pid: str, token: str) -> Delivery:
        """The delivery that is expected under a transfer; one answer for an unknown transfer and for a wrong token."""

        def work(tx: Tx) -> tuple[str, Delivery | None]:
            transfer = transfers.get(tx, pid)
            if transfer is None or transfer.role is not Role.CONSUMER or transfer.format != PUSH:
                return _NO_TOKEN, None
            return DataAddress.model_validate(transfer.data_address).token, deliveries.of_transfer(tx, pid)[0]

        expected, delivery = await self._node.db.read(work)
        if not secrets.compare_digest(expected.encode(), token.encode()) or delivery is None:
            raise AuthenticationError("token-signature" if token else "token-missing", participant="-", kid="-")
        return delivery

    async def _take(self, delivery: Delivery, request: web.Request, number: int) -> None:
        begun = asyncio.Event()
        try:
            task = await self._begin(delivery, request, number, begun)
            try:
                await asyncio.wait([task])
                if task.cancelled():
                    self._raced(delivery)
                task.result()
            finally:
                task.cancel()
                if self._taking.get(delivery.id) == (number, task):
                    del self._taking[delivery.id]
        except RefusedError as error:
            if begun.is_set() and error.code != TOO_LARGE and request.transport is not None:
                request.transport.abort()  # cut in the middle: what is still on its way is not taken in
            raise

    async def _begin(
        self, delivery: Delivery, request: web.Request, number: int, begun: asyncio.Event
    ) -> "asyncio.Task[None]":
        """Take the place of an older POST of the delivery; raises RefusedError when there is a newer one."""
        while (other := self._taking.get(delivery.id)) is not None and not other[1].done():
            if other[0] > number:
                self._raced(delivery)
            other[1].cancel()
            await asyncio.wait([other[1]])
        posted = Posted(
            headers={name.lower(): value for name, value in request.headers.items()},
            pieces=self._pieces(request, begun),
            length=request.content_length,
        )
        task = asyncio.create_task(self._receiver.arrival(delivery).take(posted))
        self._taking[delivery.id] = number, task
        return task

    def _raced(self, delivery: Delivery) -> Never:
        raise RefusedError("delivery-raced", transfer=delivery.transfer)

    async def _pieces(self, request: web.Request, begun: asyncio.Event) -> AsyncIterator[bytes]:
        """The body as it comes; `begun` is set with its first bytes.

        Raises UnreachableError when it breaks off or nothing comes for too long.
        """
        silence_s = self._node.settings.data_timeout_s
        while True:
            try:
                async with asyncio.timeout(silence_s):
                    piece = await request.content.read(READ_BYTES)
            except TimeoutError as error:
                raise UnreachableError("unreachable", url="-", cause=f"nothing came for {silence_s} s") from error
            except (ConnectionError, HttpProcessingError, ClientPayloadError) as error:
                raise UnreachableError("unreachable", url="-", cause=f"{type(error).__name__}: {error}") from error
            if not piece:
                return
            begun.set()
            yield piece


def _token(request: web.Request) -> str:
    """The token that a request shows; both ways at once are as good as one."""
    if (segment := request.match_info.get("token")) is not None:
        return segment
    return request.headers.get("Authorization", "").strip().removeprefix("Bearer ").strip()


def _status(error: WeftError) -> int | None:
    """The status of a refusal where it is not that of the table: 4xx that passes, and 422 for what must not be sent again."""
    if isinstance(error, VerificationError):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    if isinstance(error, RemoteRefusal):
        return HTTPStatus.CONFLICT  # the provider does not give us the evidence now: it may have paused
    return _STATUS.get(error.code)
