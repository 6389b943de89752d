"""The provider's data addresses as the consumer sees them: tokens, small answers, a stream, refusals read.

A token is shown as `Bearer`. One that has ended is replaced through `POST /token`; a peer without that extension that refuses
a bearer token gets it raw once, as EDC's clients send it (data-planes.md 5.4).
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from connector.dispatch.transport import Download
from connector.errors import RefusedError, UnreachableError
from connector.exchange.node import Node
from contracts.transfer.messages import DataAddress
from contracts.transfer.model import Transfer
from policies.canonical import JsonValue, parse_json
from policies.errors import JsonError

SMALL_BYTES = 1024 * 1024
DEPTH = 8
REASON_MOST = 1000
_REASON = re.compile(r"[a-z0-9-]{1,60}")
_REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class RemoteRefusal(RefusedError):  # noqa: N818  the provider's word, told as it is
    """The provider refused: `code` is its reason, fact `text` its sentence, `status` the HTTP status."""


@dataclass(frozen=True, slots=True)
class Small:
    """A small answer: its status and body."""

    status: int
    body: bytes


class Remote:
    """The data addresses of one transfer. `columns` is the text of `?columns=`, "" for none."""

    def __init__(self, node: Node, transfer: Transfer, columns: str) -> None:
        """Raises RefusedError `data-address-missing` when the transfer has none that we can use."""
        address = DataAddress.model_validate(transfer.data_address) if transfer.data_address else None
        if address is None or not address.url:
            raise RefusedError("data-address-missing", pid=transfer.pid)
        self._node = node
        self._provider = transfer.counterparty
        self._endpoint, _, self._query = address.url.partition("?")
        self._columns = columns
        self._token = address.token
        self._scheme = "Bearer " if node.peers.of(transfer.counterparty).bearer else ""
        self._turned = False  # whether the other way to show the token was tried

    async def small(self, suffix: str, *, limit_bytes: int = SMALL_BYTES) -> Small:
        """A GET below the endpoint. Raises RemoteRefusal for 403, 409 and the like, UnreachableError for 429 and 5xx.

        404 is an answer: the peer has no such extension.
        """
        url = self._url(suffix)
        answer = await self._request("GET", url, {}, None, limit_bytes)
        if answer.status in _REFUSALS and await self._other_token(answer):
            answer = await self._request("GET", url, {}, None, limit_bytes)
        if answer.status not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
            raise refusal(answer, url)
        return answer

    @asynccontextmanager
    async def stream(self, headers: Mapping[str, str]) -> AsyncIterator[Download]:
        """The data itself; answers 200 and 206 only. Raises like `small`."""
        url = self._url("")
        for attempt in range(2):
            async with self._node.transport.open(
                "GET",
                url,
                participant=self._provider,
                headers={**headers, **self._authorization()},
                timeout_s=self._node.settings.data_timeout_s,
            ) as download:
                if download.status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
                    yield download
                    return
                refused = Small(download.status, await _read(download))
            if attempt or refused.status not in _REFUSALS or not await self._other_token(refused):
                raise refusal(refused, url)

    async def receipt(self, body: bytes) -> Small:
        """POST a receipt; with our protocol token where the data token has ended for good."""
        url, headers = self._url("/receipts", query=False), {"Content-Type": "application/json"}
        answer = Small(HTTPStatus.UNAUTHORIZED, b"")
        if self._token:
            answer = await self._request("POST", url, headers, body, SMALL_BYTES)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            spoken = {"Authorization": await self._node.identity.authorisation(self._provider)}
            answer = await self._request("POST", url, headers, body, SMALL_BYTES, authorization=spoken)
        if answer.status != HTTPStatus.OK:
            raise refusal(answer, url)
        return answer

    async def _other_token(self, refused: Small) -> bool:
        """Whether there is another way to show who we are; raises RemoteRefusal when the provider says there is none."""
        said = _problem(refused.body)
        if refused.status == HTTPStatus.UNAUTHORIZED and await self.fresh_token():
            return True
        if said is None and not self._turned:
            self._turned, self._scheme = True, "" if self._scheme else "Bearer "
            return True
        return False

    async def fresh_token(self) -> bool:
        """Ask for the next token as who we are, False from a peer without that extension; raises like `small`."""
        spoken = {"Authorization": await self._node.identity.authorisation(self._provider)}
        url = self._url("/token", query=False)
        answer = await self._request("POST", url, {}, None, SMALL_BYTES, authorization=spoken)
        if answer.status == HTTPStatus.OK:
            fresh = _object(answer.body).get("access_token")
            if isinstance(fresh, str) and fresh:
                self._token, self._scheme = fresh, "Bearer "
                return True
        if answer.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
            raise refusal(answer, url)
        return False

    async def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        limit_bytes: int,
        *,
        authorization: Mapping[str, str] | None = None,
    ) -> Small:
        answer = await self._node.transport.request(
            method,
            url,
            participant=self._provider,
            headers={**headers, **(self._authorization() if authorization is None else authorization)},
            body=body,
            limit_bytes=limit_bytes,
            timeout_s=self._node.settings.data_timeout_s,
        )
        return Small(answer.status, answer.body)

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": self._scheme + self._token} if self._token else {}

    def _url(self, suffix: str, *, query: bool = True) -> str:
        asked = [self._query] if self._query else []
        if query and self._columns:
            asked.append(f"columns={quote(self._columns, safe=',')}")
        return self._endpoint + suffix + ("?" + "&".join(asked) if asked else "")


def refusal(answer: Small, url: str) -> RefusedError | UnreachableError:
    """The error of an answer that is none of ours to use: worth another try, or the provider's last word."""
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnreachableError("unreachable", url=url, cause=f"HTTP {answer.status}")
    said = _problem(answer.body) or {}
    reason, text = said.get("reason"), said.get("detail")
    return RemoteRefusal(
        reason if isinstance(reason, str) and _REASON.fullmatch(reason) else f"http-{answer.status}",
        text=text[:REASON_MOST] if isinstance(text, str) else "",
        status=answer.status,
        seq=said.get("seq"),
        upto=said.get("upto"),
    )


async def _read(download: Download) -> bytes:
    """The body of a refusal, as far as anybody would read it."""
    body = bytearray()
    async for piece in download.chunks():
        body += piece
        if len(body) > SMALL_BYTES:
            break
    return bytes(body)


def _problem(body: bytes) -> dict[str, JsonValue] | None:
    """A refusal that says its reason, None for any other body."""
    said = _object(body)
    return said if isinstance(said.get("reason"), str) else None


def _object(body: bytes) -> dict[str, JsonValue]:
    try:
        parsed = parse_json(body, max_depth=DEPTH)
    except JsonError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
