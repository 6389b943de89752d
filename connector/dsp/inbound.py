"""From an HTTP request to a message: who speaks, what was said, and the one place where errors become answers.

Order: authenticate (a stranger's body is not read), read at most the limit, bytes to message, one transaction, answer. A stranger
gets one and the same 401, whoever it claims to be. A refusal is written down before it is given: as long as the store cannot do
that, the answer to everything is 503.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog
from aiohttp import web

from connector.dsp.dialect import said_in
from connector.dsp.encoding import decoded
from connector.dsp.limits import BUSY, SLOW, VISIT, retry_after
from connector.errors import TABLE, AuthenticationError, RefusedError, StoreError, WeftError, is_outage
from connector.exchange.node import Node
from connector.exchange.process import TAKEN, Protocol, to_bytes
from connector.exchange.receive import Incoming, Reply, receive, refusal
from connector.identity.tokens import CLOCK_CODES, Speaker
from contracts.errors import InvalidMessageError
from contracts.messages import Message
from policies.canonical import digest, parse_json
from policies.errors import JsonError
from policies.sentences import sentence

_log = structlog.get_logger("weft.dsp")
JSON = "application/json"
TOKENS_S = 60


@dataclass(frozen=True, slots=True)
class Route:
    """What arrives at one address: the message's type, and the trigger it is (given the message)."""

    protocol: Protocol[Any]
    model: type[Message]
    trigger: Callable[[Any], StrEnum]


class Inbound:
    """Reads requests for the protocol side of one node."""

    def __init__(self, node: Node) -> None:
        self.node = node

    async def speaker(self, request: web.Request) -> Speaker:
        """Who sent this; raises AuthenticationError, and RefusedError too-many-requests."""
        return self._known(request, await self.node.door.speaker(request.headers.get("Authorization")))

    async def reader(self, request: web.Request) -> Speaker:
        """Like `speaker`, for reads: the token is remembered in memory, so that it serves once."""
        try:
            speaker = await self.node.door.reader(request.headers.get("Authorization"))
        except AuthenticationError as error:
            if error.code != "token-flood":
                raise
            # Its proof is good: there are only too many of them to remember, until the first expire.
            raise RefusedError(BUSY, who=error.facts["participant"], retry_s=TOKENS_S) from error
        return self._known(request, speaker)

    def status(self, error: Exception, status: int, sender: str = "") -> int:
        """The status of a refusal as its sender's row of the table of peers has it; who asks for too much is counted."""
        if isinstance(error, RefusedError) and error.code == BUSY:
            self.node.counters.add("weft_requests_refused_total", reason=BUSY)
            sender = sender or error.facts["who"]
        return self.node.peers.of(sender).told(status) if sender else status

    def _known(self, request: web.Request, speaker: Speaker) -> Speaker:
        request[VISIT].known(speaker.participant)
        return speaker

    async def message(self, request: web.Request, route: Route) -> web.Response:
        """Answer one protocol message."""
        began = self.node.clock.monotonic()
        pid = request.match_info.get("pid", "")
        trigger, sender, message_id = route.model.__name__, "", ""
        headers: dict[str, str] = {}
        try:
            speaker = await self.speaker(request)
            sender = speaker.participant
            body = await self.body(request)
            document = parse_json(body, max_depth=self.node.settings.message_depth)
            message = said_in(route.model, document)
            trigger, message_id = route.trigger(message).value, message.id
            incoming = Incoming(speaker, route.protocol, route.trigger(message), pid, message, digest(body))
            try:
                reply = await self.node.db.transact(lambda tx: receive(tx, self.node, incoming))
            except (AuthenticationError, StoreError):
                raise
            except WeftError as error:
                reply = refusal(incoming, error.code, error.facts, TABLE[error.code].status)
        except (WeftError, JsonError, InvalidMessageError) as error:
            if isinstance(error, AuthenticationError):
                await self.node.door.refused(error, request.path, request.remote)
            reply, headers = await self._unread(route, sender, pid, error)
        if reply.taken_us:
            headers = {TAKEN: str(reply.taken_us)}
        self.node.counters.received(route.protocol.name, trigger, reply.status)
        _log.info(
            "message.received",
            kind=route.protocol.name,
            trigger=trigger,
            process=pid,
            sender=sender,
            message=message_id,
            status=reply.status,
            ms=round((self.node.clock.monotonic() - began) * 1000, 1),
        )
        return web.Response(status=reply.status, body=reply.body, content_type=JSON, headers=headers)

    async def body(self, request: web.Request) -> bytes:
        """The request's body; raises RefusedError message-too-large, message-slow, message-encoding."""
        try:
            return await decoded(request, await request.read(), self.node.settings.message_limit_bytes)
        except web.HTTPRequestEntityTooLarge:
            raise RefusedError("message-too-large", limit=self.node.settings.message_limit_bytes) from None
        except TimeoutError:  # of the limits, see there
            raise RefusedError(SLOW, limit_s=f"{self.node.settings.message_timeout_s:g}") from None

    async def _unread(self, route: Route, sender: str, pid: str, error: Exception) -> tuple[Reply, dict[str, str]]:
        """The answer to what could not be read as a message; a member's is audited, because it may concern a contract."""
        code, text, status = explain(error)
        shown = pid or "urn:uuid:00000000-0000-0000-0000-000000000000"
        if sender and not is_outage(error):
            node = self.node
            facts = {name: str(value)[:1000] for name, value in getattr(error, "facts", {}).items()}
            details: dict[str, Any] = {"type": route.model.__name__, "pid": pid, "status": status}
            details |= {"facts": facts, "text": text[:1000]}
            try:
                await node.db.transact(
                    lambda tx: node.audit.append(
                        tx, "message.refused", actor=sender, peer=sender, reason=code, details=details
                    )
                )
            except StoreError as outage:
                error = outage
                code, text, status = explain(error)
        body = to_bytes(route.protocol.refusal(shown, shown, code, [text]))
        return Reply(self.status(error, status, sender), body), retry_after(error)


def explain(error: Exception) -> tuple[str, str, int]:
    """Code, sentence and status of an error as the world may know it."""
    if is_outage(error):
        return "unavailable", sentence("error.unavailable", "en"), TABLE["unavailable"].status
    if isinstance(error, AuthenticationError):
        code = error.code if error.code in CLOCK_CODES else "unauthorized"
        facts = error.facts if error.code in CLOCK_CODES else {}
        return code, sentence(f"error.{code}", "en", **facts), 401
    if isinstance(error, JsonError):
        return (
            "message-not-json",
            sentence("error.message-not-json", "en", where=error.where, problem=error.problem),
            400,
        )
    if isinstance(error, InvalidMessageError):
        return error.code, sentence(f"error.{error.code}", "en", **error.facts), 400
    if isinstance(error, WeftError):
        return error.code, sentence(f"error.{error.code}", "en", **error.facts), TABLE[error.code].status
    raise error


def answering(
    inbound: Inbound,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    body: Callable[[str, str], bytes],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Wrap a handler so that its errors become the body that its protocol wants."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except (WeftError, JsonError, InvalidMessageError) as error:
            if isinstance(error, AuthenticationError):
                await inbound.node.door.refused(error, request.path, request.remote)
            code, text, status = explain(error)
            status = inbound.status(error, status)
            return web.Response(status=status, body=body(code, text), content_type=JSON, headers=retry_after(error))

    return answer
