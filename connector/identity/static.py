"""The signed member list as an identity: a token of our own out, a participant of the list in."""

import secrets

from connector.clock import Clock
from connector.identity.keys import KeyRing
from connector.identity.source import MemberSource
from connector.identity.tokens import LEEWAY_S, Speaker, make_token, verify_token

DEFAULT_LIFETIME_S = 300
_JTI_BYTES = 16


class StaticIdentity:
    """Both methods are coroutines although nothing here waits: other identities ask the network (DID documents)."""

    def __init__(
        self,
        ring: KeyRing,
        source: MemberSource,
        clock: Clock,
        *,
        lifetime_s: int = DEFAULT_LIFETIME_S,
        leeway_s: float = LEEWAY_S,
    ) -> None:
        self._ring = ring
        self._source = source
        self._clock = clock
        self._lifetime_s = lifetime_s
        self._leeway_s = leeway_s

    async def authorisation(self, audience: str) -> str:
        """The `Authorization` value for one request to this participant; never used twice."""
        jti = secrets.token_urlsafe(_JTI_BYTES)
        return "Bearer " + make_token(self._ring, audience, self._clock.now(), jti, self._lifetime_s)

    async def speaker(self, header: str | None) -> Speaker:
        """Who sent a request with this `Authorization` value.

        Raises AuthenticationError, and VerificationError when no member list is in force: then nobody can be known.
        """
        members = self._source.current()
        return verify_token(header, members, self._ring.participant, self._clock.now(), self._leeway_s)
