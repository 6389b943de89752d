"""Gzip of others, with a bound: a few bytes may want to become gigabytes, and are given up as soon as they are too many."""

import zlib
from typing import Final

_GZIP_WINDOW: Final = 31
# Several members in a row are one body (RFC 1952, 2.2), but nobody sends more than a few.
_MEMBERS_MAX: Final = 64


class OversizeError(ValueError):
    """The plain bytes would be more than the limit."""


def gunzip(body: bytes, limit_bytes: int) -> bytes:
    """The plain bytes; raises OversizeError above the limit, ValueError for what is no whole gzip body."""
    plain = bytearray()
    rest = body
    for _ in range(_MEMBERS_MAX):
        if not rest:
            return bytes(plain)
        member = zlib.decompressobj(_GZIP_WINDOW)
        try:
            # Never more than one byte above the limit is made.
            plain += member.decompress(rest, limit_bytes + 1 - len(plain))
        except zlib.error as error:
            raise ValueError(f"broken gzip: {error}") from error
        if len(plain) > limit_bytes:
            raise OversizeError
        if not member.eof:
            raise ValueError("broken gzip: it ends early")
        rest = member.unused_data
    raise ValueError("broken gzip: too many members")
