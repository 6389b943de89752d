"""`weft init`: a folder that can serve, ten lines of settings, nothing overwritten."""

import json

import pytest

from connector.authority import space as authority
from connector.errors import SettingsError, VerificationError
from connector.identity.bearer import read_management_key
from connector.identity.keys import KeyRing
from connector.identity.members import read_member
from connector.identity.setup import initialise
from connector.settings import Settings
from tests.clocks import START
from tests.space import STEEL, Space

GIVEN = {
    "participant": STEEL,
    "names": {"zh": "锡澄特钢", "en": "Xicheng Special Steel"},
    "region": "CN-32",
    "dsp": "http://127.0.0.1:18282/dsp/2025-1/",
    "space_key": Space().space_key,
    "members": "members.json",
    "now": START,
}


def test_a_new_folder_can_be_loaded(tmp_path):
    """Settings, keys and entry fit each other; the port is the one others call."""
    member = read_member(json.loads(initialise(tmp_path / "steel", **GIVEN).read_bytes()))
    settings = Settings.load(tmp_path / "steel")
    ring = KeyRing.load(settings.keys_dir, settings.participant)

    assert (settings.participant, settings.dsp) == (STEEL, "http://127.0.0.1:18282/dsp/2025-1")
    assert (settings.protocol_port, settings.management_port) == (18282, 18283)
    assert settings.members == str(tmp_path / "steel" / "members.json")
    assert [key.kid for key in member.keys] == [ring.kids[key.use] for key in member.keys]
    assert member.connector_id == STEEL
    assert read_management_key(settings.management_key).startswith("weft_")


def test_the_configuration_is_short(tmp_path):
    """At most ten lines; the secret files are for their owner only."""
    initialise(tmp_path, **GIVEN)

    assert len((tmp_path / "weft.toml").read_text(encoding="utf-8").splitlines()) <= 10
    assert (tmp_path / "management.key").stat().st_mode & 0o777 == 0o600
    assert "BEGIN" not in (tmp_path / "member.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["weft.toml", "keys", "management.key", "member.json"])
def test_nothing_is_overwritten(tmp_path, name):
    """One file in the way stops everything before anything is written."""
    (tmp_path / name).mkdir()
    with pytest.raises(SettingsError, match="file-exists") as caught:
        initialise(tmp_path, **GIVEN)

    assert caught.value.facts["path"] == str(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"region": "Jiangsu"}, "member-list-invalid"),
        ({"participant": "p steel"}, "member-list-invalid"),
        ({"dsp": "p-steel.example"}, "member-list-invalid"),
        ({"names": {}}, "member-list-invalid"),
        ({"space_key": "secret"}, "setting-invalid"),
        ({"protocol_port": 70000}, "setting-invalid"),
    ],
)
def test_wrong_answers_write_nothing(tmp_path, changes, code):
    """Everything is checked first."""
    with pytest.raises((SettingsError, VerificationError), match=code):
        initialise(tmp_path / "steel", **{**GIVEN, **changes})
    assert not (tmp_path / "steel").exists()


def test_a_public_address_leaves_the_listener_at_home(tmp_path):
    """The port of an address on another machine or behind a proxy is not ours to listen on."""
    initialise(tmp_path, **{**GIVEN, "dsp": "https://weft.p-steel.example/dsp/2025-1"})
    assert Settings.load(tmp_path).protocol_port == 8282


def test_the_entry_is_what_the_authority_takes(tmp_path):
    """init, add, sign: three steps to a space of one."""
    key = authority.create_space(tmp_path / "space", "urn:space:demo")
    member = initialise(tmp_path / "steel", **{**GIVEN, "space_key": key})
    authority.add_member(tmp_path / "space", member.read_bytes(), START)
    authority.sign(tmp_path / "space", "P30D", START)
