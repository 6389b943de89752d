"""Compact JWS (RFC 7515, 7.1) with ES256, the form of every token of ours.

PyJWT makes and checks signatures here and nothing else: it takes the last of two equal members, forgives more than we
do, and understands headers we refuse (claims-protocol.md, 7). One algorithm is allowed, so none can be confused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec

from connector.errors import AuthenticationError
from connector.identity.jwk import base64url, unbase64url
from connector.identity.keys import KeyRing
from policies.canonical import JsonValue, parse_json
from policies.errors import JsonError

ALGORITHM = "ES256"
_ES256 = jwt.get_algorithm_by_name(ALGORITHM)
# Every token of a sender has the same header: the few that are short are taken apart once.
_SHORT_CHARACTERS = 512
_HEADERS = 1024
# The types of ours in the header (RFC 8725, 3.11): neither can stand in for the other.
IDENTITY, DATA = "JWT", "weft-data+jwt"
LIMIT_CHARACTERS = 16 * 1024
DEPTH = 8
PARTS = 3

# What a token may carry in its header. `crit`, `jwk`, `jku`, `x5u`, `x5c` and whatever comes next would let a token choose
# how it is checked.
_HEADER = frozenset({"alg", "typ", "kid", "cty"})


@dataclass(frozen=True, slots=True)
class Compact:
    """A token taken apart; nothing in it is believed before `signed_by` says so."""

    kid: str
    typ: str | None
    claims: Mapping[str, JsonValue]
    signing_input: bytes
    signature: bytes

    def signed_by(self, key: ec.EllipticCurvePublicKey) -> bool:
        """Whether the signature was made by this key."""
        return bool(_ES256.verify(self.signing_input, key, self.signature))


def make(ring: KeyRing, claims: Mapping[str, Any], typ: str) -> str:
    """A token of ours."""
    signing_input = f"{_header(ring.kid('token'), typ)}.{base64url(orjson.dumps(dict(claims)))}"
    return f"{signing_input}.{base64url(_ES256.sign(signing_input.encode(), ring.token_key))}"


def read(header: str | None) -> Compact:
    """The token of an `Authorization` header; raises AuthenticationError: token-missing, -malformed, -algorithm."""
    scheme, _, text = (header or "").strip().partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text:
        raise AuthenticationError("token-missing")
    if len(text) > LIMIT_CHARACTERS:
        raise malformed(f"longer than {LIMIT_CHARACTERS} characters")
    parts = text.split(".")
    if len(parts) != PARTS:
        raise malformed("not three parts")
    kid, typ = _read_short(parts[0]) if len(parts[0]) <= _SHORT_CHARACTERS else _read_header(parts[0])
    claims = _object(parts[1], "claims")
    return Compact(kid, typ, claims, f"{parts[0]}.{parts[1]}".encode(), _bytes(parts[2], "signature"))


@lru_cache(16)
def _header(kid: str, typ: str) -> str:
    """The first part of a token of ours."""
    return base64url(orjson.dumps({"alg": ALGORITHM, "kid": kid, "typ": typ}))


def _read_header(part: str) -> tuple[str, str | None]:
    """`kid` and `typ` of a header that leaves the choice of the algorithm to us; raises as `read`."""
    fields = _object(part, "header")
    # claims-protocol.md 10.1, lines 2 and 3: the key decides the algorithm, never the token.
    if fields.get("alg") != ALGORITHM:
        raise AuthenticationError("token-algorithm", found=str(fields.get("alg"))[:40])
    if unknown := fields.keys() - _HEADER:
        raise malformed(f"header member {min(unknown)[:40]}")
    kid, typ = fields.get("kid"), fields.get("typ")
    if not isinstance(kid, str) or not kid:
        raise malformed("no kid")
    if typ is not None and not isinstance(typ, str):
        raise malformed("typ is no text")
    return kid, typ


_read_short = lru_cache(_HEADERS)(_read_header)


def malformed(problem: str) -> AuthenticationError:
    """The token does not have the shape it must have."""
    return AuthenticationError("token-malformed", problem=problem)


def _object(part: str, name: str) -> Mapping[str, JsonValue]:
    try:
        value = parse_json(_bytes(part, name), max_depth=DEPTH)
    except JsonError as error:
        raise malformed(f"{name}: {error.problem}") from error
    if not isinstance(value, dict):
        raise malformed(f"{name}: no object")
    return value


def _bytes(part: str, name: str) -> bytes:
    try:
        return unbase64url(part)
    except ValueError as error:
        raise malformed(f"{name}: {error}") from error
