"""The export of a log: whatever is changed in it is found and named; two logs that disagree are told apart."""

import io
from datetime import timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.evidence.checkpoint import parse_key
from contracts.evidence.findings import Divergence, Fault, Problem, TimeStep, compare
from contracts.evidence.merkle import Frontier, leaf_hash
from contracts.evidence.pack import checkpoint_line, entry_line, header_line, verify_export
from contracts.evidence.record import origin_of
from policies.canonical import canonical, digest
from tests.evidence.samples import AUDIT, CONSUMER, PROVIDER, STORY, STRANGER, Line, signing, verify, write_export

KEY = bytes(AUDIT.verify_key)
EXPORT = write_export(PROVIDER, STORY)
# Line numbers of records, by seq, and of checkpoints.
ENTRIES = [place for place, line in enumerate(EXPORT) if b'"entry":' in line]
CHECKPOINTS = [place for place, line in enumerate(EXPORT) if line.startswith(b'{"checkpoint"')]


def judge(lines, key=KEY):
    return verify_export(io.BytesIO(b"".join(lines)), verify=verify, key=key)


def problems(report):
    return [(fault.problem, fault.seq) for fault in report.faults]


def test_a_whole_export_holds():
    report = judge(EXPORT)
    assert (report.ok, report.trusted, report.faults) == (True, True, ())
    assert (report.entries, report.size, report.checkpoints) == (8, 8, 3)
    assert (report.detailed, report.erased) == (5, 3)
    assert (report.participant, report.origin) == (PROVIDER, "p-steel.example/audit")
    leaves = [leaf_hash(canonical(orjson.loads(EXPORT[place])["entry"])) for place in ENTRIES]
    assert report.root == f"sha-256:{Frontier().extend(leaves).root().hex()}"
    assert parse_key(report.vkey).public == KEY


def test_without_a_known_key_the_log_is_consistent_but_not_trusted():
    report = judge(EXPORT, key=None)
    assert (report.ok, report.trusted) == (True, False)


def test_an_empty_log_holds_and_proves_nothing():
    report = judge([header_line(PROVIDER, parse_key(judge(EXPORT).vkey), 0)])
    assert (report.ok, report.size, report.root) == (True, 0, "")


@given(st.data())
def test_any_altered_byte_is_found_and_in_a_record_named(data):
    place = data.draw(st.integers(0, len(EXPORT) - 1))
    at = data.draw(st.integers(0, len(EXPORT[place]) - 1))
    altered = bytearray(EXPORT[place])
    altered[at] ^= data.draw(st.integers(1, 255))
    report = judge([*EXPORT[:place], bytes(altered), *EXPORT[place + 1 :]])
    assert not report.ok
    assert report.fault_count >= len(report.faults) > 0
    if place in ENTRIES:
        assert report.faults[0].seq == ENTRIES.index(place)
        assert report.faults[0].line in (place + 1, place + 2)  # the second half of a line that was cut in two


@pytest.mark.parametrize("seq", range(len(STORY)))
@pytest.mark.parametrize("member", ["actor", "com", "seq", "ts", "type"])
def test_an_altered_record_is_the_only_one_named_when_its_leaf_is_proven(seq, member):
    line = orjson.loads(EXPORT[ENTRIES[seq]])
    line["entry"][member] = 99 if member == "seq" else "altered"
    report = judge([*EXPORT[: ENTRIES[seq]], canonical(line) + b"\n", *EXPORT[ENTRIES[seq] + 1 :]])
    assert problems(report) == [(Problem.ENTRY_ALTERED, seq)]
    assert report.size == 8


@pytest.mark.parametrize("seq", range(len(STORY)))
def test_an_altered_leaf_does_not_accuse_its_record(seq):
    line = orjson.loads(EXPORT[ENTRIES[seq]])
    for leaf in ("0" * 64, "no hash"):
        altered = canonical(line | {"leaf": leaf}) + b"\n"
        report = judge([*EXPORT[: ENTRIES[seq]], altered, *EXPORT[ENTRIES[seq] + 1 :]])
        assert problems(report) == [(Problem.LEAF_ALTERED, seq)]


@pytest.mark.parametrize("seq", range(len(STORY)))
def test_a_record_altered_together_with_its_leaf_is_bounded_by_the_checkpoints_around_it(seq):
    line = orjson.loads(EXPORT[ENTRIES[seq]])
    line["entry"]["actor"] = "did:web:somebody.else"
    line["leaf"] = leaf_hash(canonical(line["entry"])).hex()
    report = judge([*EXPORT[: ENTRIES[seq]], canonical(line) + b"\n", *EXPORT[ENTRIES[seq] + 1 :]])
    first, last = seq // 3 * 3, min(seq // 3 * 3 + 3, 8)
    assert problems(report) == [(Problem.ROOT_DIFFERS, last)]
    assert (report.faults[0].expected, report.size) == (f"records {first} to {last - 1}", first)


def test_a_record_and_the_leaf_of_another_altered_leave_both_unproven():
    first, second = (orjson.loads(EXPORT[ENTRIES[seq]]) for seq in (3, 4))
    first["entry"]["actor"] = "altered"
    second["leaf"] = "0" * 64
    lines = list(EXPORT)
    lines[ENTRIES[3]], lines[ENTRIES[4]] = canonical(first) + b"\n", canonical(second) + b"\n"
    expected = [(Problem.ROOT_DIFFERS, 6), (Problem.ENTRY_UNPROVEN, 3), (Problem.ENTRY_UNPROVEN, 4)]
    assert problems(judge(lines)) == expected


@given(st.integers(0, len(STORY) - 1))
def test_a_dropped_record_is_named(seq):
    report = judge(EXPORT[: ENTRIES[seq]] + EXPORT[ENTRIES[seq] + 1 :])
    if seq == len(STORY) - 1:
        assert problems(report)[0] == (Problem.CHECKPOINT_MISPLACED, seq)
    else:
        assert (Problem.ENTRY_MISSING, seq) in problems(report)
        assert all(fault.seq >= seq for fault in report.faults)


@given(st.integers(0, len(STORY) - 1), st.integers(0, len(STORY) - 1))
def test_a_repeated_record_is_named_wherever_it_stands(seq, behind):
    lines = list(EXPORT)
    lines.insert(ENTRIES[behind] + 1, EXPORT[ENTRIES[seq]])
    report = judge(lines)
    if seq <= behind:
        assert problems(report) == [(Problem.ENTRY_REPEATED, seq)]
    elif seq == behind + 1 and ENTRIES[seq] == ENTRIES[behind] + 1:
        assert problems(report) == [(Problem.ENTRY_REPEATED, seq)]  # twice in its own place
    else:
        assert not report.ok
        assert any(fault.seq in (behind + 1, seq) for fault in report.faults)


@given(st.permutations(range(len(STORY))))
def test_reordered_records_are_found(order):
    lines = list(EXPORT)
    for place, seq in zip(ENTRIES, order, strict=True):
        lines[place] = EXPORT[ENTRIES[seq]]
    report = judge(lines)
    assert report.ok is (order == list(range(len(STORY))))
    if not report.ok:
        wrong = next(seq for seq, found in enumerate(order) if seq != found)
        assert report.faults[0].seq == wrong


def test_records_cut_from_the_end_are_missed_by_the_header():
    report = judge(EXPORT[: CHECKPOINTS[1] + 1])
    assert problems(report) == [(Problem.SIZE_DIFFERS, 6)]


def test_records_without_a_checkpoint_are_not_covered():
    assert problems(judge(EXPORT[:-1])) == [(Problem.ENTRIES_UNCOVERED, 6)]


def test_an_altered_record_without_a_checkpoint_is_unproven():
    line = orjson.loads(EXPORT[ENTRIES[7]])
    line["entry"]["actor"] = "altered"
    report = judge([*EXPORT[:-2], canonical(line) + b"\n"])
    assert problems(report) == [(Problem.ENTRY_UNPROVEN, 7), (Problem.ENTRIES_UNCOVERED, 6)]


# -- details -------------------------------------------------------------------------------------------------------------


def test_erased_details_leave_every_proof_intact():
    bare = [orjson.loads(line) for line in EXPORT]
    for line in bare:
        line.pop("details", None)
        line.pop("salt", None)
    report = judge([canonical(line) + b"\n" for line in bare])
    assert (report.ok, report.detailed, report.erased) == (True, 0, 8)


@pytest.mark.parametrize(
    ("member", "value"), [("details", {"offer": "o-2"}), ("salt", "00" * 16), ("salt", "AB"), ("salt", "")]
)
def test_details_that_are_not_those_committed_to_are_named(member, value):
    altered = canonical(orjson.loads(EXPORT[1]) | {member: value}) + b"\n"
    assert problems(judge([EXPORT[0], altered, *EXPORT[2:]])) == [(Problem.DETAILS_ALTERED, 0)]


def test_details_without_their_salt_are_no_line_of_an_export():
    line = {name: value for name, value in orjson.loads(EXPORT[1]).items() if name != "salt"}
    assert problems(judge([EXPORT[0], canonical(line) + b"\n", *EXPORT[2:]]))[0] == (Problem.LINE_UNREADABLE, 0)


# -- checkpoints and header ----------------------------------------------------------------------------------------------


def test_a_checkpoint_of_another_key_is_refused():
    forged = write_export(PROVIDER, STORY, key=STRANGER)
    lines = list(EXPORT)
    lines[CHECKPOINTS[0]] = forged[CHECKPOINTS[0]]
    assert problems(judge(lines)) == [(Problem.CHECKPOINT_INVALID, 3)]


def test_a_log_that_signed_two_histories_is_found():
    """Case 34, history rewritten: each checkpoint is well signed, they do not fit together."""
    other = write_export(PROVIDER, (Line("negotiation.refused"), *STORY[1:]))
    lines = list(EXPORT)
    lines[CHECKPOINTS[1]] = other[CHECKPOINTS[1]]
    assert problems(judge(lines)) == [(Problem.ROOT_DIFFERS, 6)]


@pytest.mark.parametrize("root", [bytes(32), Frontier().root()])
def test_a_well_signed_wrong_root_is_found(root):
    report = judge(write_export(PROVIDER, STORY, signed_roots={6: root}))
    assert problems(report) == [(Problem.ROOT_DIFFERS, 6)]
    assert report.size == 3


def test_a_checkpoint_that_shrinks_repeats_or_runs_ahead_is_misplaced():
    first, second, third = (EXPORT[place] for place in CHECKPOINTS)
    for wrong in (first, second, third):
        lines = list(EXPORT)
        lines.insert(CHECKPOINTS[1] + 1, wrong)
        assert problems(judge(lines)) == [(Problem.CHECKPOINT_MISPLACED, 6)]


def test_an_unreadable_checkpoint_costs_only_itself():
    lines = list(EXPORT)
    lines[CHECKPOINTS[0]] = lines[CHECKPOINTS[0]].replace(b"}", b"]")
    assert problems(judge(lines)) == [(Problem.LINE_UNREADABLE, 3)]
    lines[CHECKPOINTS[0]] = b'{"checkpoint":7}\n'
    assert problems(judge(lines)) == [(Problem.CHECKPOINT_INVALID, 3)]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("typ", "audit-export/2"),
        ("participant", CONSUMER),
        ("participant", "did:web:p-steel.example/x"),
        ("origin", "s-zhengshu.example/audit"),
        ("vkey", "x"),
        ("size", "8"),
        ("size", True),
        ("more", 1),
    ],
)
def test_a_header_whose_parts_contradict_each_other_is_refused(member, value):
    header = canonical(orjson.loads(EXPORT[0]) | {member: value}) + b"\n"
    report = judge([header, *EXPORT[1:]])
    assert problems(report) == [(Problem.HEADER_INVALID, 0)]
    assert report.entries == 0


def test_the_log_of_another_key_than_expected_is_not_read():
    report = judge(write_export(PROVIDER, STORY, key=STRANGER))
    assert problems(report) == [(Problem.KEY_DIFFERS, 0)]
    assert (report.trusted, report.entries) == (False, 0)


@pytest.mark.parametrize("lines", [[], [b""], [b"\n"], [b"\xff\n"], [b"[" * 5000]])
def test_what_is_no_export_has_an_invalid_header(lines):
    assert problems(verify_export(lines, verify=verify))[:1] == [(Problem.HEADER_INVALID, 0)]


def test_a_line_of_endless_length_or_depth_is_unreadable():
    for line in (b'{"entry":"' + b"x" * 2_000_000 + b'"}\n', b"[" * 500 + b"]" * 500 + b"\n"):
        assert problems(judge([EXPORT[0], line, *EXPORT[1:]])) == [(Problem.LINE_UNREADABLE, 0)]


def test_a_file_that_is_wrong_throughout_is_told_by_its_first_faults():
    report = judge([EXPORT[0], *[b"x\n"] * 500])
    assert (len(report.faults), report.fault_count) == (100, 501)


def test_a_proven_line_that_is_no_record_is_named():
    """Somebody's own tree over anything: well signed, and no audit log."""
    key, tree = parse_key(judge(EXPORT).vkey), Frontier()
    entry = canonical({"v": 2, "seq": 0})
    tree = tree.append(leaf_hash(entry))
    note = orjson.loads(write_export(PROVIDER, STORY[:1], signed_roots={1: tree.root()})[-1])["checkpoint"]
    lines = [
        header_line(PROVIDER, key, 1),
        entry_line(entry.decode(), leaf_hash(entry).hex(), None, None),
        checkpoint_line(note),
    ]
    report = judge(lines)
    assert problems(report) == [(Problem.ENTRY_INVALID, 0)]
    assert report.size == 1


def test_a_clock_that_went_back_is_reported_and_no_fault():
    story = [Line("transfer.started", at=timedelta(seconds=second)) for second in (5, 3, 4, 6)]
    report = judge(write_export(PROVIDER, story))
    assert report.ok
    assert [step.seq for step in report.time_steps] == [1, 2]
    assert report.time_steps[0].before > report.time_steps[0].after


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_finding_is_a_sentence_in_both_languages(lang):
    findings = [Fault(problem, 12, 7, "eight", "nine") for problem in Problem]
    findings += [TimeStep(7, "later", "earlier"), Divergence(PROVIDER, CONSUMER, "receipt:x", 7)]
    sentences = [finding.sentence(lang) for finding in findings]
    assert len(set(sentences)) == len(findings)
    assert not any("{" in sentence for sentence in sentences)


# -- two logs ------------------------------------------------------------------------------------------------------------


def mirrored(story):
    return tuple(Line(line.type, PROVIDER if line.peer else None, line.refs, line.details) for line in story)


def consumer_log(story):
    return verify_export(write_export(CONSUMER, mirrored(story), key=STRANGER), verify=verify)


def test_logs_that_hold_the_same_evidence_do_not_diverge():
    assert compare([judge(EXPORT), consumer_log(STORY)]) == ()


def test_what_one_log_leaves_out_is_named_from_the_other():
    receipt = STORY[5].refs[0]
    assert compare([judge(EXPORT), consumer_log([*STORY[:5], *STORY[6:]])]) == (
        Divergence(PROVIDER, CONSUMER, receipt, 5),
    )


def test_other_evidence_on_each_side_diverges_on_both():
    other = Line("receipt.sent", CONSUMER, (f"receipt:{digest(b'another')}",))
    found = compare([judge(EXPORT), consumer_log([*STORY[:5], other, *STORY[6:]])])
    assert [(one.participant, one.ref) for one in found] == [(PROVIDER, STORY[5].refs[0]), (CONSUMER, other.refs[0])]


def test_references_that_are_not_shared_and_peers_without_a_log_are_not_compared():
    assert compare([judge(EXPORT)]) == ()
    report = judge(EXPORT)
    assert set(report.exchanged) == {CONSUMER}
    assert not any(ref.startswith("seal:") for ref in report.exchanged[CONSUMER])


@given(
    st.recursive(st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(), st.lists, max_leaves=8)
)
def test_details_of_any_kind_survive_the_export(value):
    report = judge(write_export(PROVIDER, [Line("x.y", details={"value": value})]))
    assert (report.ok, report.detailed) == (True, 1)


def test_writing_is_signed_by_the_key_in_the_header():
    key = parse_key(judge(EXPORT).vkey)
    assert key.name == origin_of(PROVIDER)
    assert verify(key.public, b"x", signing(AUDIT)(b"x"))
