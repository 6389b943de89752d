"""A transport that fails by script: what a real network does now and then, a test does on purpose."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from connector.dispatch.transport import Answer, Download, Transport
from connector.errors import UnreachableError


class Fault(Enum):
    """What happens to one request."""

    NONE = auto()
    LOSE_REQUEST = auto()  # it never arrives
    LOSE_ANSWER = auto()  # it arrives and takes effect, the sender hears nothing
    DUPLICATE = auto()  # it arrives twice, the sender hears the second answer
    BREAK = auto()  # the body of the answer breaks off after its first piece


@dataclass(frozen=True)
class Delay:
    """The request is held back for some seconds, then goes on without fault."""

    seconds: float


Script = Callable[[str, str], Fault | Delay]


def in_order(*steps: Fault | Delay) -> Script:
    """One step per request, then no faults."""
    remaining: Iterable[Fault | Delay] = iter(steps)
    return lambda _method, _url: next(remaining, Fault.NONE)


class FaultyTransport:
    """Wraps a transport; `script` decides by method and address. `sent` lists what was tried."""

    def __init__(self, inner: Transport, script: Script) -> None:
        self.inner = inner
        self.script = script
        self.sent: list[tuple[str, str]] = []

    async def request(self, method: str, url: str, **given: Any) -> Answer:
        """See `Transport`."""
        fault = await self._fault(method, url)
        answer = await self.inner.request(method, url, **given)
        if fault is Fault.DUPLICATE:
            answer = await self.inner.request(method, url, **given)
        if fault in (Fault.LOSE_ANSWER, Fault.BREAK):
            raise UnreachableError("unreachable", url=url, cause="the answer was lost, by script")
        return answer

    @asynccontextmanager
    async def open(self, method: str, url: str, **given: Any) -> AsyncIterator[Download]:
        """See `Transport`."""
        fault = await self._fault(method, url)
        async with self.inner.open(method, url, **given) as download:
            if fault is Fault.LOSE_ANSWER:
                raise UnreachableError("unreachable", url=url, cause="the answer was lost, by script")
            yield BrokenDownload(download, url) if fault is Fault.BREAK else download

    async def close(self) -> None:
        """See `Transport`."""
        await self.inner.close()

    async def _fault(self, method: str, url: str) -> Fault:
        self.sent.append((method, url))
        step = self.script(method, url)
        if isinstance(step, Delay):
            await asyncio.sleep(step.seconds)
            return Fault.NONE
        if step is Fault.LOSE_REQUEST:
            raise UnreachableError("unreachable", url=url, cause="the request was lost, by script")
        return step


class BrokenDownload:
    """A download that ends after its first piece."""

    def __init__(self, inner: Download, url: str) -> None:
        self._inner = inner
        self._url = url

    @property
    def status(self) -> int:
        """See `Download`."""
        return self._inner.status

    @property
    def headers(self) -> Mapping[str, str]:
        """See `Download`."""
        return self._inner.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """See `Download`."""
        async for piece in self._inner.chunks():
            yield piece
            raise UnreachableError("unreachable", url=self._url, cause="the connection broke, by script")
