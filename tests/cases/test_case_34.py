"""Case 34: consistency proofs that a verifier must refuse, by the public function and on doctored exports."""

import base64
import dataclasses

import pytest

from connector.cli.exits import Exit
from contracts.evidence.checkpoint import Checkpoint, LogKey, sign_checkpoint
from contracts.evidence.merkle import EMPTY_ROOT, leaf_hash, root, verify_consistency
from contracts.evidence.pack import checkpoint_line
from contracts.evidence.record import origin_of
from tests.cases.inputs import case
from tests.cli.conftest import weft  # noqa: F401  the fixture
from tests.evidence.samples import AUDIT, PROVIDER, STORY, signing, write_export


def decoded(text):
    return base64.b64decode(text, validate=True)


def test_every_row_is_judged_as_the_case_says():
    """Fourteen proofs from size 0, of another size, cut, long, reordered, rewritten: yes exactly where the row says so."""
    given = case("34-consistency")
    assert decoded(given["empty_tree_root"]) == EMPTY_ROOT
    judged = {
        row["name"]: verify_consistency(
            row["size1"],
            row["size2"],
            decoded(row["root1"]),
            decoded(row["root2"]),
            [decoded(node) for node in row["proof"]],
        )
        for row in given["cases"]
    }
    assert judged == {row["name"]: row["accept"] for row in given["cases"]}
    assert set(judged.values()) == {True, False}


def test_the_roots_of_the_rows_are_those_of_the_leaves():
    """Our tree over the leaves of the input has the roots that the accepted rows name."""
    given = case("34-consistency")
    leaves = [leaf_hash(text.encode()) for text in given["leaves_utf8"]]
    for row in given["cases"]:
        if row["accept"]:
            assert decoded(row["root1"]) == root(leaves[: row["size1"]])
            assert decoded(row["root2"]) == root(leaves[: row["size2"]])


def _signed(size, tree_root):
    key = LogKey(origin_of(PROVIDER), bytes(AUDIT.verify_key))
    note = sign_checkpoint(Checkpoint(key.name, size, tree_root), public_key=key.public, sign=signing(AUDIT))
    return checkpoint_line(note)


def _rewritten():
    """A record before the first checkpoint was exchanged: the old checkpoint is of another history."""
    other = write_export(PROVIDER, (dataclasses.replace(STORY[0], type="negotiation.offered"), *STORY[1:]))
    return [*other[:1], other[1], *write_export(PROVIDER, STORY)[2:]]


def _same_size_other_root():
    return [*write_export(PROVIDER, STORY), _signed(len(STORY), b"\x01" * 32)]


def _from_size_0():
    whole = write_export(PROVIDER, STORY)
    return [whole[0], _signed(0, EMPTY_ROOT), *whole[1:3], _signed(0, EMPTY_ROOT), *whole[3:]]


def _shrunk():
    whole = write_export(PROVIDER, STORY)
    return [*whole, _signed(3, b"\x02" * 32)]


DOCTORED = {
    "history rewritten": _rewritten,
    "same size, other root": _same_size_other_root,
    "log shrank": _shrunk,
    "a checkpoint of size 0 behind records": _from_size_0,
}


@pytest.mark.parametrize("name", DOCTORED)
async def test_weft_audit_verify_refuses_a_doctored_export(tmp_path, weft, name):  # noqa: F811
    """The command names a fault and exits as a failed verification does; the export before it was doctored holds."""
    (tmp_path / "good.jsonl").write_bytes(b"".join(write_export(PROVIDER, STORY)))
    (tmp_path / "doctored.jsonl").write_bytes(b"".join(DOCTORED[name]()))
    good = await weft("nobody", "audit", "verify", str(tmp_path / "good.jsonl"))
    assert good.code == Exit.DONE
    ran = await weft("nobody", "--json", "audit", "verify", str(tmp_path / "doctored.jsonl"))
    assert ran.code == Exit.VERIFICATION
    (found,) = ran.json["items"]
    assert found["valid"] is False
    assert found["problems"]


def test_a_witness_answers_422():
    """Nothing of ours answers as a witness yet."""
    pytest.skip("needs a witness")
