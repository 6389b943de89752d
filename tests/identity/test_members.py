"""The signed member list: what is accepted, and every way it is refused."""

import json
from datetime import timedelta

import pytest

from connector.errors import AuthenticationError, VerificationError
from connector.identity.members import read_member_list
from contracts.signing import sign_document
from tests.clocks import START
from tests.space import STAMP, STEEL, Space


@pytest.fixture(scope="module")
def space() -> Space:
    return Space(STEEL, STAMP)


def refused(space, data, *, known_seq=0, now=START):
    with pytest.raises(VerificationError) as caught:
        read_member_list(data, space.space_key, known_seq=known_seq, now=now)
    return caught.value


def test_a_signed_list_is_read(space):
    """Members, keys and numbers come back; unknown fields of newer versions do no harm; the same number is fine again."""
    entry = space.entry(STEEL, dsp="https://p-steel.example/dsp/2025-1/", futureField={"x": 1})
    data = space.signed(seq=7, members=[entry, space.entry(STAMP)], note="new")
    members = read_member_list(data, space.space_key, known_seq=7, now=START)

    assert (members.seq, members.space, list(members.members)) == (7, "urn:space:test", [STEEL, STAMP])
    assert members.member(STEEL).dsp == "https://p-steel.example/dsp/2025-1"
    assert members.member(STEEL).origin == ("https", "p-steel.example", 443)
    assert members.member(STEEL).label("zh") == "锡澄特钢"
    assert members.document["note"] == "new"
    assert members.in_force(START)
    assert not members.in_force(START + timedelta(days=30))


def test_a_list_verifies_signed_documents_of_its_members(space):
    """`verifier` is for one member, one role, one time."""
    ring, members = space.rings[STEEL], space.members()
    kid, signature = ring.kid("evidence"), ring.sign("evidence", b"text")

    assert members.verifier(STEEL, "evidence", START)(kid, b"text", signature)
    assert not members.verifier(STEEL, "evidence", START)(kid, b"test", signature)
    assert not members.verifier(STEEL, "audit", START)(kid, b"text", signature)
    assert not members.verifier(STAMP, "evidence", START)(kid, b"text", signature)
    assert not members.verifier(STEEL, "evidence", START - timedelta(days=31))(kid, b"text", signature)
    assert not members.verifier(STEEL, "token", START)(ring.kid("token"), b"text", signature)


def test_a_stranger_is_named(space):
    """Who is not listed is refused by name."""
    with pytest.raises(AuthenticationError, match=r"not-a-member: participant=did:web:x"):
        space.members().member("did:web:x")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "member-list-invalid"),
        (b"not JSON", "member-list-invalid"),
        (b"\xff\xfe", "member-list-invalid"),
        (b"[" * 100_000, "member-list-invalid"),
        (b'{"document":' + b"[" * 20 + b"]" * 20 + b', "jws": "x"}', "member-list-invalid"),
        (b'{"a": 1, "a": 2}', "member-list-invalid"),
        (b"[]", "member-list-unsigned"),
        (b'{"jws": "x"}', "member-list-unsigned"),
        (b'{"document": {}, "jws": "x"}', "member-list-signature"),
        (b'{"document": [], "jws": "x"}', "member-list-signature"),
    ],
)
def test_what_is_no_signed_list_is_refused(space, data, code):
    """Garbage ends in a code, never in another exception."""
    assert refused(space, data).code == code


def test_a_list_without_or_with_a_wrong_signature_is_refused(space):
    """Bare documents, other authorities, altered documents, lists of another space."""
    document = space.document()
    signed = json.loads(space.signed())
    signed["document"]["members"][0]["region"] = "CN-31"

    assert refused(space, json.dumps(document).encode()).code == "member-list-unsigned"
    assert refused(space, json.dumps({"document": document}).encode()).code == "member-list-unsigned"
    assert refused(space, json.dumps({"document": document, "jws": None}).encode()).code == "member-list-unsigned"
    assert refused(space, json.dumps(signed).encode()).code == "member-list-signature"
    assert refused(space, Space().signed()).code == "member-list-signature"


def test_a_member_cannot_sign_the_list(space):
    """The evidence key of a member is no authority, whatever identifier it writes."""
    ring = space.rings[STEEL]
    data = sign_document(space.document(), kid="urn:space:test#space", sign=lambda text: ring.sign("evidence", text))

    assert refused(space, json.dumps(data).encode()).code == "member-list-signature"


def test_an_older_and_an_expired_list_are_refused(space):
    """The facts say which number is known and when the list ended."""
    older = refused(space, space.signed(seq=6), known_seq=7)
    expired = refused(space, space.signed(), now=START + timedelta(days=60))

    assert (older.code, older.facts) == ("member-list-older", {"seq": 6, "known": 7})
    assert (expired.code, expired.facts["expires"]) == ("member-list-expired", "2026-12-01T00:00:00.000000Z")


def _entry(**changes):
    return lambda space: {"members": [space.entry(STEEL, **changes), space.entry(STAMP)]}


def _key(number, **changes):
    def build(space):
        entry = space.entry(STEEL)
        entry["keys"][number] |= changes
        return {"members": [entry, space.entry(STAMP)]}

    return build


def _jwk(number, **changes):
    def build(space):
        entry = space.entry(STEEL)
        entry["keys"][number]["jwk"] |= changes
        return {"members": [entry, space.entry(STAMP)]}

    return build


def _shared_key(space):
    entry = space.entry(STEEL)
    entry["keys"][3]["jwk"] = entry["keys"][1]["jwk"]
    return {"members": [entry, space.entry(STAMP)]}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (lambda _: {"typ": "members/2"}, "typ"),
        (lambda _: {"seq": 0}, "seq"),
        (lambda _: {"seq": "1"}, "seq"),
        (lambda _: {"seq": True}, "seq"),
        (lambda _: {"space": ""}, "space"),
        (lambda _: {"expires": "2026-10-01T00:00:00Z"}, "expires"),
        (lambda _: {"expires": "2026-12-01T00:00:00"}, "expires"),
        (lambda _: {"expires": 1790000000}, "expires"),
        (lambda _: {"expires": "soon"}, "expires"),
        (lambda _: {"members": None}, "members"),
        (lambda space: {"members": [space.entry(STEEL), space.entry(STEEL)]}, "members[1].participantId"),
        (
            lambda space: {"members": [space.entry(STEEL), space.entry(STAMP, connectorId="connector-0")]},
            "members[1].connectorId",
        ),
        (_entry(participantId="did:web:a b"), "members[0].participantId"),
        (_entry(participantId="did:web:p-steel.example#x"), "members[0].participantId"),
        (_entry(participantId="did:web:other"), "members[0]"),
        (_entry(name={}), "members[0].name"),
        (_entry(name={"de": "Stahl"}), "members[0].name.de.[key]"),
        (_entry(dsp="ftp://p-steel.example"), "members[0].dsp"),
        (_entry(dsp="http://u:p@p-steel.example"), "members[0].dsp"),
        (_entry(dsp="http://p-steel.example/?x=1"), "members[0].dsp"),
        (_entry(dsp="http://p-steel.example/a/../b"), "members[0].dsp"),
        (_entry(dsp="http://p-steel.example:0/"), "members[0].dsp"),
        (_entry(roles=[]), "members[0].roles"),
        (_entry(roles=["boss"]), "members[0].roles[0]"),
        (_entry(roles=["provider", "provider"]), "members[0]"),
        (_entry(region="Jiangsu"), "members[0].region"),
        (_entry(keys=[]), "members[0].keys"),
        (_key(0, kid="did:web:p-stamp.example#token-1"), "members[0]"),
        (_key(0, use="signing"), "members[0].keys[0].use"),
        (_key(0, alg="EdDSA"), "members[0].keys[0]"),
        (_key(1, alg="ES256"), "members[0].keys[1]"),
        (_key(0, until="2026-01-01T00:00:00Z"), "members[0].keys[0]"),
        (_jwk(0, x="AAAA"), "members[0].keys[0]"),
        (_jwk(0, x="A" * 43), "members[0].keys[0]"),
        (_jwk(0, d="AAAA"), "members[0].keys[0]"),
        (_jwk(0, crv="P-384"), "members[0].keys[0]"),
        (_jwk(1, x=5), "members[0].keys[1]"),
        (_shared_key, "members[0].keys[3].jwk"),
    ],
)
def test_a_signed_list_with_a_wrong_field_is_refused_as_a_whole(space, changes, field):
    """A signature does not make a list right: the field is named."""
    error = refused(space, space.signed(**changes(space)))

    assert (error.code, error.facts["field"]) == ("member-list-invalid", field)
