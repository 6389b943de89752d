"""Audit records: canonical, bounded, silent about their details."""

from datetime import datetime, timedelta, timezone

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import RecordError
from contracts.evidence.record import commitment, origin_of, read_record, record_id, timestamp, write_record
from policies.canonical import digest, parse_json
from tests.evidence.samples import CONSUMER, PROVIDER, START

COM = commitment(b"s" * 16, b"{}")


def write(**changes):
    members = {"seq": 7, "ts": START, "type_": "transfer.started", "actor": PROVIDER, "com": COM}
    return write_record(**(members | changes))


@given(st.text(), st.text(), st.integers(0, 2**53 - 1))
def test_a_record_is_its_own_rfc_8785_form(actor, reason, seq):
    members = parse_json(write(actor=actor, reason=reason, seq=seq))
    assert rfc8785.dumps(members) == write(actor=actor, reason=reason, seq=seq)


def test_what_does_not_apply_is_absent():
    assert parse_json(write()) == {
        "v": 1,
        "seq": 7,
        "ts": "2026-11-10T01:00:00.000000Z",
        "type": "transfer.started",
        "actor": PROVIDER,
        "refs": [],
        "com": COM,
    }


def test_only_references_that_both_sides_hold_are_compared_and_only_with_a_peer():
    refs = [
        f"{kind}:{digest(kind.encode())}" for kind in ("message", "seal", "receipt", "dataset", "manifest", "agreement")
    ]
    with_peer = read_record(parse_json(write(refs=refs, peer=CONSUMER)))
    assert [ref.partition(":")[0] for ref in with_peer.compared()] == ["message", "receipt", "manifest", "agreement"]
    assert read_record(parse_json(write(refs=refs))).compared() == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"type_": "started"}, "no record type"),
        ({"type_": "transfer.Started"}, "no record type"),
        ({"refs": ["message:deadbeef"]}, "no reference"),
        ({"refs": [digest(b"x") + "\n"]}, "no reference"),
        ({"reason": "x" * 65_535}, "more than 65535"),
    ],
)
def test_what_no_record_may_hold_is_refused(changes, problem):
    with pytest.raises(RecordError, match=problem):
        write(**changes)


@pytest.mark.parametrize(
    ("member", "value"), [("v", 2), ("seq", -1), ("seq", "7"), ("ts", "now"), ("com", "x"), ("refs", None)]
)
def test_what_is_no_record_is_not_read(member, value):
    with pytest.raises(RecordError, match=member):
        read_record(parse_json(write()) | {member: value})


def test_equal_details_have_unequal_commitments_under_other_salts():
    assert commitment(b"a" * 16, b"{}") != commitment(b"b" * 16, b"{}")
    assert commitment(b"ab", b"c") == digest(b"abc")


def test_times_are_utc_and_of_one_width():
    shanghai = timezone(timedelta(hours=8))
    assert timestamp(datetime(2026, 11, 10, 9, 0, 0, 5, shanghai)) == "2026-11-10T01:00:00.000005Z"


@pytest.mark.parametrize(
    ("participant", "origin"),
    [
        ("did:web:p-steel.example", "p-steel.example/audit"),
        ("did:web:127.0.0.1%3A8282", "127.0.0.1:8282/audit"),
        ("did:web:host.example:plants:a", "host.example/plants/a/audit"),
        ("did:key:z6Mk", "did:key:z6Mk/audit"),
        ("TEST CONNECTOR+1", "TEST%20CONNECTOR%2B1/audit"),
        ("钢", "%E9%92%A2/audit"),
    ],
)
def test_a_log_is_named_after_its_participant(participant, origin):
    assert origin_of(participant) == origin
    assert record_id(origin, 17) == f"{origin}/17"


@pytest.mark.parametrize("participant", ["", "did:web:host/path"])
def test_what_cannot_name_a_log_is_refused(participant):
    with pytest.raises(RecordError):
        origin_of(participant)
