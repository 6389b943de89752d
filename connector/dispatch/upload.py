"""The body of a request that is streamed: written as fast as the receiver takes it, and cut off hard when it must end."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

from aiohttp import AsyncIterablePayload
from aiohttp.abc import AbstractStreamWriter


class StreamedBody(AsyncIterablePayload):
    """Pieces of bytes as they are asked for. aiohttp waits for the connection's buffer between them."""

    def __init__(self, pieces: AsyncIterator[bytes | memoryview]) -> None:
        super().__init__(cast("AsyncIterator[bytes]", pieces))  # what aiohttp writes may be a view as well
        self._transport: asyncio.Transport | None = None
        self._whole = False

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """See `Payload`; remembers the connection, so that it can be cut."""
        self._transport = getattr(writer, "transport", None)
        await super().write_with_length(writer, content_length)
        self._whole = True

    def cut(self) -> None:
        """End the connection unless everything was written: what is still in its buffer must not arrive."""
        if not self._whole and self._transport is not None:
            self._transport.abort()
