"""The client's calls about trouble: where a process stands and why, and what is wrong between us and a partner."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from connector.client.caller import Caller, segment
from connector.client.models import Model, Words

# The daemon bounds its checks at thirty seconds.
DOCTOR_S = 45.0


class Cause(Model):
    """Why a process stands where it stands: the code of the cause, its values, and the sentence in both languages."""

    code: str
    facts: Mapping[str, Any] = Field(default_factory=dict)
    sentence: Words = Field(default_factory=dict)


class Story(Model):
    """A process, the causes (the one that matters first), what happened in order, and what is still to be sent.

    `process` is the negotiation or transfer, None for a message of a partner that was refused before it opened one.
    """

    id: str
    kind: str
    process: Mapping[str, Any] | None = None
    causes: tuple[Cause, ...] = ()
    timeline: tuple[Mapping[str, Any], ...] = ()
    waiting: tuple[Mapping[str, Any], ...] = ()
    omitted: int = 0


class Check(Model):
    """One check of the doctor: `state` is ok, warn, fail or skipped, `who` must mend it: us, partner, authority, nobody."""

    check: str
    state: str
    code: str
    who: str = "nobody"
    facts: Mapping[str, Any] = Field(default_factory=dict)
    sentence: Words = Field(default_factory=dict)


class Looking(Caller):
    """Looking into what hangs."""

    async def story(self, process: str) -> Story:
        """A negotiation or transfer by our id, the partner's, the beginning of either, or of an agreement's digest."""
        return Story.read(await self.session.get(f"/v1/story/{segment(process)}"))

    async def doctor(self, partner: str, *, tell: Callable[[Check], None] | None = None) -> list[Check]:
        """Check everything between us and a partner; `tell` is given each check when it is known, in their order."""
        found: list[Check] = []
        path = f"/v1/partners/{segment(partner)}/doctor"
        async with self.session.stream(
            "POST", path, body={}, headers={"Accept": "application/jsonl"}, timeout_s=DOCTOR_S
        ) as answer:
            async for line in answer.content:
                check = Check.read(json.loads(line))
                found.append(check)
                if tell is not None:
                    tell(check)
        return found
