"""The mock identity believes names, and can therefore be had in tests only."""

import json

import pytest

from connector.errors import AuthenticationError, SettingsError
from connector.identity.mock import MockIdentity
from connector.settings import Settings
from tests.pair import community, did, types, until
from tests.space import STAMP, STEEL, Space


@pytest.fixture
def members():
    return Space(STEEL, STAMP).members()


@pytest.fixture
def identity(members):
    return MockIdentity(STEEL, lambda: members)


async def test_what_it_says_is_what_an_edc_reads(identity, members):
    said = json.loads(await identity.authorisation(STAMP))
    assert said == {"region": "eu", "audience": members.members[STAMP].dsp, "clientId": STEEL}


@pytest.mark.parametrize(
    "header",
    [
        json.dumps({"region": "eu", "audience": "http://peer/protocol", "clientId": STAMP}),
        json.dumps({"audience": None, "clientId": STAMP}),
    ],
)
async def test_both_spellings_of_edc_name_the_speaker(identity, header):
    speaker = await identity.speaker(header)
    assert (speaker.participant, speaker.jti) == (STAMP, "")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "token-missing"),
        ("", "token-missing"),
        ("Bearer abc", "token-malformed"),
        ("[]", "token-malformed"),
        ('{"clientId": 7}', "token-malformed"),
        ('{"clientId": "did:web:nobody.example"}', "not-a-member"),
    ],
)
async def test_what_names_no_member_is_refused(identity, header, code):
    with pytest.raises(AuthenticationError) as refused:
        await identity.speaker(header)
    assert refused.value.code == code


async def test_every_header_speaks_for_the_one_that_is_set(members):
    identity = MockIdentity(STEEL, lambda: members, STAMP)
    assert (await identity.speaker("Bearer anything")).participant == STAMP


VALUES = {
    "participant": did("p-steel"),
    "space_key": "ed25519:" + "A" * 43,
    "members": "members.json",
    "dsp": "https://steel.example/dsp/2025-1",
}


def test_production_refuses_it(tmp_path):
    with pytest.raises(SettingsError) as refused:
        Settings.of(tmp_path, VALUES | {"test_mock_identity": True})
    assert refused.value.code == "test-setting-in-production"


@pytest.mark.parametrize("side", ["protocol", "management"])
def test_a_listener_that_others_reach_refuses_it(tmp_path, side):
    open_to_all = {f"{side}_host": "0.0.0.0", "behind_tls_proxy": True}  # noqa: S104
    with pytest.raises(SettingsError) as refused:
        Settings.of(tmp_path, VALUES | {"test_mock_identity": True, "production": False} | open_to_all)
    assert refused.value.code == "mock-identity-reachable"


async def test_its_use_is_in_the_audit_log(tmp_path):
    async with community(tmp_path, "p-steel", test_mock_identity=True) as (steel,):
        assert "admin.started" in await until(steel, "audit", types(steel))
        rows = await steel.node.db.read(lambda tx: tx.all("audit.after", after=-1, limit=10))
        details = [json.loads(row["details"]) for row in rows if json.loads(row["body"])["type"] == "admin.started"]
        assert details[0]["identity"] == "mock"
