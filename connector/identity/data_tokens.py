"""Tokens for data: what a consumer shows at a data address. Made and checked by the provider with its own key.

Claims: `iss` provider, `sub` consumer, `aud` data address, `agreement`, `transfer`, `purpose`, `jti`, `iat`, `exp` (signed-data.md
2.3). They hold no state, so they survive a restart; the gate asks the database whether the agreement is still in force. The
type in the header keeps them apart from identity tokens: neither can stand in for the other.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from connector.errors import AuthenticationError
from connector.identity import compact
from connector.identity.compact import malformed
from connector.identity.keys import KeyRing
from connector.identity.members import clip
from connector.identity.tokens import LEEWAY_S, check_audience, read_times, text


@dataclass(frozen=True, slots=True)
class Grant:
    """What a data token allows: one consumer, one transfer, one address. `purpose` is as declared with the transfer."""

    consumer: str
    address: str
    agreement: str
    transfer: str
    purpose: str | None
    jti: str
    issued: datetime
    expires: datetime


def make_data_token(
    ring: KeyRing,
    *,
    consumer: str,
    address: str,
    agreement: str,
    transfer: str,
    purpose: str | None,
    now: datetime,
    jti: str,
    lifetime_s: int,
) -> str:
    """A token for one data address, without `Bearer`."""
    # To the microsecond (RFC 7519 allows fractions): a pause and a resumption fit into one second, and kill what is older.
    issued = round(now.timestamp(), 6)
    claims = {
        "iss": ring.participant,
        "sub": consumer,
        "aud": address,
        "agreement": agreement,
        "transfer": transfer,
        "jti": jti,
        "iat": issued,
        "exp": math.floor(issued) + lifetime_s,
    }
    return compact.make(ring, claims if purpose is None else {**claims, "purpose": purpose}, compact.DATA)


def verify_data_token(
    header: str | None, ring: KeyRing, address: str, now: datetime, leeway_s: float = LEEWAY_S
) -> Grant:
    """What the `Authorization` header of a request for data allows; raises AuthenticationError as `verify_token` does."""
    token = compact.read(header)
    if token.typ != compact.DATA:
        raise malformed("not a token for data")
    if token.kid != ring.kid("token"):
        raise AuthenticationError("key-unknown", kid=clip(token.kid))
    if not token.signed_by(ring.token_public):
        raise AuthenticationError("token-signature", participant=ring.participant, kid=token.kid)
    claims = token.claims
    check_audience(claims, address)
    times = read_times(claims)
    times.check(now, leeway_s)
    return Grant(
        consumer=text(claims, "sub"),
        address=address,
        agreement=text(claims, "agreement"),
        transfer=text(claims, "transfer"),
        purpose=text(claims, "purpose") if "purpose" in claims else None,
        jti=text(claims, "jti"),
        issued=datetime.fromtimestamp(times.iat, UTC),
        expires=datetime.fromtimestamp(times.exp, UTC),
    )
