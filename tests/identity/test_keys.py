"""Private keys: made, loaded, refused when others can read them; and the public side of them."""

import hashlib
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connector.errors import SettingsError
from connector.identity.bearer import hash_key, new_key, read_management_key
from connector.identity.jwk import point, read_jwk, read_space_key, space_key_text, unbase64url
from connector.identity.keys import USES, KeyRing, verify_ed25519
from tests.clocks import START
from tests.space import STEEL


@pytest.fixture
def folder(tmp_path):
    KeyRing.generate(STEEL).write(tmp_path / "our keys")
    return tmp_path / "our keys"


def test_keys_survive_on_disk(tmp_path):
    """Four files of mode 0600 in a folder of mode 0700, and the same ring again."""
    ring = KeyRing.generate(STEEL)
    ring.write(tmp_path / "keys")
    again = KeyRing.load(tmp_path / "keys", STEEL)

    assert [(path.name, path.stat().st_mode & 0o777) for path in sorted((tmp_path / "keys").iterdir())] == [
        (f"{use}.pem", 0o600) for use in sorted(USES)
    ]
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert again.kids == ring.kids
    assert again.public("audit") == ring.public("audit")
    assert again.token_public == ring.token_public


def test_a_key_folder_is_not_overwritten(folder):
    """Keys in use are not lost by a second attempt."""
    with pytest.raises(SettingsError, match="file-exists"):
        KeyRing.generate(STEEL).write(folder)


def test_identifiers_come_from_the_public_key(folder):
    """did#use-8hex, with the hash of the raw key or of the uncompressed point."""
    ring = KeyRing.load(folder, STEEL)

    assert ring.kid("witness") == f"{STEEL}#witness-{hashlib.sha256(ring.public('witness')).hexdigest()[:8]}"
    assert ring.kid("token") == f"{STEEL}#token-{hashlib.sha256(point(ring.token_public)).hexdigest()[:8]}"
    assert len(point(ring.token_public)) == 65


def test_a_ring_shows_no_secret(folder):
    """Its representation is fit for a log."""
    assert repr(KeyRing.load(folder, STEEL)).startswith("KeyRing(did:web:p-steel.example#token-")


def test_signatures_verify_and_nothing_malformed_does():
    """A wrong key, message, signature, or one of the wrong size is false, never an exception."""
    ring = KeyRing.generate(STEEL)
    public, signature = ring.public("evidence"), ring.sign("evidence", b"m")

    assert verify_ed25519(public, b"m", signature)
    assert not verify_ed25519(public, b"n", signature)
    assert not verify_ed25519(ring.public("audit"), b"m", signature)
    assert not verify_ed25519(public, b"m", signature[:-1])
    assert not verify_ed25519(public[:-1], b"m", signature)


def test_public_keys_travel_as_jwk():
    """What member_keys writes, read_jwk reads; no private member is in it."""
    ring = KeyRing.generate(STEEL)
    keys = {key["use"]: key for key in ring.member_keys(START)}

    assert read_jwk(keys["token"]["jwk"], "ES256") == ring.token_public
    assert read_jwk(keys["audit"]["jwk"], "EdDSA") == ring.public("audit")
    assert set(keys["token"]["jwk"]) == {"kty", "crv", "x", "y"}
    assert keys["token"]["from"] == "2026-11-10T01:00:00.000000Z"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o660])
def test_a_key_others_can_read_is_refused(folder, mode):
    """The error names the file and the command that mends it; the command works."""
    path = folder / "audit.pem"
    path.chmod(mode)
    with pytest.raises(SettingsError, match="key-readable") as caught:
        KeyRing.load(folder, STEEL)
    assert caught.value.facts["path"] == str(path)

    subprocess.run(caught.value.facts["command"], shell=True, check=True)  # noqa: S602 - this is what is tested
    assert KeyRing.load(folder, STEEL)


@pytest.mark.parametrize("use", ["token", "evidence"])
def test_a_missing_key_is_named_with_the_command_that_makes_one(folder, use):
    """The command gives a key that can be loaded."""
    (folder / f"{use}.pem").unlink()
    with pytest.raises(SettingsError, match="key-missing") as caught:
        KeyRing.load(folder, STEEL)
    assert caught.value.facts["path"] == str(folder / f"{use}.pem")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")

    subprocess.run(caught.value.facts["command"], shell=True, check=True)  # noqa: S602 - this is what is tested
    assert KeyRing.load(folder, STEEL)


def _pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no key",
        _pem(rsa.generate_private_key(65537, 2048)),
        _pem(ec.generate_private_key(ec.SECP384R1())),
    ],
    ids=["empty", "garbage", "RSA", "P-384"],
)
@pytest.mark.parametrize("use", ["token", "witness"])
def test_a_key_of_another_kind_is_refused(folder, use, data):
    """Every role has its algorithm."""
    (folder / f"{use}.pem").write_bytes(data)
    with pytest.raises(SettingsError, match="key-invalid"):
        KeyRing.load(folder, STEEL)


def test_the_space_key_is_a_text():
    """It comes back from its text, and other texts are refused."""
    assert read_space_key(space_key_text(b"k" * 32)) == b"k" * 32
    for text in ("", "ed25519:", "ed25519:AAAA", "x25519:" + "A" * 43, "ed25519:" + "!" * 43):
        with pytest.raises(SettingsError, match="space_key"):
            read_space_key(text)


@pytest.mark.parametrize("text", ["A", "AB==", "A+/A", "AAA\n", "AB", "ÄÄÄÄ"])
def test_base64url_has_one_spelling(text):
    """Padding, the other alphabet, blanks and unused bits are refused."""
    with pytest.raises(ValueError, match="base64url"):
        unbase64url(text)


def test_management_keys(tmp_path):
    """Random, stored as a hash, read from a file that only its owner can read."""
    key, path = new_key(), tmp_path / "management.key"
    path.write_text(key + "\n", encoding="utf-8")
    path.chmod(0o600)

    assert key.startswith("weft_")
    assert new_key() != key
    assert hash_key(key) == hashlib.sha256(key.encode()).hexdigest()
    assert read_management_key(path) == key
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="key-readable"):
        read_management_key(path)
