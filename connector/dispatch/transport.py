"""Requests to other participants: guarded, bounded, without redirects.

The guard judges the address before each request; the resolver of `resolve.py` judges what its name leads to, and the connection
is made to what was judged. Everything an answer can grow in has a bound: lines, headers, body, the time of each and of the whole.

A `Transport` has two shapes of a request: `request` reads a whole answer up to a limit, `open` hands out a stream. Whatever
fails on the way is one error, `UnreachableError`; whatever breaks our rules is a `RefusedError`. Nothing else leaves.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import aiohttp
from yarl import URL

from connector.dispatch.gunzip import OversizeError, gunzip
from connector.dispatch.resolve import STRICT, Kind, Lookup, Networks, PinningResolver
from connector.dispatch.upload import StreamedBody
from connector.errors import RefusedError, SettingsError, UnreachableError
from connector.identity.source import Fetched

Check: TypeAlias = Callable[[str, str], None]

CONNECT_TIMEOUT_S = 5.0
READ_BYTES = 64 * 1024
DOWNLOAD_BUFFER_BYTES = 1024 * 1024
CONNECTIONS_PER_DESTINATION = 32
HEADERS_MOST = 100
HEADER_BYTES = 8190
GUNZIP_AT_ONCE_BYTES = 4096
# A body slower than this is not worth its connection: a byte now and then would hold it for ever.
SLOWEST_BYTES_S = 256

_NEVER = frozenset({Kind.METADATA, Kind.MULTICAST, Kind.UNSPECIFIED})
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
        """One request and its whole answer. `Accept-Encoding: gzip` among the headers admits gzip; the limit is for plain bytes.

        Raises UnreachableError, and RefusedError: address-…, redirect-refused, answer-too-large, answer-encoded.
        """
        ...

    def open(
        self, method: str, url: str, *, participant: str, headers: Mapping[str, str], timeout_s: float
    ) -> AbstractAsyncContextManager[Download]:
        """One request whose answer is streamed. `timeout_s` bounds every wait for bytes and all headers, not the whole.

        Raises like `request`; the size is the reader's to bound.
        """
        ...

    async def upload(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: AsyncIterator[bytes | memoryview],
        limit_bytes: int,
        timeout_s: float,
    ) -> Answer:
        """One request whose body is streamed, and the beginning of its answer; `timeout_s` bounds the wait for that.

        Where it goes is not the member's base: the caller has asked `Guard.destination`. A redirection is an answer and is not
        followed. A cancelled upload cuts the connection. How long a receiver may take no byte is the caller's to bound.
        Raises UnreachableError, and RefusedError address-….
        """
        ...

    async def close(self) -> None:
        """Close idle and open connections."""
        ...


class HttpTransport:
    """One aiohttp session, kept alive between requests. Make it inside a running event loop.

    No redirects, cookies, proxies from the environment, or rewriting of addresses: what was checked is what is sent, and what is
    counted is what came over the wire. An answer is compressed only if the request says `Accept-Encoding: gzip` (catalogs).
    """

    def __init__(
        self,
        check: Check,
        *,
        tls: ssl.SSLContext | None = None,
        connections_per_destination: int = CONNECTIONS_PER_DESTINATION,
        networks: Networks = STRICT,
        lookup: Lookup | None = None,
    ) -> None:
        """`networks` is what names may lead to beside public addresses, `lookup` replaces the system's in tests."""
        self._check = check
        self._networks = networks
        self._resolver = PinningResolver(networks, lookup)
        self._session = aiohttp.ClientSession(
            # The bound is per destination only: a dead member must not take connections away from the others.
            connector=aiohttp.TCPConnector(
                limit=0,
                limit_per_host=connections_per_destination,
                ssl=True if tls is None else tls,
                resolver=self._resolver,
                socket_factory=self._socket,
            ),
            max_headers=HEADERS_MOST,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
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
                gzipped = _refuse_detours(response, url, accepted=headers.get("Accept-Encoding", ""))
                content = await _read(response, limit_bytes, url)
                if gzipped:
                    content = await _plain(content, limit_bytes, url)
                return Answer(response.status, _headers(response), content)

    @asynccontextmanager
    async def open(
        self, method: str, url: str, *, participant: str, headers: Mapping[str, str], timeout_s: float
    ) -> AsyncIterator[Download]:
        """See `Transport`."""
        self._check(participant, url)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=timeout_s)
        with _only_unreachable(url):
            async with asyncio.timeout(timeout_s):
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
            yield HttpDownload(response, url, timeout_s)

    async def upload(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: AsyncIterator[bytes | memoryview],
        limit_bytes: int,
        timeout_s: float,
    ) -> Answer:
        """See `Transport`."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=timeout_s)
        streamed = StreamedBody(body)
        try:
            with _only_unreachable(url):
                async with self._session.request(
                    method,
                    URL(url, encoded=True),
                    data=streamed,
                    headers=headers,
                    timeout=timeout,
                    allow_redirects=False,
                ) as response:
                    # Its status says it all, a redirection too; what a stranger's server says beside it is for a person.
                    beginning = await response.content.read(limit_bytes)
                    return Answer(response.status, _headers(response), beginning)
        finally:
            streamed.cut()

    async def close(self) -> None:
        """See `Transport`."""
        await self._session.close()
        await self._resolver.close()

    def _socket(self, place: aiohttp.AddrInfoType) -> socket.socket:
        """The socket for one address: the last barrier, behind guard and resolver, against what is never meant."""
        family, kind, protocol, _, at = place
        address = str(at[0])
        refusal = self._networks.refusal(address, listed=True)
        if refusal in _NEVER:
            raise RefusedError("address-private", host=address, address=address, kind=refusal)
        return socket.socket(family, kind, protocol)


class HttpDownload:
    """A streamed aiohttp answer."""

    def __init__(self, response: aiohttp.ClientResponse, url: str, timeout_s: float) -> None:
        self._response = response
        self._url = url
        self._window_s = timeout_s
        self.status = response.status
        self.headers = _headers(response)

    async def chunks(self) -> AsyncIterator[bytes]:
        """See `Download`."""
        # Buffer by buffer, as they came: joining what has piled up would copy every byte once more.
        pieces = self._response.content.iter_chunks()
        now = asyncio.get_running_loop().time
        waited_s, arrived = 0.0, 0
        while True:
            began = now()
            with _only_unreachable(self._url):
                try:
                    piece, _ = await anext(pieces)
                except StopAsyncIteration:
                    return
            # Only waiting counts: a reader that takes its time is no fault of the sender.
            waited_s += now() - began
            arrived += len(piece)
            if waited_s >= self._window_s:
                if arrived < SLOWEST_BYTES_S * waited_s:
                    raise UnreachableError("unreachable", url=self._url, cause=f"{arrived} bytes in {waited_s:.0f} s")
                waited_s, arrived = 0.0, 0
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


def _refuse_detours(response: aiohttp.ClientResponse, url: str, *, accepted: str = "") -> bool:
    """Whether the body is gzip, which it may be where the request said so; raises RefusedError for other detours."""
    if _REDIRECTS <= response.status < _ERRORS and response.status != _NOT_MODIFIED:
        response.close()
        location = response.headers.get("Location", "-")[:120]
        raise RefusedError("redirect-refused", url=url, status=response.status, location=location)
    encoding = response.headers.get("Content-Encoding", "identity")
    gzipped = encoding.lower() == "gzip" == accepted
    if encoding.lower() != "identity" and not gzipped:
        response.close()
        raise RefusedError("answer-encoded", url=url, encoding=encoding[:40])
    return gzipped


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


async def _plain(content: bytes, limit_bytes: int, url: str) -> bytes:
    """Gzip as plain bytes, up to the same limit; off the event loop unless even a bomb of this size is defused at once."""
    try:
        if len(content) < GUNZIP_AT_ONCE_BYTES:
            return gunzip(content, limit_bytes)
        return await asyncio.to_thread(gunzip, content, limit_bytes)
    except OversizeError:
        raise RefusedError("answer-too-large", url=url, limit_bytes=limit_bytes) from None
    except ValueError as error:
        raise UnreachableError("unreachable", url=url, cause=str(error)) from error


def _headers(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    """Names in lower case; what came in several headers of one name is one list (RFC 9110, 5.3)."""
    found: dict[str, str] = {}
    for name, value in response.headers.items():
        lower = name.lower()
        found[lower] = f"{found[lower]}, {value}" if lower in found else value
    return found
