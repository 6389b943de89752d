"""The formats as files: fixed keys and inputs must give these bytes for ever, or a version has to change.

`python -m tests.evidence.test_golden` writes the files anew: read the difference before you keep it.
"""

import json
from pathlib import Path

import pytest

from contracts.evidence.checkpoint import Checkpoint, LogKey, sign_checkpoint
from contracts.evidence.manifest import pack_leaves
from contracts.evidence.merkle import Frontier, consistency_proof, inclusion_proof, leaf_hash, over, root
from contracts.evidence.pack import verify_export
from contracts.evidence.receipt import build_receipt
from contracts.evidence.record import commitment, write_record
from contracts.signing import sign_document, verify_document
from policies.canonical import digest
from tests.evidence.samples import (
    AUDIT,
    CONSUMER,
    EVIDENCE,
    IAT,
    KID,
    LEAVES,
    PROVIDER,
    START,
    STORY,
    known,
    manifest,
    signing,
    verify,
    write_export,
)

GOLDEN = Path(__file__).parent / "golden"


def tree():
    leaves = [leaf_hash(b"entry-%d" % number) for number in range(9)]
    return {
        "leaves": [leaf.hex() for leaf in leaves],
        "roots": [root(leaves[:size]).hex() for size in range(10)],
        "inclusion of 3 in 7": [hashed.hex() for hashed in inclusion_proof(3, 7, over(leaves))],
        "consistency of 3 with 7": [hashed.hex() for hashed in consistency_proof(3, 7, over(leaves))],
    }


def record():
    return write_record(
        seq=17,
        ts=START,
        type_="policy.decision",
        actor=PROVIDER,
        com=commitment(bytes(16), b'{"purpose":"quality-control"}'),
        refs=[f"message:{digest(b'request')}"],
        peer=CONSUMER,
        agreement=digest(b"agreement"),
        policy=digest(b"policy"),
        decision="deny",
        reason="purpose-not-allowed",
        trace="4bf92f3577b34da6a3ce929d0e0e4736",
    )


def signed_manifest():
    return sign_document(manifest().document(), kid=KID, sign=signing(EVIDENCE))


def signed_receipt():
    receipt = build_receipt(manifest(), seq=2, verified=Frontier().extend(LEAVES), ts=IAT + 5, rows=530, rejected=[3])
    return sign_document(receipt.document(), kid=KID, sign=signing(EVIDENCE))


def checkpoint():
    origin = "p-steel.example/audit"
    key = LogKey(origin, bytes(AUDIT.verify_key))
    return f"{key.text()}\n" + sign_checkpoint(
        Checkpoint(origin, 17, bytes(range(32))), public_key=key.public, sign=signing(AUDIT)
    )


def pretty(value):
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True).encode() + b"\n"


FILES = {
    "tree.json": lambda: pretty(tree()),
    "manifest.json": lambda: pretty(signed_manifest()),
    "receipt.json": lambda: pretty(signed_receipt()),
    "chunks.hex": lambda: pack_leaves(LEAVES).hex().encode() + b"\n",
    "record.json": lambda: record() + b"\n",
    "checkpoint.txt": lambda: checkpoint().encode(),
    "export.jsonl": lambda: b"".join(write_export(PROVIDER, STORY)),
}


@pytest.mark.parametrize("name", FILES)
def test_the_format_is_what_it_was(name):
    assert (GOLDEN / name).read_bytes() == FILES[name]()


def test_what_was_written_once_still_verifies():
    for name, typ in (("manifest.json", "tm/1"), ("receipt.json", "rc/1")):
        verify_document(json.loads((GOLDEN / name).read_bytes()), verify=known, typ=typ)
    with (GOLDEN / "export.jsonl").open("rb") as lines:
        assert verify_export(lines, verify=verify, key=bytes(AUDIT.verify_key)).ok


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for file_name, content in FILES.items():
        (GOLDEN / file_name).write_bytes(content())
