"""How much of us one side may have at a time: before we know who speaks by its address, after that by the participant.

A request holds a place from its first byte to its answer: one of its address's, and as soon as its token is proven one of its
participant's. A participant's requests also take tokens from a bucket that fills at a steady rate. Whoever has no place left is
told to come again, before its body is read and without a transaction, so it changes nothing and slows nobody. The fairness is in
the places: the writer takes all waiting transactions in one group, and one participant has places for half a group.

All tables are bounded: participants are members, and entries that say nothing any more are dropped.
"""

import asyncio
import math
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import StreamReader, web
from aiohttp.typedefs import Handler, Middleware

from connector.dsp.connections import Connections, side_of
from connector.errors import RETRY_S, TABLE, RefusedError, WeftError
from connector.exchange.process import to_bytes
from connector.health import Counters
from connector.settings import Settings
from policies.sentences import sentence

BUSY = "too-many-requests"
SLOW = "message-slow"
UNAUTHORIZED, TIMEOUT, UNAVAILABLE = 401, 408, 503
ENTRIES_MOST = 20_000
# Bodies that are data have their own clock and bounds.
STREAMED = "/inbox/"


@dataclass(slots=True)
class Bucket:
    """Tokens that come back at a steady rate. `open` counts the places held beside them."""

    tokens: float
    at: float
    open: int = 0

    def fill(self, now: float, per_s: float, most: float) -> float:
        """The tokens now."""
        self.tokens = min(most, self.tokens + (now - self.at) * per_s)
        self.at = now
        return self.tokens


class Visit:
    """One request: whose place it holds."""

    __slots__ = ("_limits", "_participant", "_place", "_side")

    def __init__(self, limits: "Turnstile", side: str, place: tuple[object, ...] | None) -> None:
        self._limits = limits
        self._side = side
        self._place = place
        self._participant = ""

    def known(self, participant: str) -> None:
        """Its token was proven: it takes a place of the participant; raises RefusedError too-many-requests."""
        self._limits.connections.proven(self._place)
        if participant != self._participant:
            self._limits.enter(participant)
            self._release()
            self._participant = participant

    def end(self) -> None:
        """It was answered, or went away."""
        self._release()
        self._side = self._participant = ""

    def _release(self) -> None:
        if self._participant:
            self._limits.leave(self._participant)
        elif self._side:
            self._limits.leave_side(self._side)


VISIT = web.RequestKey("visit", Visit)


class Turnstile:
    """One for each node. `now` counts seconds and never goes back."""

    def __init__(
        self, settings: Settings, now: Callable[[], float], counters: Counters, files: int | None = None
    ) -> None:
        """`files` is how many this process may open: the rest is left to the store, to data and to calls of ours."""
        self._now = now
        self._counters = counters
        self._places = settings.peer_requests
        self._per_s = settings.peer_requests_per_s
        self._burst = float(settings.peer_burst)
        self._body_s = settings.message_timeout_s
        # Behind a proxy everybody has its address: it has to keep strangers apart, and we could only punish all of them.
        self._by_side = not settings.behind_tls_proxy
        self._side_places = settings.address_requests
        self._failures_most = float(settings.address_failures_per_min)
        self._participants: dict[str, Bucket] = {}
        self._sides: Counter[str] = Counter()
        self._failures: OrderedDict[str, Bucket] = OrderedDict()
        most = settings.connections if files is None else max(16, min(settings.connections, files // 2))
        per_address = min(settings.connections_per_address, max(8, most // 2)) if self._by_side else None
        self.connections = Connections(most, per_address)

    # Participants

    def enter(self, participant: str) -> None:
        """Take a place and a token; raises RefusedError too-many-requests with the seconds after which one is there."""
        bucket = self._participants.get(participant)
        if bucket is None:
            bucket = self._participants[participant] = self._new()
        if bucket.open >= self._places:
            raise RefusedError(BUSY, who=participant, retry_s=1)
        tokens = bucket.fill(self._now(), self._per_s, self._burst)
        if tokens < 1:
            raise RefusedError(BUSY, who=participant, retry_s=max(1, math.ceil((1 - tokens) / self._per_s)))
        bucket.tokens = tokens - 1
        bucket.open += 1

    def leave(self, participant: str) -> None:
        """Give the place back; the token comes back by itself."""
        self._participants[participant].open -= 1

    def _new(self) -> Bucket:
        if len(self._participants) >= ENTRIES_MOST:
            now = self._now()
            for name, bucket in list(self._participants.items()):
                if not bucket.open and bucket.fill(now, self._per_s, self._burst) >= self._burst:
                    del self._participants[name]  # as good as none
        return Bucket(self._burst, self._now())

    # Addresses of those we do not know yet

    def enter_side(self, side: str) -> None:
        """Take a place of an address; raises RefusedError too-many-requests, also after too many failed proofs."""
        failed = self._failures.get(side)
        if failed is not None:
            per_s = self._failures_most / 60
            tokens = failed.fill(self._now(), per_s, self._failures_most)
            if tokens < 1:
                raise RefusedError(BUSY, who=side, retry_s=max(1, math.ceil((1 - tokens) / per_s)))
        if self._sides[side] >= self._side_places:
            raise RefusedError(BUSY, who=side, retry_s=1)
        self._sides[side] += 1

    def leave_side(self, side: str) -> None:
        """Give the place back."""
        self._sides[side] -= 1
        if not self._sides[side]:
            del self._sides[side]

    def failed(self, side: str) -> None:
        """Somebody at this address could not prove who it is."""
        bucket = self._failures.get(side)
        if bucket is None:
            bucket = self._failures[side] = Bucket(self._failures_most, self._now())
            if len(self._failures) > ENTRIES_MOST:
                self._failures.popitem(last=False)
        self._failures.move_to_end(side)
        bucket.fill(self._now(), self._failures_most / 60, self._failures_most)
        bucket.tokens = max(0.0, bucket.tokens - 1)

    # Requests

    @property
    def middleware(self) -> Middleware:
        """What every request of the protocol side passes."""

        @web.middleware
        async def turnstile(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._pass(request, handler)

        return turnstile

    async def _pass(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        place = None if transport is None else transport.get_extra_info("peername")
        side = side_of(str(place[0])) if place and self._by_side else ""
        if side:
            try:
                self.enter_side(side)
            except RefusedError as error:
                # 503, not 429: nobody has told us yet which of the two its connector takes for passing.
                self._counters.add("weft_requests_refused_total", reason=BUSY)
                return _answer(error, UNAVAILABLE)
        visit = request[VISIT] = Visit(self, side, place)
        content, timer = request.content, None
        if not content.is_eof() and not request.path.startswith(STREAMED):
            timer = asyncio.get_running_loop().call_later(self._body_s, _give_up, content)
            content.on_eof(timer.cancel)
        try:
            response = await handler(request)
        except TimeoutError:
            if timer is None or content.exception() is None:
                raise
            return _answer(RefusedError(SLOW, limit_s=f"{self._body_s:g}"), TIMEOUT)
        else:
            if response.status == UNAUTHORIZED and side:
                self.failed(side)
            return response
        finally:
            visit.end()
            if timer is not None:
                timer.cancel()


def retry_after(error: Exception) -> dict[str, str]:
    """The header that says when to come again, of a refusal that passes; none for any other error."""
    if isinstance(error, RefusedError) and error.code == BUSY:
        return {"Retry-After": str(error.facts["retry_s"])}
    if isinstance(error, WeftError) and TABLE[error.code].status == UNAVAILABLE:
        return {"Retry-After": str(RETRY_S)}
    return {}


def open_files() -> int | None:
    """How many files and connections this process may hold open; None where nobody says."""
    try:
        import resource  # noqa: PLC0415  not on every system
    except ImportError:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def _answer(error: RefusedError, status: int) -> web.Response:
    """To somebody we do not know, outside any protocol."""
    text = sentence(f"error.{error.code}", "en", **error.facts)
    return web.Response(
        status=status,
        body=to_bytes({"code": error.code, "reason": [text]}),
        content_type="application/json",
        headers=retry_after(error),
    )


def _give_up(content: StreamReader) -> None:
    """Whoever waits for this body waits no longer; the connection is closed behind the answer."""
    content.set_exception(TimeoutError())
