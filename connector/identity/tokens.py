"""Self-issued identity tokens (DCP 1.0, base identity protocol): make one, check one, remember those seen.

Every failed check has its own code, for our log and our operator. The world sees one answer, 401, with one exception: errors
of `CLOCK_CODES` are raised only after the signature was proven, so the answer may name them, and both operators learn
that a clock is off and by how much (case 9).
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec

from connector.errors import AuthenticationError
from connector.identity import compact
from connector.identity.compact import malformed
from connector.identity.keys import KeyRing
from connector.identity.members import MemberList, clip
from policies.canonical import JsonValue

LIFETIME_LIMIT_S = 600
LEEWAY_S = 5.0
CLOCK_CODES = frozenset({"token-not-yet", "token-expired"})

_TEXT_LIMIT = 512
# 2^53: beyond it a JSON number is not exact.
_TIME_LIMIT = 2**53
_BUCKET_S = 60


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who a token proves to be speaking. `expires` includes the leeway: until then `jti` must be remembered.

    `issued` is when the token was made, which is just before it was sent; None from an identity that does not say.
    """

    participant: str
    kid: str
    jti: str
    expires: datetime
    issued: datetime | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """The times of a token, in seconds since 1970."""

    iat: float
    exp: float
    nbf: float | None

    def check(self, now: datetime, leeway_s: float) -> None:
        """Raise token-not-yet, token-expired or token-lifetime, with the claim and how far it is off."""
        at = now.timestamp()
        for name, value in (("iat", self.iat), ("nbf", self.nbf)):
            if value is not None and value > at + leeway_s:
                raise AuthenticationError("token-not-yet", claim=name, ahead_s=_rounded(value - at))
        if self.exp <= at - leeway_s:
            raise AuthenticationError("token-expired", claim="exp", late_s=_rounded(at - self.exp))
        if self.exp - self.iat > LIFETIME_LIMIT_S:
            raise AuthenticationError(
                "token-lifetime", lifetime_s=_rounded(self.exp - self.iat), limit_s=LIFETIME_LIMIT_S
            )


def make_token(ring: KeyRing, audience: str, now: datetime, jti: str, lifetime_s: int) -> str:
    """A token that lets us speak to one counterparty, once."""
    issued = round(now.timestamp(), 6)
    claims = {
        "iss": ring.participant,
        "sub": ring.participant,
        "aud": audience,
        "iat": issued,  # to the microsecond (RFC 7519 allows fractions): the order of messages is told by it
        "exp": math.floor(issued) + lifetime_s,
        "jti": jti,
    }
    return compact.make(ring, claims, compact.IDENTITY)


def verify_token(
    header: str | None, members: MemberList, audience: str, now: datetime, leeway_s: float = LEEWAY_S
) -> Speaker:
    """Who speaks, by the `Authorization` header of a request; raises AuthenticationError.

    The steps are those of claims-protocol.md, section 2. Step 6 (`jti` not seen before) is the caller's, before any effect:
    in the transaction of a message, or with `SeenTokens` for a read.
    """
    token = compact.read(header)
    # Others may write any type or none (DCP leaves it open), but not the one of our tokens for data.
    if token.typ == compact.DATA:
        raise malformed("a token for data proves nobody's identity")
    issuer, subject, jti = (text(token.claims, name) for name in ("iss", "sub", "jti"))
    times = read_times(token.claims)
    # (1) iss == sub
    if issuer != subject:
        raise AuthenticationError("token-subject", issuer=clip(issuer), subject=clip(subject))
    # (2) aud is our identifier
    check_audience(token.claims, audience)
    # (3) the key: one of the sender, for tokens, valid now; its signature over the token
    members.member(issuer)
    if token.kid.partition("#")[0] != issuer:
        raise AuthenticationError("key-of-another", participant=issuer, kid=clip(token.kid))
    key = members.key(token.kid, "token", now)
    if not (isinstance(key, ec.EllipticCurvePublicKey) and token.signed_by(key)):
        raise AuthenticationError("token-signature", participant=issuer, kid=token.kid)
    # (4) sub is the one the key stands with: the list has no key whose identifier begins with another participant
    # (5) nbf, exp; and ours: iat, and how long a token may live
    times.check(now, leeway_s)
    expires = datetime.fromtimestamp(times.exp + leeway_s, UTC)
    return Speaker(issuer, token.kid, jti, expires, datetime.fromtimestamp(times.iat, UTC))


def text(claims: Mapping[str, JsonValue], name: str) -> str:
    """A required text claim; raises token-malformed."""
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _TEXT_LIMIT:
        raise malformed(f"{name} is no text of 1 to {_TEXT_LIMIT} characters")
    return value


def read_times(claims: Mapping[str, JsonValue]) -> Times:
    """`iat`, `exp` and the optional `nbf` as numbers, fractional or not (RFC 7519, 2); raises token-malformed."""
    return Times(_number(claims, "iat"), _number(claims, "exp"), _number(claims, "nbf") if "nbf" in claims else None)


def check_audience(claims: Mapping[str, JsonValue], audience: str) -> None:
    """`aud` is this one text, or a list of this one text; raises token-audience."""
    found = claims.get("aud")
    if found not in (audience, [audience]):
        raise AuthenticationError("token-audience", found=clip(str(found)), expected=audience)


@dataclass(slots=True)
class SeenTokens:
    """The `jti` of reads, in memory until they expire. A message's is recorded in its transaction instead.

    Bounded for each participant, so that one that floods us shuts out only itself.
    """

    limit: int = 200_000
    _buckets: dict[str, dict[int, set[bytes]]] = field(default_factory=dict)

    def remember(self, speaker: Speaker, now: datetime) -> None:
        """Raise token-replayed for one seen before, token-flood when there are too many to remember.

        A speaker without `jti` is not remembered: its identity lets a header come again (test runs only).
        """
        if not speaker.jti:
            return
        buckets = self._buckets.setdefault(speaker.participant, {})
        for minute in [minute for minute in buckets if (minute + 1) * _BUCKET_S <= now.timestamp()]:
            del buckets[minute]
        # One identifier in two tokens of unequal expiry is a repeat too: look in every bucket.
        name = hashlib.blake2b(speaker.jti.encode(), digest_size=16).digest()
        if any(name in seen for seen in buckets.values()):
            raise AuthenticationError("token-replayed", participant=speaker.participant, jti=clip(speaker.jti))
        if sum(map(len, buckets.values())) >= self.limit:
            raise AuthenticationError("token-flood", participant=speaker.participant, limit=self.limit)
        buckets.setdefault(int(speaker.expires.timestamp()) // _BUCKET_S, set()).add(name)


def _number(claims: Mapping[str, JsonValue], name: str) -> float:
    value = claims.get(name)
    # A text that looks like a number is none (case 9); true is an int in Python only.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise malformed(f"{name} is no number")
    if not 0 <= value < _TIME_LIMIT:
        raise malformed(f"{name} is no time")
    return value


def _rounded(seconds: float) -> float:
    return round(seconds, 3)
