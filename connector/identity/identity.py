"""What a connector asks of an identity: a header that says who we are, and who a header says is speaking."""

from typing import Protocol

from connector.identity.tokens import Speaker


class Identity(Protocol):
    """Both methods are coroutines, because some identities ask the network (DID documents)."""

    async def authorisation(self, audience: str) -> str:
        """The `Authorization` value for one request to this participant; never used twice."""
        ...

    async def speaker(self, header: str | None) -> Speaker:
        """Who sent a request with this `Authorization` value; raises AuthenticationError, VerificationError."""
        ...
