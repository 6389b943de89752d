"""Compression, both ways: requests that come as gzip, and answers for whoever accepts it (RFC 9110, 8.4).

The protocol lets a catalog be answered with gzip, if the client accepts it (DSP 2025-1, catalog binding). Small bodies are sent
as they are: compressing them costs more than it saves. What comes compressed is unpacked by us, not by the HTTP library, so that
nothing larger than a message may be is ever made.
"""

import asyncio
import hashlib
import zlib
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

from connector.dispatch.gunzip import OversizeError, gunzip
from connector.errors import RefusedError

GZIP_FROM_BYTES: Final = 1024
# The first level takes a tenth of the time of the usual one, and JSON that repeats itself shrinks to a fifth all the same.
GZIP_LEVEL: Final = 1
_GZIP_WINDOW: Final = 31
# Smaller bodies are compressed faster than a thread is woken; smaller bombs are defused before anybody notices.
_THREAD_FROM_BYTES: Final = 32 * 1024
_GUNZIP_AT_ONCE_BYTES: Final = 4096


async def decoded(request: web.Request, body: bytes, limit_bytes: int) -> bytes:
    """The plain bytes of a request's body.

    Raises RefusedError: `message-too-large` by the plain size, `message-encoding` for broken gzip and for other encodings.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise RefusedError("message-encoding", encoding=encoding[:40], problem="only gzip is understood")
    try:
        if len(body) < _GUNZIP_AT_ONCE_BYTES:
            return gunzip(body, limit_bytes)
        return await asyncio.to_thread(gunzip, body, limit_bytes)
    except OversizeError:
        raise RefusedError("message-too-large", limit=limit_bytes) from None
    except ValueError as error:
        raise RefusedError("message-encoding", encoding=encoding[:40], problem=str(error)) from error


async def answered(request: web.Request, body: bytes, links: Iterable[tuple[str, str]] = ()) -> web.Response:
    """A JSON body for its reader; `links` are (address, relation), each in a header of its own, as EDC writes and reads them.

    GET: with a weak tag of the content (the same for both encodings); 304 for a reader that names it.
    """
    headers: CIMultiDict[str] = CIMultiDict({"Vary": "Authorization, Accept-Encoding"})
    for address, relation in links:
        headers.add("Link", f'<{address}>; rel="{relation}"')
    if request.method in ("GET", "HEAD"):
        tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers.update({"ETag": tag, "Cache-Control": "private, no-cache"})
        if _has(request.headers.get("If-None-Match", ""), tag):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    if len(body) >= GZIP_FROM_BYTES and accepts_gzip(",".join(request.headers.getall("Accept-Encoding", []))):
        shorter = _gzip(body) if len(body) < _THREAD_FROM_BYTES else await asyncio.to_thread(_gzip, body)
        if len(shorter) < len(body):
            body = shorter
            headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, content_type="application/json", headers=headers)


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding value admits gzip; an absent one does not: the client has to say so."""
    weights: dict[str, float] = {}
    for item in header.lower().split(","):
        coding, *parameters = (part.strip() for part in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        weights[coding] = weight
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _gzip(body: bytes) -> bytes:
    press = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return press.compress(body) + press.flush()


def _has(given: str, tag: str) -> bool:
    bare = tag.removeprefix("W/")
    return given.strip() == "*" or any(item.strip().removeprefix("W/") == bare for item in given.split(","))
