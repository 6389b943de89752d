"""Settings: where they come from, and what is refused."""

import json
import os
import re
from datetime import UTC, datetime, timedelta

import pytest

from connector.errors import SettingsError
from connector.settings import Settings
from policies.sentences import sentence

LEAST = {
    "participant": "did:web:p-steel.example",
    "space_key": "ed25519:" + "A" * 43,
    "members": "members.json",
    "dsp": "http://127.0.0.1:8282/dsp/2025-1",
}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """No variable of the developer's own."""
    for name in [name for name in os.environ if name.upper().startswith("WEFT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path)
    return tmp_path


def write(folder, **settings):
    lines = [f"{name} = {json.dumps(value)}" for name, value in (LEAST | settings).items()]
    (folder / "weft.toml").write_text("\n".join(lines), encoding="utf-8")


def refused(folder, overrides=None):
    with pytest.raises(SettingsError) as caught:
        Settings.load(folder, overrides)
    text = sentence(f"error.{caught.value.code}", "en", **caught.value.facts)
    assert not re.search(r"\{\w+\}", text)
    return caught.value


def test_four_settings_are_enough(folder):
    """Everything else has a default that fits one machine."""
    settings = Settings.load(folder)

    assert settings.protocol_host == settings.management_host == "127.0.0.1"
    assert settings.chunk_bytes == 1024**2
    assert settings.production


def test_the_command_line_wins_over_the_environment_over_the_file(folder, monkeypatch):
    """And `sources` says which one did."""
    write(folder, protocol_port=1, management_port=2, chunk_bytes=8192)
    monkeypatch.setenv("WEFT_PROTOCOL_PORT", "11")
    monkeypatch.setenv("WEFT_MANAGEMENT_PORT", "12")
    settings = Settings.load(folder, {"protocol_port": 21, "language": None})
    shown = {item.name: (item.value, item.source) for item in settings.sources()}

    assert (settings.protocol_port, settings.management_port, settings.chunk_bytes) == (21, 12, 8192)
    assert shown["protocol_port"] == ("21", "command line")
    assert shown["management_port"] == ("12", "environment")
    assert shown["chunk_bytes"] == ("8192", "file")
    assert shown["language"] == ("en", "default")


def test_the_environment_alone_is_enough(tmp_path, monkeypatch):
    """A container needs no file; an empty variable counts as none."""
    for name, value in LEAST.items():
        monkeypatch.setenv(f"WEFT_{name.upper()}", value)
    monkeypatch.setenv("WEFT_TLS_CERT", "")

    assert Settings.load(tmp_path).participant == LEAST["participant"]
    assert Settings.load(tmp_path).tls_cert is None


def test_every_setting_is_explained_and_secrets_are_masked(folder):
    """One line each; a test key never shows its text."""
    write(folder, production=False)
    settings = Settings.load(folder, {"test_pseudonym_keys": {"urn:a4": "demo-key-A4"}})
    rows = settings.sources()

    assert all(row.description and "\n" not in row.description for row in rows)
    assert "demo-key" not in " ".join(row.value for row in rows) + repr(settings)
    assert settings.test_pseudonym_keys["urn:a4"].get_secret_value() == "demo-key-A4"


def test_paths_begin_in_the_folder_of_the_file(folder):
    """Wherever the daemon is started from; an address stays an address."""
    write(folder, tls_ca="ca.pem", data_dir="/var/lib/weft")
    settings = Settings.load(folder)

    assert settings.members == str(folder / "members.json")
    assert settings.keys_dir == folder / "keys"
    assert settings.tls_ca == folder / "ca.pem"
    assert str(settings.data_dir) == "/var/lib/weft"
    assert Settings.load(folder, {"members": "https://space.example/m"}).members == "https://space.example/m"


def test_settings_do_not_change(folder):
    """One frozen object."""
    with pytest.raises(ValueError, match="frozen"):
        Settings.load(folder).language = "zh"


def test_unknown_names_are_errors_with_their_place(folder, monkeypatch):
    """In the file (also inside a table), on the command line, in the environment; the nearest name is offered."""
    write(folder, protocol_prot=1)
    error = refused(folder)
    assert error.facts == {"name": "protocol_prot", "source": str(folder / "weft.toml"), "near": "protocol_port"}

    (folder / "weft.toml").write_text("[server]\nport = 1\n", encoding="utf-8")
    assert refused(folder).facts["name"] == "server.port"
    write(folder, directory="/")
    assert refused(folder).facts["name"] == "directory"
    write(folder)
    assert refused(folder, {"colour": "red"}).facts["source"] == "command line"
    monkeypatch.setenv("WEFT_KEY", "weft_x")
    monkeypatch.setenv("WEFT_DIR", "/")
    assert Settings.load(folder).directory == folder
    monkeypatch.setenv("WEFT_LANGAUGE", "zh")
    assert refused(folder).facts == {
        "name": "langauge",
        "source": "environment variable WEFT_LANGAUGE",
        "near": "language",
    }


def test_a_missing_setting_says_where_it_goes(tmp_path):
    """File and variable are named."""
    error = refused(tmp_path)
    assert error.code == "setting-missing"
    assert error.facts == {
        "name": "participant",
        "path": str(tmp_path / "weft.toml"),
        "variable": "WEFT_PARTICIPANT",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"chunk_bytes": 4095},
        {"chunk_bytes": 16 * 1024**2 + 1},
        {"token_lifetime_s": 601},
        {"protocol_port": 65536},
        {"protocol_port": "many"},
        {"space_key": "ed25519:short"},
        {"dsp": "p-steel.example"},
        {"language": "de"},
        {"clock_leeway_s": 60},
        {"members": ""},
        {"give_up_s": 0},
        {"production": False, "test_clock_start": "2026-11-10T09:00:00"},
        {"production": False, "test_clock_start": "2026-11-10T09:00:00Z", "test_clock_offset_s": 5},
        {"production": False, "test_synchronous": "SOMETIMES"},
    ],
    ids=str,
)
def test_wrong_values_are_refused(folder, changes):
    """With the name of the setting and the file it stands in."""
    write(folder, **changes)
    error = refused(folder)

    assert error.code == "setting-invalid"
    assert error.facts["name"] in changes


def test_a_broken_file_or_variable_is_refused(folder, monkeypatch):
    """Not TOML, not UTF-8, too long, not readable, no JSON in a variable that needs it."""
    for text in (b"participant = ", b"\xff", b"#" * 70_000):
        (folder / "weft.toml").write_bytes(text)
        assert refused(folder).code == "settings-file"
    (folder / "weft.toml").unlink()
    (folder / "weft.toml").mkdir()
    assert refused(folder).code == "settings-file"
    (folder / "weft.toml").rmdir()
    monkeypatch.setenv("WEFT_TEST_PSEUDONYM_KEYS", "{")
    assert refused(folder).facts["name"] == "test_pseudonym_keys"


@pytest.mark.parametrize(
    "changes",
    [
        {"test_clock_offset_s": 1},
        {"test_clock_start": "2026-11-10T09:00:00+08:00"},
        {"test_pseudonym_keys": {"a": "b"}},
        {"test_rate_limit_bytes_s": 1000},
        {"test_synchronous": "OFF"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_production_refuses_test_settings(folder, changes):
    """Each by its name; with production = false it is taken."""
    error = refused(folder, changes)
    assert (error.code, error.facts["name"]) == ("test-setting-in-production", next(iter(changes)))

    assert Settings.load(folder, changes | {"production": False})


def test_the_clock_follows_its_test_settings(folder):
    """An offset, or a start; otherwise the machine's time."""
    start = datetime(2026, 11, 10, 1, tzinfo=UTC)
    offset = Settings.load(folder, {"production": False, "test_clock_offset_s": -3600})
    started = Settings.load(folder, {"production": False, "test_clock_start": "2026-11-10T09:00:00+08:00"})

    assert Settings.load(folder).clock().offset == timedelta()
    assert offset.clock().offset == timedelta(hours=-1)
    assert timedelta() <= started.clock().now() - start < timedelta(minutes=1)


EVERYWHERE = "0.0.0.0"  # noqa: S104 - what is refused here
TLS = {"tls_cert": "c.pem", "tls_key": "k.pem"}
MANAGEMENT_TLS = {"management_tls_cert": "c.pem", "management_tls_key": "k.pem"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"protocol_host": EVERYWHERE}, "bind-without-tls"),
        ({"protocol_host": "192.168.1.5"}, "bind-without-tls"),
        ({"protocol_host": "::"}, "bind-without-tls"),
        ({"protocol_host": ""}, "bind-without-tls"),
        ({"protocol_host": "weft.example"}, "bind-without-tls"),
        ({"management_host": EVERYWHERE} | TLS, "bind-without-tls"),
        ({"protocol_host": EVERYWHERE, "tls_cert": "c.pem"}, "tls-half"),
        ({"management_tls_key": "k.pem"}, "tls-half"),
        ({"protocol_host": "127.0.0.2", "management_host": "localhost"}, None),
        ({"protocol_host": "::1"}, None),
        ({"protocol_host": EVERYWHERE} | TLS, None),
        ({"management_host": EVERYWHERE} | MANAGEMENT_TLS, None),
        ({"protocol_host": EVERYWHERE, "behind_tls_proxy": True}, None),
    ],
    ids=str,
)
def test_nothing_listens_in_clear_beyond_this_machine(folder, changes, code):
    """TLS, or a proxy that speaks it, or loopback."""
    write(folder, **changes)
    if code is None:
        assert Settings.load(folder)
    else:
        assert refused(folder).code == code
