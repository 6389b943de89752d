"""The identity of test runs: whoever says a name is believed (the mock identity of Eclipse EDC, and of conformance runs).

A header is a JSON object `{"region", "audience", "clientId"}` without a scheme, as EDC's `iam-mock` writes it. Nothing is
proven: the settings refuse it in production and for a listener that other machines can reach.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime

from connector.errors import AuthenticationError
from connector.identity.members import MemberList, clip
from connector.identity.tokens import Speaker
from policies.canonical import parse_json
from policies.errors import JsonError

HEADER_LIMIT_BYTES = 2048
_DEPTH = 2
# A mock header is worth nothing and may come again: its speaker carries no `jti` that would have to be remembered.
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


class MockIdentity:
    """Speaks and listens by name. `speaker` is who every header speaks for, `""` to read it from the header."""

    def __init__(self, participant: str, members: Callable[[], MemberList], speaker: str = "") -> None:
        self._participant = participant
        self._members = members
        self._speaker = speaker

    async def authorisation(self, audience: str) -> str:
        """`region` and `clientId` are what an EDC demands; its audience is the address it is called at."""
        member = self._members().members.get(audience)
        address = member.dsp if member else audience
        return json.dumps({"region": "eu", "audience": address, "clientId": self._participant})

    async def speaker(self, header: str | None) -> Speaker:
        """The member whose name the header says; raises AuthenticationError token-missing, token-malformed, not-a-member."""
        if not header:
            raise AuthenticationError("token-missing")
        name = self._speaker or _name(header)
        self._members().member(name)
        return Speaker(name, kid="", jti="", expires=_NEVER)


def _name(header: str) -> str:
    try:
        document = parse_json(header.encode()[:HEADER_LIMIT_BYTES], max_depth=_DEPTH)
    except JsonError as error:
        raise AuthenticationError("token-malformed", problem=error.problem) from error
    name = document.get("clientId") if isinstance(document, dict) else None
    if not isinstance(name, str) or not name:
        raise AuthenticationError("token-malformed", problem=f"clientId is no name: {clip(str(name))}")
    return name
