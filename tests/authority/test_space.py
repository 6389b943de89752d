"""The space authority's desk: draft, add, remove, sign."""

import json
from datetime import timedelta

import pytest

from connector.authority import space as authority
from connector.errors import AuthenticationError, SettingsError, VerificationError
from connector.identity.keys import KeyRing
from connector.identity.members import read_member_list
from tests.clocks import START
from tests.space import STAMP, STEEL, Space


@pytest.fixture
def members() -> Space:
    return Space(STEEL, STAMP)


@pytest.fixture
def desk(tmp_path):
    authority.create_space(tmp_path, "urn:space:demo")
    return tmp_path


def document(members, participant, **changes):
    return json.dumps(members.entry(participant, **changes), ensure_ascii=False).encode()


def read(desk, now=START):
    data = (desk / "members.json").read_bytes()
    return read_member_list(data, authority.space_key(desk), known_seq=0, now=now)


def test_a_space_begins_with_a_key_and_an_empty_draft(tmp_path):
    """The key is for its owner only, and a second beginning destroys nothing."""
    key = authority.create_space(tmp_path / "space", "urn:space:demo")

    assert key == authority.space_key(tmp_path / "space")
    assert (tmp_path / "space" / "space.pem").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SettingsError, match="file-exists"):
        authority.create_space(tmp_path / "space", "urn:space:demo")
    (tmp_path / "space" / "space.pem").chmod(0o644)
    with pytest.raises(SettingsError, match="key-readable"):
        authority.sign(tmp_path / "space", "P30D", START)


def test_signed_lists_count_up(desk, members):
    """Each list is numbered one higher, valid for as long as asked, and verifies."""
    authority.add_member(desk, document(members, STEEL), START)
    authority.sign(desk, "P30D", START)
    first = read(desk)
    authority.add_member(desk, document(members, STAMP), START)
    authority.sign(desk, "P2W", START)
    second = read(desk)

    assert (first.seq, list(first.members), first.expires - first.issued) == (1, [STEEL], timedelta(days=30))
    assert (second.seq, list(second.members), second.expires - second.issued) == (2, [STEEL, STAMP], timedelta(days=14))
    assert not (desk / "members.json.new").exists()


def test_a_removed_member_is_gone_from_the_next_list(desk, members):
    """And cannot be removed twice."""
    authority.add_member(desk, document(members, STEEL), START)
    authority.remove_member(desk, STEEL)
    authority.sign(desk, "P1D", START)

    assert not read(desk).members
    with pytest.raises(SettingsError, match="member-unlisted"):
        authority.remove_member(desk, STEEL)


def test_adding_the_same_entry_changes_nothing(desk, members):
    """The repeat is an answer."""
    authority.add_member(desk, document(members, STEEL), START)
    before = (desk / "space.json").read_bytes()
    authority.add_member(desk, document(members, STEEL), START)

    assert (desk / "space.json").read_bytes() == before


def test_keys_that_are_replaced_stay_verifiable(desk, members):
    """What the old evidence key signed still verifies for its time; it signs nothing new."""
    old = members.rings[STEEL]
    authority.add_member(desk, document(members, STEEL), START - timedelta(days=1))
    members.rings[STEEL] = new = KeyRing.generate(STEEL)
    renewed = authority.add_member(desk, document(members, STEEL, keys=new.member_keys(START)), START)
    authority.sign(desk, "P30D", START)
    listed = read(desk)

    assert len(renewed.keys) == 8
    yesterday = START - timedelta(days=1)
    verify_then = listed.verifier(STEEL, "evidence", yesterday)
    assert verify_then(old.kid("evidence"), b"m", old.sign("evidence", b"m"))
    with pytest.raises(AuthenticationError, match="key-retired"):
        listed.key(old.kid("token"), "token", START)
    assert listed.key(new.kid("token"), "token", START) == new.token_public


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"participantId": "did:web:a"}',
        b"[" * 100_000,
        b'{"a": 1, "a": 1}',
    ],
)
def test_what_is_no_entry_is_not_added(desk, data):
    """The draft stays as it was."""
    before = (desk / "space.json").read_bytes()
    with pytest.raises(VerificationError, match="member-list-invalid"):
        authority.add_member(desk, data, START)
    assert (desk / "space.json").read_bytes() == before


def test_an_entry_must_fit_the_others(desk, members):
    """A connector identifier, a key or a number without canonical form of somebody else's does not come in."""
    authority.add_member(desk, document(members, STEEL), START)
    for changes in ({"connectorId": "connector-0"}, {"weight": 1.5}):
        with pytest.raises(VerificationError, match="member-list-invalid"):
            authority.add_member(desk, document(members, STAMP, **changes), START)


def test_a_damaged_draft_is_refused(desk, tmp_path):
    """Missing, not JSON, edited by hand."""
    for text in ("{", '{"space": "x", "seq": "1", "members": []}', '{"space": "x", "seq": 1, "members": [{}]}'):
        (desk / "space.json").write_text(text, encoding="utf-8")
        with pytest.raises(VerificationError, match="member-list-invalid"):
            authority.sign(desk, "P1D", START)
    with pytest.raises(SettingsError, match="space-missing"):
        authority.read_draft(tmp_path / "elsewhere")


@pytest.mark.parametrize("text", ["", "30", "30 days", "P", "P0D", "-P1D", "PT", "P1", "forever"])
def test_a_validity_is_an_iso_duration(desk, text):
    """And longer than nothing."""
    with pytest.raises(SettingsError, match="duration-invalid"):
        authority.sign(desk, text, START)
