"""Requests to other participants: guarded, bounded, without redirects.

A `Transport` has two shapes of a request: `request` reads a whole answer up to a limit, `open` hands out a stream. Whatever
fails on the way is one error, `UnreachableError`; whatever breaks our rules is a `RefusedError`. Nothing else leaves.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import aiohttp
from yarl import URL

from connector.errors import RefusedError, SettingsError, UnreachableError
from connector.identity.source import Fetched

Check: TypeAlias = Callable[[str, str], None]

CONNECT_TIMEOUT_S = 5.0
READ_BYTES = 64 * 1024
DOWNLOAD_BUFFER_BYTES = 1024 * 1024
CONNECTIONS_PER_DESTINATION = 32

_OK, _REDIRECTS, _NOT_MODIFIED, _ERRORS = 200, 300, 304, 400


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Header names are lower case; its content type is the sender's opinion, not a fact."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Download(Protocol):
    """An answer whose body is read as it comes."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Header names in lower case."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body in pieces as they arrive, to the end; raises UnreachableError when it breaks off."""
        ...


class Transport(Protocol):
    """How requests reach other participants. `participant` says who is called: the guard wants to know."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        participant: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        limit_bytes: int,
        timeout_s: float,
    ) -> Answer:
        """One request and its whole answer.

        Raises UnreachableError, and RefusedError: address-…, redirect-refused, answer-too-large, answer-encoded.
        """
        ...

    def open(
        self, method: str, url: str, *, participant: str, headers: Mapping[str, str], timeout_s: float
    ) -> AbstractAsyncContextManager[Download]:
        """One request whose answer is streamed. `timeout_s` bounds every wait for bytes, not the whole.

        Raises like `request`; the size is the reader's to bound.
        """
        ...

    async def close(self) -> None:
        """Close idle and open connections."""
        ...


class HttpTransport:
    """One aiohttp session, kept alive between requests. Make it inside a running event loop.

    No redirects, cookies, proxies from the environment, compression, or rewriting of addresses: what was checked is what is
    sent, and what is counted is what came over the wire.
    """

    def __init__(
        self,
        check: Check,
        *,
        tls: ssl.SSLContext | None = None,
        connections_per_destination: int = CONNECTIONS_PER_DESTINATION,
    ) -> None:
        self._check = check
        self._session = aiohttp.ClientSession(
            # The bound is per destination only: a dead member must not take connections away from the others.
            connector=aiohttp.TCPConnector(
                limit=0, limit_per_host=connections_per_destination, ssl=True if tls is None else tls
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"Accept-Encoding": "identity"},
            skip_auto_headers=("User-Agent",),
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        participant: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        limit_bytes: int,
        timeout_s: float,
    ) -> Answer:
        """See `Transport`; `timeout_s` bounds the whole exchange."""
        self._check(participant, url)
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        with _only_unreachable(url):
            async with self._session.request(
                method, URL(url, encoded=True), data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                _refuse_detours(response, url)
                content = await _read(response, limit_bytes, url)
                return Answer(response.status, _headers(response), content)

    @asynccontextmanager
    async def open(
        self, method: str, url: str, *, participant: str, headers: Mapping[str, str], timeout_s: float
    ) -> AsyncIterator[Download]:
        """See `Transport`."""
        self._check(participant, url)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=timeout_s)
        with _only_unreachable(url):
            response = await self._session.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
                read_bufsize=DOWNLOAD_BUFFER_BYTES,
            )
        async with response:
            _refuse_detours(response, url)
            yield HttpDownload(response, url)

    async def close(self) -> None:
        """See `Transport`."""
        await self._session.close()


class HttpDownload:
    """A streamed aiohttp answer."""

    def __init__(self, response: aiohttp.ClientResponse, url: str) -> None:
        self._response = response
        self._url = url
        self.status = response.status
        self.headers = _headers(response)

    async def chunks(self) -> AsyncIterator[bytes]:
        """See `Download`."""
        # Buffer by buffer, as they came: joining what has piled up would copy every byte once more.
        pieces = self._response.content.iter_chunks()
        while True:
            with _only_unreachable(self._url):
                try:
                    piece, _ = await anext(pieces)
                except StopAsyncIteration:
                    return
            if piece:
                yield piece


def client_tls(ca: Path | None) -> ssl.SSLContext | None:
    """TLS for our calls that trusts one more authority; none for the usual ones only. Raises SettingsError tls-unusable."""
    if ca is None:
        return None
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError("tls-unusable", name="tls_ca", path=str(ca), problem=str(error)) from error
    return context


async def conditional_get(
    transport: Transport, url: str, tag: str | None, *, limit_bytes: int, timeout_s: float
) -> Fetched:
    """A document at an address unless it is still the one of `tag`; raises like `Transport.request`."""
    answer = await transport.request(
        "GET",
        url,
        participant="",
        headers={} if tag is None else {"If-None-Match": tag},
        limit_bytes=limit_bytes,
        timeout_s=timeout_s,
    )
    if answer.status == _NOT_MODIFIED and tag is not None:
        return Fetched(None, tag)
    if answer.status != _OK:
        raise UnreachableError("unreachable", url=url, cause=f"HTTP {answer.status}")
    return Fetched(answer.body, answer.headers.get("etag"))


@contextmanager
def _only_unreachable(url: str) -> Iterator[None]:
    """Turn whatever the network does into one error."""
    try:
        yield
    except TimeoutError as error:
        raise UnreachableError("unreachable", url=url, cause="no answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        raise UnreachableError("unreachable", url=url, cause=f"{type(error).__name__}: {error}") from error


def _refuse_detours(response: aiohttp.ClientResponse, url: str) -> None:
    if _REDIRECTS <= response.status < _ERRORS and response.status != _NOT_MODIFIED:
        response.close()
        location = response.headers.get("Location", "-")[:120]
        raise RefusedError("redirect-refused", url=url, status=response.status, location=location)
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        response.close()
        raise RefusedError("answer-encoded", url=url, encoding=encoding[:40])


async def _read(response: aiohttp.ClientResponse, limit_bytes: int, url: str) -> bytes:
    """The body, given up as soon as it is longer than the limit."""
    announced = response.content_length
    content = bytearray()
    too_large = announced is not None and announced > limit_bytes
    while not too_large and (piece := await response.content.read(READ_BYTES)):
        content += piece
        too_large = len(content) > limit_bytes
    if too_large:
        response.close()
        raise RefusedError("answer-too-large", url=url, limit_bytes=limit_bytes)
    return bytes(content)


def _headers(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}
