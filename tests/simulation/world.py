"""The world around two sides: a network that loses, repeats, delays and reorders, clocks that jump, machines that die.

Everything below HTTP is simulated here and nothing above it: what arrives is given to the handlers of the product.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

import orjson
from multidict import CIMultiDict

from connector.clock import Clock
from connector.dispatch.guard import Guard
from connector.dispatch.transport import Answer
from connector.errors import UnreachableError
from tests.clocks import START
from tests.simulation.loop import Loop

MICROSECOND = 1e-6
# An answer: status, body, headers with names in lower case.
Served: TypeAlias = tuple[int, bytes, Mapping[str, str]]


@dataclass
class Weather:
    """How bad one run is; probabilities for each request, seconds for delays."""

    lose_request: float = 0.0
    lose_answer: float = 0.0
    duplicate: float = 0.0
    slow: float = 0.0
    slow_s: float = 0.0
    late: float = 0.0  # a duplicate that arrives after everybody has forgotten it
    late_s: float = 0.0
    busy: float = 0.0  # 503 instead of an answer
    commit_delay: float = 0.0


class SimulatedClock(Clock):
    """The time of the world, moved by an offset that jumps; no two readings are equal."""

    def __init__(self, loop: Loop) -> None:
        super().__init__()
        self._loop = loop
        self._readings = 0
        self.shift_s = 0.0

    def now(self) -> datetime:
        self._readings += 1
        seconds = self._loop.now + self.shift_s + self._readings * MICROSECOND
        return START + timedelta(seconds=seconds)

    def monotonic(self) -> float:
        return self._loop.now


@dataclass
class Request:
    """What a handler of the product reads of an HTTP request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    match_info: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    remote: str = "-"

    async def read(self) -> bytes:
        return self.body

    def __getitem__(self, key: str) -> "Request.Visitor":
        """What the limits keep of a visit: nobody is limited here."""
        return Request.Visitor()

    class Visitor:
        """Somebody who may ask as much as it likes."""

        def known(self, participant: str) -> None:
            """Who it is makes no difference."""

    @property
    def content(self) -> "Request.Body":
        return Request.Body(self.body)

    @dataclass
    class Body:
        """The body as a stream."""

        data: bytes

        async def read(self, _most: int) -> bytes:
            return self.data

        def at_eof(self) -> bool:
            return True


class Host(Protocol):
    """Who answers at an address. `answer` returns status and body; None when the machine died meanwhile."""

    name: str
    up: bool

    def serve(self, request: Request, done: Callable[[Served | None], None]) -> None:
        """Answer, now or later."""


@dataclass(frozen=True)
class Sent:
    """A message whose acknowledgement has reached its sender."""

    sender: str
    receiver: str
    message: str
    type: str
    body: bytes


class World:
    """One run's surroundings. `trace` tells what happened, `broken` which laws were broken on the way."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.loop = Loop()
        self.luck = random.Random(seed)
        self.weather = Weather()
        self.calm = False
        self.hosts: dict[str, Host] = {}  # by netloc
        self.trace: list[tuple[float, str, str]] = []
        self.broken: list[str] = []
        self.acknowledged: list[Sent] = []
        self.cut_until = 0.0  # a partition

    def tell(self, who: str, what: str) -> None:
        self.trace.append((self.loop.now, who, what))

    def breaks(self, law: str) -> None:
        """A law was broken."""
        self.tell("law", law)
        self.broken.append(law)

    def draw(self, probability: float) -> bool:
        """Whether something of this probability happens; nothing does once the world is calm."""
        return not self.calm and probability > 0 and self.luck.random() < probability

    # -- the network -------------------------------------------------------------------------------------------------

    def carry(self, sender: str, host: Host, request: Request, answer: "asyncio.Future[Served]") -> None:
        """Bring a request there and its answer back, as the weather lets it."""
        weather = self.weather
        if self.loop.now < self.cut_until or self.draw(weather.lose_request):
            self.tell("net", f"lost {sender}->{host.name} {request.method} {request.path}")
            if self.luck.random() < 0.5:
                self._fail(answer, self._travel())  # else silence, and a timeout
            return
        self._arrive_in(self._travel(), sender, host, request, answer)
        if self.draw(weather.duplicate):
            self._arrive_in(self._travel(), sender, host, request, None)
        if self.draw(weather.late):
            self._arrive_in(self.luck.random() * weather.late_s, sender, host, request, None)

    def _travel(self) -> float:
        luck = self.luck.random()
        if self.draw(self.weather.slow):
            return luck * self.weather.slow_s
        return 0.001 + 0.02 * luck

    def _arrive_in(self, delay: float, sender: str, host: Host, request: Request, answer: Any) -> None:
        def arrive() -> None:
            if not host.up or self.loop.now < self.cut_until:
                self._fail(answer, 0.001)
                return
            if self.draw(self.weather.busy):
                self._back(sender, host, request, answer, (503, b"", {}))
                return
            host.serve(request, lambda found: self._back(sender, host, request, answer, found))

        self.loop.call_later(delay, arrive)

    def _back(self, sender: str, host: Host, request: Request, answer: Any, found: Served | None) -> None:
        copy = "" if answer is not None else " (copy)"
        status = "died" if found is None else found[0]
        self.tell(
            "net", f"{sender}->{host.name} {request.method} {request.path} {_named(request.body)}: {status}{copy}"
        )
        if answer is None:
            return
        if found is None:
            self._fail(answer, self._travel())
        elif self.loop.now < self.cut_until or self.draw(self.weather.lose_answer):
            self.tell("net", f"answer lost {host.name}->{sender} {request.path}")
        else:
            self.loop.call_later(self._travel(), lambda: answer.done() or answer.set_result(found))

    def _fail(self, answer: Any, delay: float) -> None:
        if answer is not None:
            broke = ConnectionError("the connection broke")
            self.loop.call_later(delay, lambda: answer.done() or answer.set_exception(broke))


class SimulatedTransport:
    """The way out of one life of one side. `leaves` is told of every request before it leaves."""

    def __init__(self, world: World, name: str, guard: Guard, leaves: Callable[[str, str, bytes], None]) -> None:
        self._world = world
        self._name = name
        self._guard = guard
        self._leaves = leaves
        self.dead = False

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
        """See `Transport`."""
        self._guard.check(participant, url)
        if self.dead:
            raise UnreachableError("unreachable", url=url, cause="this side is dead")
        self._leaves(method, url, body or b"")
        world, parts = self._world, urlsplit(url)
        host = world.hosts[parts.netloc]
        query = dict(item.partition("=")[::2] for item in parts.query.split("&") if item)
        answer: asyncio.Future[Served] = world.loop.create_future()
        world.carry(
            self._name, host, Request(method, parts.path, CIMultiDict(headers), body or b"", query=query), answer
        )
        try:
            async with asyncio.timeout(timeout_s):
                status, content, said_beside = await answer
        except (TimeoutError, ConnectionError) as error:
            raise UnreachableError("unreachable", url=url, cause=str(error) or "no answer in time") from error
        if method == "POST" and 200 <= status < 300 and body and not self.dead:
            with contextlib.suppress(orjson.JSONDecodeError, KeyError, TypeError):
                said = orjson.loads(body)
                world.acknowledged.append(Sent(self._name, host.name, said["@id"], said["@type"], body))
        return Answer(status, said_beside, content)

    def open(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        """See `Transport`."""


def _named(body: bytes) -> str:
    """Type and id of a message, for the trace."""
    try:
        said = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        return "?"
    return f"{said.get('@type', '')} {str(said.get('@id', ''))[-6:]}" if isinstance(said, dict) else "?"


Waiting = Awaitable[Any]
