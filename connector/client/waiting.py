"""Waiting without polling: the daemon sends the state of a process, then each change of it.

The daemon subscribes first and then reads the state, so no change can slip between; a broken connection begins anew with the
state of that moment. A terminal state that was not asked for raises at once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from enum import StrEnum
from typing import Any, Generic, TypeVar

from connector.client.errors import EndedError, ProtocolError, StillWaitingError
from connector.client.session import Session
from contracts.machine import Machine

S = TypeVar("S", bound=StrEnum)


async def snapshots(session: Session, kind: str, identifier: str) -> AsyncIterator[dict[str, Any]]:
    """The process as it is now, and again after each change."""
    async for event in session.events({"watch": f"{kind}:{identifier}"}):
        if isinstance(event.data, dict):
            yield event.data


class Goal(Generic[S]):
    """What is waited for in one machine: states, and what it means to have passed or missed them."""

    def __init__(self, machine: Machine[S, Any], states: type[S], until: str | Collection[str]) -> None:
        self._machine = machine
        self._states = states
        self.wanted = frozenset({until} if isinstance(until, str) else until)
        unknown = self.wanted - {state.value for state in states}
        if unknown:
            raise ValueError(f"{machine.name} has no state {', '.join(sorted(unknown))}")

    def reached(self, state: str | None) -> bool:
        """Whether this is a wanted state, or one that only comes after it (a change can be overtaken by the next)."""
        if state in self.wanted:
            return True
        if state is None or state not in self._states.__members__ or state == "TERMINATED":
            return False
        here, goals = self._states(state), [self._states(each) for each in self.wanted]
        return not any(self._machine.reaches(here, goal) for goal in goals) and any(
            self._machine.reaches(goal, here) for goal in goals
        )

    def missed(self, state: str | None) -> bool:
        """Whether the process has ended otherwise."""
        return state in {each.value for each in self._machine.terminal} and not self.reached(state)


async def reach(
    session: Session,
    kind: str,
    identifier: str,
    *,
    reached: Callable[[dict[str, Any]], bool],
    missed: Callable[[dict[str, Any]], EndedError | None],
    timeout_s: float,
) -> dict[str, Any]:
    """The first snapshot that is what was waited for. Raises the error of `missed`, or StillWaitingError."""
    latest: dict[str, Any] = {}
    try:
        async with asyncio.timeout(timeout_s):
            stream = snapshots(session, kind, identifier)
            try:
                async for latest in stream:
                    if reached(latest):
                        return latest
                    ended = missed(latest)
                    if ended is not None:
                        raise ended
            finally:
                await stream.aclose()  # type: ignore[attr-defined]  # an async generator: it has to let go of its connection
    except TimeoutError as error:
        raise StillWaitingError(
            "still-waiting",
            kind=kind,
            id=identifier,
            state=latest.get("state") or "-",
            since=latest.get("updated", "-"),
            waiting_for=latest.get("waiting_for") or "-",
            timeout_s=timeout_s,
        ) from error
    raise ProtocolError("stream-ended", kind=kind, id=identifier)
