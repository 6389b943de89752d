"""The client's way to the daemon: one connection pool, JSON both ways, errors as exceptions, server-sent events.

aiohttp is imported when the session opens: a program that only imports the client, or builds an `accept`, waits for nothing.
"""

import asyncio
import os
import secrets
import ssl as tls
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from connector.client.errors import ClientError, NotAuthorizedError, NotReachableError, ProtocolError, from_answer

if TYPE_CHECKING:
    import aiohttp

KEY_VARIABLE = "WEFT_KEY"
# The daemon sends a comment every 15 s; after three of them have not come the connection is dead.
SILENCE_S = 50.0
# Also the longest line of an event that can be read (twice this): a negotiation carries its whole policy.
READ_BUFFER_BYTES = 1 << 20
_FIRST_ERROR_STATUS = 400


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event of the stream: `cursor` is None for an event that cannot be resumed from."""

    name: str
    data: Any
    cursor: int | None = None


class Session:
    """Requests to one daemon. `key` is the management key, else read from `key_file`, else from WEFT_KEY."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        key_file: Path | None = None,
        timeout_s: float = 30.0,
        ssl_context: tls.SSLContext | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._key = key or _key_from(key_file)
        self._timeout_s = timeout_s
        self._ssl = ssl_context
        self._http: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"Session({urlsplit(self.url).netloc})"

    async def open(self) -> None:
        import aiohttp  # noqa: PLC0415  takes as long to import as everything else in here together

        if self._http is None:
            connector = aiohttp.TCPConnector(ssl=self._ssl if self._ssl is not None else True, limit=100)
            self._http = aiohttp.ClientSession(
                connector=connector,
                headers={"Authorization": f"Bearer {self._key}", "User-Agent": "weft-client"},
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                read_bufsize=READ_BUFFER_BYTES,
                json_serialize=lambda value: orjson.dumps(value).decode(),
            )

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def get(self, path: str, query: Mapping[str, Any] | None = None, *, timeout_s: float | None = None) -> Any:
        return await self.send("GET", path, query=query, timeout_s=timeout_s)

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """One request; returns the JSON of the answer. Raises ClientError children.

        A changing request carries an idempotency key, its own if the caller gives none, so that it is safe to repeat; it
        is repeated once by itself when the connection broke before an answer came.
        """
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)} if method != "GET" else {}
        for attempt in (1, 2):
            try:
                async with self.stream(
                    method, path, body=body, query=query, headers=headers, timeout_s=timeout_s
                ) as answer:
                    return _parsed(await answer.read(), f"{method} {path}")
            except NotReachableError as error:
                if attempt == 2 or error.facts.get("broken") is not True:  # noqa: PLR2004
                    raise
        raise AssertionError  # the loop returns or raises

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        silence_s: float | None = None,
    ) -> "AsyncIterator[aiohttp.ClientResponse]":
        """An open answer whose status is below 400; anything else is raised as the error it carries.

        With `silence_s` the answer may go on for ever as long as something arrives in each such interval.
        """
        import aiohttp  # noqa: PLC0415  see open

        await self.open()
        if self._http is None:
            raise AssertionError
        timeout = (
            aiohttp.ClientTimeout(total=None, sock_read=silence_s, sock_connect=self._timeout_s)
            if silence_s is not None
            else aiohttp.ClientTimeout(total=timeout_s or self._timeout_s)
        )
        try:
            async with self._http.request(
                method,
                self.url + path,
                json=body,
                params=_query(query),
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                if answer.status >= _FIRST_ERROR_STATUS:
                    raise from_answer(answer.status, _parsed_or_none(await answer.read()), request=f"{method} {path}")
                yield answer
        except aiohttp.ClientConnectorError as error:
            raise NotReachableError("daemon-unreachable", url=self.url, cause=_cause(error)) from error
        except TimeoutError as error:
            raise NotReachableError("daemon-silent", url=self.url, request=f"{method} {path}") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise NotReachableError("daemon-unreachable", url=self.url, cause=_cause(error), broken=True) from error

    async def events(
        self, query: Mapping[str, Any], *, since: int | None = None, reconnect: bool = True
    ) -> AsyncIterator[ServerEvent]:
        """Events of `/v1/events`; after a broken connection it goes on behind the last event that had a cursor."""
        cursor, pause_s = since, 0.1
        while True:
            headers = {"Last-Event-ID": str(cursor)} if cursor is not None else {}
            try:
                async with self.stream(
                    "GET", "/v1/events", query=query, headers=headers, silence_s=SILENCE_S
                ) as answer:
                    async for event in _server_events(answer):
                        pause_s = 0.1
                        if event.cursor is not None:
                            cursor = event.cursor
                        yield event
            except NotReachableError:
                if not reconnect or pause_s > self._timeout_s:
                    raise
            if not reconnect:
                return
            # A daemon that restarts is back within seconds.
            await asyncio.sleep(pause_s)
            pause_s *= 2


async def _server_events(answer: "aiohttp.ClientResponse") -> AsyncIterator[ServerEvent]:
    """The events of a `text/event-stream` (HTML, 9.2.6): fields are lines, an empty line ends an event."""
    name, cursor = "message", None
    data: list[str] = []
    async for line in answer.content:
        text = line.decode().rstrip("\r\n")
        if not text:
            if data:
                yield ServerEvent(name, _parsed("\n".join(data).encode(), "GET /v1/events"), cursor)
            name, cursor, data = "message", None, []
            continue
        field, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id" and value.isdigit():
            cursor = int(value)


def _key_from(file: Path | None) -> str:
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise NotAuthorizedError(
                "management-key-unreadable", path=str(file), cause=error.strerror or str(error)
            ) from error
    key = os.environ.get(KEY_VARIABLE, "")
    if not key:
        raise NotAuthorizedError("management-key-missing", variable=KEY_VARIABLE)
    return key


def _query(values: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Query parameters: nothing for None, `true` for a flag, one per element of a list."""
    return [
        (name, "true" if each is True else str(each))
        for name, value in (values or {}).items()
        for each in (value if isinstance(value, list | tuple) else [value])
        if each is not None and each is not False
    ]


def _parsed(data: bytes, request: str) -> Any:
    if not data:
        return None
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ProtocolError("answer-senseless", request=request, status=200) from error


def _parsed_or_none(data: bytes) -> Any:
    try:
        return _parsed(data, "")
    except ClientError:
        return None


def _cause(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
