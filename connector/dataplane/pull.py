"""A pull, provider side: what is served below `/data/{pid}` (signed-data.md 2.3, 2.4; data-planes.md 5.1).

    GET, HEAD  /data/{pid}            the bytes, with Range, If-Range, If-Match and a strong ETag, which is the root
    GET        /data/{pid}/manifest   the signed manifest, as JSON
    GET        /data/{pid}/chunks     the leaf hashes as bytes, 32 per chunk, `application/octet-stream`
    POST       /data/{pid}/receipts   a signed receipt; the answer says how far receipts reach
    POST       /data/{pid}/token      authenticated like a message: the next data token, while STARTED

Data, manifest and leaves take the same `?columns=`. Everything but `/token` is opened by the data token; receipts also by a
token of the protocol, because evidence is welcome when the transfer has ended and no data token is to be had any more.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import orjson
import structlog
from aiohttp import web

from connector.dataplane.content import Contents
from connector.dataplane.gate import Gate, Judged, address_of
from connector.dataplane.http import part, problem, repr_digest
from connector.dataplane.receipts import Receipts
from connector.dataplane.standing import DeniedError
from connector.dataplane.stream import Sender
from connector.errors import AuthenticationError, RefusedError, WeftError
from connector.exchange.node import Node
from connector.identity.data_tokens import make_data_token
from connector.store import transfer as transfers
from connector.store.delivery import Delivery
from contracts.machine import Role
from policies.errors import PolicyError

_log = structlog.get_logger("weft.data")

RECEIPT_LIMIT_BYTES = 64 * 1024
# Deliveries whose consumer took the manifest: it owes receipts. Forgotten ones are only sent without the credit window.
SEALED_MOST = 10_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(node: Node, contents: Contents) -> list[web.RouteDef]:
    """Everything below `/data`; the spool and the leaves of `contents` are shared with whoever else sends."""
    pull = Pull(node, contents)
    base = "/data/{pid}"
    return [
        web.get(base, pull.answered(pull.data), allow_head=False),
        web.head(base, pull.answered(pull.head)),
        web.get(f"{base}/manifest", pull.answered(pull.manifest), allow_head=False),
        web.get(f"{base}/chunks", pull.answered(pull.chunks), allow_head=False),
        web.post(f"{base}/receipts", pull.answered(pull.receipts)),
        web.post(f"{base}/token", pull.answered(pull.token)),
    ]


class Pull:
    """The handlers of one node."""

    def __init__(self, node: Node, contents: Contents) -> None:
        self._node = node
        self._contents = contents
        self._gate = Gate(node, self._contents)
        self._receipts = Receipts(node, self._contents)
        self._sender = Sender(node, self._gate, self._receipts)
        self._sealed: OrderedDict[str, None] = OrderedDict()

    def answered(self, handler: Handler) -> Handler:
        """A handler whose refusals become answers."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except AuthenticationError as error:
                await self._node.door.refused(error, request.path, request.remote)
                return problem(error)
            except DeniedError as error:
                _log.info("data.denied", path=request.path, reason=error.code)
                return problem(error, HTTPStatus.FORBIDDEN)
            except (WeftError, PolicyError) as error:
                _log.info("data.refused", path=request.path, code=error.code)
                return problem(error)

        return answer

    async def data(self, request: web.Request) -> web.StreamResponse:
        async with self._gate.judge(*_asked(request)) as judged:
            wanted = part(request.headers, f'"{judged.root}"', judged.content.size)
            if not wanted.sends:
                return web.Response(status=wanted.status, headers=_headers(judged) | wanted.headers)
            delivery = await self._gate.reserve(judged)
            response = web.StreamResponse(status=wanted.status, headers=_headers(judged) | wanted.headers)
            await self._sender.send(request, response, judged, delivery, wanted, sealed=delivery.id in self._sealed)
            return response

    async def head(self, request: web.Request) -> web.StreamResponse:
        async with self._gate.judge(*_asked(request)) as judged:
            _reserved(judged)
            headers = _headers(judged) | {"Content-Length": str(judged.content.size)}
            return web.Response(headers=headers)

    async def manifest(self, request: web.Request) -> web.StreamResponse:
        async with self._gate.judge(*_asked(request)) as judged:
            delivery = await self._gate.reserve(judged)
            self._sealed[delivery.id] = None
            while len(self._sealed) > SEALED_MOST:
                self._sealed.popitem(last=False)
            return web.Response(body=delivery.manifest, content_type="application/json", headers=_PRIVATE)

    async def chunks(self, request: web.Request) -> web.StreamResponse:
        async with self._gate.judge(*_asked(request)) as judged:
            delivery = _reserved(judged)
            leaves = await self._contents.kept_leaves.of_root(delivery.root)
            if leaves is None:
                leaves = await self._contents.leaves(judged.content)
            return web.Response(body=leaves, content_type="application/octet-stream", headers=_PRIVATE)

    async def receipts(self, request: web.Request) -> web.StreamResponse:
        pid, header, _ = _asked(request)
        try:
            consumer = self._gate.grant(pid, header).consumer
        except AuthenticationError:
            consumer = (await self._node.door.speaker(header)).participant
        body = await request.content.read(RECEIPT_LIMIT_BYTES)
        if not request.content.at_eof():
            raise RefusedError("message-too-large", limit=RECEIPT_LIMIT_BYTES)
        acknowledged = await self._receipts.accept(pid, consumer, body)
        return web.json_response(acknowledged.to_dict())

    async def token(self, request: web.Request) -> web.StreamResponse:
        """The next data token (DSP forbids a second start message while STARTED)."""
        node, pid = self._node, request.match_info["pid"]
        speaker = await node.door.reader(request.headers.get("Authorization"))
        now = node.clock.now()
        transfer = await node.db.read(lambda tx: transfers.get(tx, pid))
        if transfer is None or transfer.role is not Role.PROVIDER or transfer.counterparty != speaker.participant:
            raise RefusedError("process-unknown", pid=pid)
        await self._gate.moving(pid)
        lifetime_s = node.settings.data_token_lifetime_s
        text = make_data_token(
            node.ring,
            consumer=speaker.participant,
            address=address_of(node, pid),
            agreement=transfer.agreement,
            transfer=pid,
            purpose=transfer.purpose or None,
            now=now,
            jti=node.new_id(),
            lifetime_s=lifetime_s,
        )
        body = {"access_token": text, "token_type": "Bearer", "expires_in": lifetime_s}
        return web.Response(body=orjson.dumps(body), content_type="application/json", headers=_PRIVATE)


_PRIVATE = {"Cache-Control": "private, no-store"}


def _asked(request: web.Request) -> tuple[str, str | None, str | None]:
    """Transfer, token and `?columns=` of a request."""
    return request.match_info["pid"], request.headers.get("Authorization"), request.query.get("columns")


def _reserved(judged: Judged) -> Delivery:
    """The delivery of a request that reserves none itself."""
    if judged.delivery is None:
        raise RefusedError("delivery-not-reserved", transfer=judged.transfer.pid)
    return judged.delivery


def _headers(judged: Judged) -> dict[str, str]:
    return {
        "Content-Type": judged.content.wanted.media_type,
        "Accept-Ranges": "bytes",
        "ETag": f'"{judged.root}"',
        "Repr-Digest": repr_digest(judged.content.sha256),
        **_PRIVATE,
    }
