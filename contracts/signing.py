"""Signed documents: `{"document": {...}, "jws": "<header>..<signature>"}` (signed-data.md 2.2).

The signature is a detached JWS with an unencoded payload (RFC 7515 appendix F, RFC 7797): Ed25519 over the protected header
and the canonical JSON of the document. Any JWS library verifies it; keys and their validity are the caller's matter.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from contracts.errors import SignatureError
from policies.canonical import JsonValue, canonical, parse_json
from policies.errors import CanonicalError, JsonError

# Whether this key id made this signature over this message; false for an unknown key.
Verify = Callable[[str, bytes, bytes], bool]

SIGNATURE_BYTES = 64
_MEMBERS = frozenset({"document", "jws"})
_DETACHED = re.compile(r"([A-Za-z0-9_-]{1,2048})\.\.([A-Za-z0-9_-]{86})")


def sign_document(document: Mapping[str, JsonValue], *, kid: str, sign: Callable[[bytes], bytes]) -> dict[str, Any]:
    """The signed form of a document; raises CanonicalError when it holds what a signed document must not hold."""
    header = _encode(canonical({"alg": "EdDSA", "b64": False, "crit": ["b64"], "kid": kid}))
    signature = sign(header.encode() + b"." + canonical(document))
    return {"document": dict(document), "jws": f"{header}..{_encode(signature)}"}


def verify_document(signed: Mapping[str, Any], *, verify: Verify, typ: str | None = None) -> dict[str, Any]:
    """The document, once its signature holds and, if asked for, its `typ` is this one; raises SignatureError."""
    document = signed.get("document")
    if not isinstance(document, dict):
        raise SignatureError("there is no document")
    # What the signature does not cover is nobody's word: kept beside it, it would look like somebody's.
    if not signed.keys() <= _MEMBERS:
        raise SignatureError("there is more than a document and its jws")
    encoded, kid, signature = _parts(signed.get("jws"))
    try:
        payload = canonical(document)
    except CanonicalError as error:
        raise SignatureError(f"the document has no canonical form: {error}") from error
    if not verify(kid, encoded.encode() + b"." + payload, signature):
        raise SignatureError(f"no signature of {kid} over this document")
    if typ is not None and document.get("typ") != typ:
        raise SignatureError(f"the document is {document.get('typ')!r} and not {typ!r}")
    return document


def signer(signed: Mapping[str, Any]) -> str:
    """The key id a signed document names, before anything is verified; raises SignatureError."""
    return _parts(signed.get("jws"))[1]


def _parts(jws: object) -> tuple[str, str, bytes]:
    """Encoded header, key id and signature of a detached JWS."""
    found = _DETACHED.fullmatch(jws) if isinstance(jws, str) else None
    if found is None:
        raise SignatureError("there is no detached JWS")
    encoded, signature = found.group(1), _decode(found.group(2))
    try:
        header = parse_json(_decode(encoded), max_depth=4)
    except JsonError as error:
        raise SignatureError(f"the header is no JSON: {error}") from error
    # RFC 8725 3.1: the algorithm is ours to fix, not the sender's to choose. RFC 7797 6: `b64` must be critical.
    if not isinstance(header, dict) or header.get("alg") != "EdDSA":
        raise SignatureError("the algorithm is not EdDSA")
    if header.get("b64") is not False or header.get("crit") != ["b64"]:
        raise SignatureError("the header does not say b64: false, critical and nothing else")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise SignatureError("the header names no key")
    return encoded, kid, signature


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise SignatureError("the JWS is no base64url") from error
    # Two texts for the same bytes would let a signature be altered and still hold.
    if _encode(data) != text:
        raise SignatureError("the JWS is no canonical base64url")
    return data
