"""Fixed keys, a delivery and an audit log, as the evidence tests and the golden files use them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from contracts.evidence.checkpoint import Checkpoint, LogKey, sign_checkpoint
from contracts.evidence.manifest import Manifest, build_manifest
from contracts.evidence.merkle import Frontier, leaf_hash
from contracts.evidence.pack import checkpoint_line, entry_line, header_line
from contracts.evidence.record import commitment, origin_of, write_record
from policies.canonical import canonical, digest

PROVIDER = "did:web:p-steel.example"
CONSUMER = "did:web:s-zhengshu.example"
START = datetime(2026, 11, 10, 1, 0, tzinfo=UTC)
IAT = 1795334400

EVIDENCE = SigningKey(bytes(range(32)))
AUDIT = SigningKey(bytes(range(32, 64)))
STRANGER = SigningKey(bytes(range(64, 96)))
KID = f"{PROVIDER}#evidence-00000000"


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(public).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


def signing(key: SigningKey) -> Callable[[bytes], bytes]:
    return lambda message: key.sign(message).signature


def known(kid: str, message: bytes, signature: bytes) -> bool:
    return kid == KID and verify(bytes(EVIDENCE.verify_key), message, signature)


# -- a delivery of 5 chunks of 4 KiB, the last one short -----------------------------------------------------------------

CHUNK = 4096
DATA = b"".join(sha256(str(number).encode()).digest() for number in range(530))  # 16,960 bytes
CHUNKS = [DATA[at : at + CHUNK] for at in range(0, len(DATA), CHUNK)]
LEAVES = [leaf_hash(chunk) for chunk in CHUNKS]

ASKED: dict[str, Any] = {
    "agreement": digest(b"agreement"),
    "transfer": "urn:uuid:6f1f7f34-2b0e-4a52-9d60-5a3c5f2f9c11",
    "dataset": "urn:weft:coil-quality",
    "consumer": CONSUMER,
    "policy": digest(b"policy"),
    "transform": digest(b"transform"),
    "columns": ("coil_no", "thickness"),
    "purpose": "quality-control",
}


def manifest(**changes: Any) -> Manifest:
    members: dict[str, Any] = {
        **ASKED,
        "version": digest(b"source"),
        "decision": "p-steel.example/audit/17",
        "size": len(DATA),
        "chunk": CHUNK,
        "leaves": LEAVES,
        "rows": 530,
        "iat": IAT,
    }
    return build_manifest(**(members | changes))


# -- an audit log --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """What is written into a sample log."""

    type: str
    peer: str | None = None
    refs: tuple[str, ...] = ()
    details: dict[str, Any] | None = None
    at: timedelta | None = None


def write_export(
    participant: str,
    lines: Sequence[Line],
    *,
    key: SigningKey = AUDIT,
    groups: Sequence[int] | None = None,
    signed_roots: dict[int, bytes] | None = None,
) -> list[bytes]:
    """The export of a log with these records, with a checkpoint after each number of records in `groups` (every 3 by default)."""
    log_key = LogKey(origin_of(participant), bytes(key.verify_key))
    sizes = set(groups if groups is not None else [*range(3, len(lines), 3), len(lines)])
    export, tree = [header_line(participant, log_key, len(lines))], Frontier()
    for seq, line in enumerate(lines):
        details = canonical(line.details or {})
        salt = sha256(b"salt %d" % seq).digest()[:16]
        record = write_record(
            seq=seq,
            ts=START + (timedelta(seconds=seq) if line.at is None else line.at),
            type_=line.type,
            actor=participant,
            com=commitment(salt, details),
            refs=line.refs,
            peer=line.peer,
            agreement=ASKED["agreement"],
        )
        leaf = leaf_hash(record)
        tree = tree.append(leaf)
        erased = line.details is None
        export.append(
            entry_line(
                record.decode(), leaf.hex(), None if erased else salt.hex(), None if erased else details.decode()
            )
        )
        if seq + 1 in sizes:
            root = (signed_roots or {}).get(seq + 1, tree.root())
            checkpoint = Checkpoint(log_key.name, seq + 1, root)
            note = sign_checkpoint(checkpoint, public_key=log_key.public, sign=signing(key))
            export.append(checkpoint_line(note))
    return export


STORY = (
    Line("negotiation.requested", CONSUMER, (f"message:{digest(b'request')}",), {"offer": "o-1"}),
    Line("negotiation.agreed", CONSUMER, (f"message:{digest(b'agree')}", f"agreement:{digest(b'agreement')}")),
    Line("agreement.sealed", CONSUMER, (f"seal:{digest(b'seal')}",), {"by": "宝钢"}),
    Line("policy.decision", CONSUMER, (), {"purpose": "quality-control", "columns": ["coil_no", "thickness"]}),
    Line("transfer.started", CONSUMER, (f"manifest:{digest(b'manifest')}",)),
    Line("receipt.received", CONSUMER, (f"receipt:{digest(b'receipt')}",), {"upto": 5}),
    Line("usage.recorded", CONSUMER),
    Line("admin.key-added", None, (), {"label": 'quote " backslash \\ newline \n'}),
)
