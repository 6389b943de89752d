"""Checkpoints: what a log commits to, as a C2SP signed note (audit-log.md 4; C2SP signed-note, tlog-checkpoint).

    p-steel.example/audit                                  origin: the log's name
    17                                                     size of its tree
    Vb8N0...=                                              root, base64
                                                           (blank line)
    — p-steel.example/audit oN7cQ...=                      key name, base64(key id || signature)

The key of a log is named like its origin. Signatures of unknown keys are ignored, so that witnesses may add theirs; one wrong
signature of the known key rejects the note.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from contracts.errors import CheckpointError

ED25519 = 0x01
KEY_BYTES = 32
SIGNATURE_BYTES = 64
NOTE_LIMIT_BYTES = 65_536
SIGNATURES_LIMIT = 64  # the specification asks for at least 16

_TEXT = re.compile(r"([^\s+]+)\n(0|[1-9][0-9]{0,14})\n([A-Za-z0-9+/]{43}=)\n")
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)")

# Whether the Ed25519 `public_key` made this signature over this message: (public_key, message, signature).
VerifyEd25519: TypeAlias = Callable[[bytes, bytes, bytes], bool]


@dataclass(frozen=True, slots=True)
class LogKey:
    """The Ed25519 key a log signs with, and the name it signs under."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes by which a note says which key signed; they bind the name."""
        return sha256(self.name.encode() + b"\n" + bytes([ED25519]) + self.public).digest()[:4]

    def text(self) -> str:
        """The verifier key as people exchange it: `name+hex(key id)+base64(type || public key)`."""
        return f"{self.name}+{self.id.hex()}+{_encode(bytes([ED25519]) + self.public)}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Name, size and root of a log's tree at one moment."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{_encode(self.root)}\n"


def parse_key(text: str) -> LogKey:
    """Read a verifier key; raises CheckpointError when its parts contradict each other or it is not Ed25519."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    material = _decode(encoded, "verifier key")
    if len(material) != 1 + KEY_BYTES or material[0] != ED25519:
        raise CheckpointError("the verifier key is no Ed25519 key")
    key = LogKey(_key_name(name), material[1:])
    if key.id.hex() != key_id:
        raise CheckpointError("the id of the verifier key does not belong to its name and key")
    return key


def sign_checkpoint(checkpoint: Checkpoint, *, public_key: bytes, sign: Callable[[bytes], bytes]) -> str:
    """The signed note. A log must never sign two checkpoints that contradict each other: that is the caller's promise."""
    text = checkpoint.text()
    key = LogKey(_key_name(checkpoint.origin), public_key)
    return f"{text}\n— {key.name} {_encode(key.id + sign(text.encode()))}\n"


def open_checkpoint(note: str, *, key: LogKey, verify: VerifyEd25519) -> Checkpoint:
    """The checkpoint a note carries, once its log's signature holds; raises CheckpointError with the broken rule."""
    text, signatures = _split(note)
    checkpoint = _parse(text)
    if checkpoint.origin != key.name:
        raise CheckpointError(f"it is of {checkpoint.origin} and not of {key.name}")
    ours = [signature for name, signature in signatures if name == key.name and signature[:4] == key.id]
    if not ours:
        raise CheckpointError(f"it bears no signature of {key.name}")
    for signature in ours:
        if len(signature) != 4 + SIGNATURE_BYTES or not verify(key.public, text.encode(), signature[4:]):
            raise CheckpointError(f"its signature of {key.name} is wrong")
    return checkpoint


def _split(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The signed text of a note, and its signatures as (key name, key id and signature)."""
    if len(note) > NOTE_LIMIT_BYTES:
        raise CheckpointError(f"it is longer than {NOTE_LIMIT_BYTES} bytes")
    if any(character < " " and character != "\n" for character in note):
        raise CheckpointError("it holds control characters")
    text, blank, tail = note.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise CheckpointError("it is no signed note")
    lines = tail[:-1].split("\n")
    if len(lines) > SIGNATURES_LIMIT:
        raise CheckpointError(f"it bears more than {SIGNATURES_LIMIT} signatures")
    found = [_SIGNATURE.fullmatch(line) for line in lines]
    if not all(found):
        raise CheckpointError("it has a malformed signature line")
    return f"{text}\n", [(line[1], _decode(line[2], "signature")) for line in found if line]


def _parse(text: str) -> Checkpoint:
    found = _TEXT.fullmatch(text)
    if found is None:
        raise CheckpointError("its text is not the three lines origin, size and root")
    return Checkpoint(found[1], int(found[2]), _decode(found[3], "root"))


def _key_name(name: str) -> str:
    if not name or "+" in name or any(character.isspace() for character in name):
        raise CheckpointError(f"{name!r} cannot name a log or key")
    return name


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CheckpointError(f"its {what} is no base64") from error
    if _encode(data) != text:  # two texts for the same bytes would hide a change
        raise CheckpointError(f"its {what} is no canonical base64")
    return data
