"""The private keys of one participant, one per role, and the public side of them.

    token     ES256, EC P-256    tokens of the protocol and for data
    evidence  Ed25519            manifests, receipts, seals
    audit     Ed25519            checkpoints of the audit log
    witness   Ed25519            cosignatures on the logs of others

They lie in `keys/<use>.pem` (PKCS8, mode 0600). A key that others can read, or that is not there, stops the start with the
command that mends it. A key identifier is `<did>#<use>-<first 8 hex digits of the SHA-256 of the public key bytes>`: the raw 32
bytes of an Ed25519 key, the 65 bytes of the uncompressed point of a P-256 key.
"""

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from connector.clock import stamp
from connector.errors import SettingsError
from connector.identity.jwk import ec_jwk, okp_jwk, point
from connector.identity.secretfile import read_private, write_private

Use: TypeAlias = Literal["token", "evidence", "audit", "witness"]

USES: tuple[Use, ...] = get_args(Use)
ALGORITHMS: Mapping[Use, str] = MappingProxyType(
    {"token": "ES256", "evidence": "EdDSA", "audit": "EdDSA", "witness": "EdDSA"}
)

_MEND = MappingProxyType(
    {
        "ES256": "(umask 077; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {path})",
        "EdDSA": "(umask 077; openssl genpkey -algorithm ed25519 -out {path})",
    }
)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The loaded keys of a participant. Never printed: its representation shows the identifiers only."""

    participant: str
    token_key: ec.EllipticCurvePrivateKey
    signing_keys: Mapping[Use, SigningKey]
    kids: Mapping[Use, str]

    @classmethod
    def generate(cls, participant: str) -> "KeyRing":
        """Fresh keys, in memory only."""
        others: dict[Use, SigningKey] = {use: SigningKey.generate() for use in USES if use != "token"}
        return cls._of(participant, ec.generate_private_key(ec.SECP256R1()), others)

    @classmethod
    def load(cls, directory: Path, participant: str) -> "KeyRing":
        """Read the four keys of a folder; raises SettingsError: key-missing, key-readable, key-invalid."""
        others: dict[Use, SigningKey] = {use: load_ed25519(directory / f"{use}.pem") for use in USES if use != "token"}
        return cls._of(participant, read_key(directory / "token.pem", "ES256"), others)

    @classmethod
    def _of(
        cls, participant: str, token_key: ec.EllipticCurvePrivateKey, signing_keys: Mapping[Use, SigningKey]
    ) -> "KeyRing":
        kids: dict[Use, str] = {use: kid(participant, use, bytes(key.verify_key)) for use, key in signing_keys.items()}
        kids["token"] = kid(participant, "token", point(token_key.public_key()))
        return cls(participant, token_key, signing_keys, kids)

    def write(self, directory: Path) -> None:
        """Put the four keys into a new folder of mode 0700; raises SettingsError file-exists."""
        try:
            directory.mkdir(mode=0o700, parents=True)
        except FileExistsError as error:
            raise SettingsError("file-exists", path=str(directory)) from error
        write_private(directory / "token.pem", _pem(self.token_key))
        for use, key in self.signing_keys.items():
            write_ed25519(directory / f"{use}.pem", key)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.kids[use] for use in USES)})"

    @property
    def token_public(self) -> ec.EllipticCurvePublicKey:
        """Public key of our tokens."""
        return self.token_key.public_key()

    def kid(self, use: Use) -> str:
        """Identifier of the key of a role."""
        return self.kids[use]

    def sign(self, use: Use, data: bytes) -> bytes:
        """Ed25519 signature, 64 bytes, by the evidence, audit or witness key."""
        return self.signing_keys[use].sign(data).signature

    def public(self, use: Use) -> bytes:
        """Raw public key, 32 bytes, of the evidence, audit or witness key."""
        return bytes(self.signing_keys[use].verify_key)

    def member_keys(self, valid_from: datetime) -> list[dict[str, Any]]:
        """The `keys` of our entry in the member list: public JWKs, valid from then on without end."""
        return [
            {
                "kid": self.kids[use],
                "use": use,
                "alg": ALGORITHMS[use],
                "jwk": ec_jwk(self.token_key.public_key()) if use == "token" else okp_jwk(self.public(use)),
                "from": stamp(valid_from),
                "until": None,
            }
            for use in USES
        ]


def write_ed25519(path: Path, key: SigningKey) -> None:
    """Put an Ed25519 key into a new file of mode 0600; raises SettingsError file-exists."""
    write_private(path, _pem(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(key))))


def load_ed25519(path: Path) -> SigningKey:
    """Read an Ed25519 key; raises SettingsError: key-missing, key-readable, key-invalid."""
    key: ed25519.Ed25519PrivateKey = read_key(path, "EdDSA")
    return SigningKey(key.private_bytes_raw())


def read_key(path: Path, algorithm: str) -> Any:
    """The private key in a PEM file that only its owner can read, checked to be of the algorithm."""
    command = _MEND[algorithm].format(path=shlex.quote(str(path)))
    data = read_private(path, command)
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise SettingsError("key-invalid", path=str(path), algorithm=algorithm, command=command) from error
    fits = (
        isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)
        if algorithm == "ES256"
        else isinstance(key, ed25519.Ed25519PrivateKey)
    )
    if not fits:
        raise SettingsError("key-invalid", path=str(path), algorithm=algorithm, command=command)
    return key


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a 64-byte signature over the message was made by this key; false for anything malformed."""
    try:
        VerifyKey(public).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


def kid(participant: str, use: str, public: bytes) -> str:
    """The identifier of a key, see the top of this module."""
    return f"{participant}#{use}-{hashlib.sha256(public).hexdigest()[:8]}"


def _pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
