"""The public side of keys as text: JWK (RFC 7517, 7518, 8037), base64url, and the key of a space authority."""

import base64
import binascii
from collections.abc import Mapping
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from connector.errors import SettingsError

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | bytes

# An Ed25519 key, and each coordinate of a P-256 point.
KEY_BYTES = 32
SPACE_KEY_PREFIX = "ed25519:"


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """The uncompressed point of a P-256 key, 65 bytes."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def space_key_text(public: bytes) -> str:
    """The public key of a space authority as it stands in the settings: `ed25519:<base64url>`."""
    return SPACE_KEY_PREFIX + base64url(public)


def read_space_key(text: str) -> bytes:
    """The 32 bytes of `ed25519:<base64url>`; raises SettingsError setting-invalid."""
    try:
        if text.startswith(SPACE_KEY_PREFIX):
            return unbase64url(text.removeprefix(SPACE_KEY_PREFIX), KEY_BYTES)
    except ValueError:
        pass
    raise SettingsError(
        "setting-invalid", name="space_key", source="-", problem="no Ed25519 key of the form ed25519:<base64url>"
    )


def ec_jwk(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """Public JWK of a P-256 key (RFC 7518, 6.2)."""
    raw = point(key)
    x, y = raw[1 : 1 + KEY_BYTES], raw[1 + KEY_BYTES :]
    return {"kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y)}


def okp_jwk(public: bytes) -> dict[str, str]:
    """Public JWK of an Ed25519 key (RFC 8037, 2)."""
    return {"kty": "OKP", "crv": "Ed25519", "x": base64url(public)}


def read_jwk(jwk: Mapping[str, object], algorithm: str) -> PublicKey:
    """The public key of a JWK that fits the algorithm: a P-256 key, or the 32 bytes of an Ed25519 key.

    Raises ValueError, which says what is wrong; also for a JWK that gives away its private part.
    """
    if "d" in jwk:
        raise ValueError("a private key stands in a public document: replace this key")
    kty, crv, names = ("EC", "P-256", ("x", "y")) if algorithm == "ES256" else ("OKP", "Ed25519", ("x",))
    if (jwk.get("kty"), jwk.get("crv")) != (kty, crv):
        raise ValueError(f"{algorithm} needs a key of type {kty} {crv}")
    texts = [jwk.get(name) for name in names]
    parts = [unbase64url(text if isinstance(text, str) else "", KEY_BYTES) for text in texts]
    if algorithm == "EdDSA":
        return parts[0]
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + b"".join(parts))


def unbase64url(text: str, length: int | None = None) -> bytes:
    """Strict base64url without padding (RFC 7515, 2), of `length` bytes if given; raises ValueError."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64url") from error
    # Bits that the decoder drops would let one value have several texts.
    if base64url(data) != text or (length is not None and len(data) != length):
        raise ValueError(f"not base64url of {length} bytes" if length else "not base64url")
    return data


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
