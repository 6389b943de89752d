"""Checkpoints: the C2SP note and key formats, and everything that must be refused."""

import base64

import pytest

from contracts.errors import CheckpointError
from contracts.evidence.checkpoint import Checkpoint, LogKey, open_checkpoint, parse_key, sign_checkpoint
from tests.evidence.samples import AUDIT, STRANGER, signing, verify

ORIGIN = "p-steel.example/audit"
KEY = LogKey(ORIGIN, bytes(AUDIT.verify_key))
CHECKPOINT = Checkpoint(ORIGIN, 17, bytes(range(32)))
NOTE = sign_checkpoint(CHECKPOINT, public_key=KEY.public, sign=signing(AUDIT))


def test_a_signed_checkpoint_is_opened_again():
    assert open_checkpoint(NOTE, key=parse_key(KEY.text()), verify=verify) == CHECKPOINT
    assert NOTE.startswith(f"{ORIGIN}\n17\n{base64.b64encode(bytes(range(32))).decode()}\n\n— {ORIGIN} ")


@pytest.mark.parametrize(
    "text",
    [
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
    ],
)
def test_key_ids_are_those_of_other_implementations(text):
    assert parse_key(text).text() == text


def test_the_note_of_another_implementation_has_the_signed_text_we_would_verify():
    """The example of the Go package that introduced the format."""
    key = parse_key("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    encoded = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    signature = base64.b64decode(encoded)
    assert signature[:4] == key.id
    assert verify(key.public, text.encode(), signature[4:])


def test_signatures_of_others_are_ignored_wherever_they_stand():
    text, signature = NOTE.split("\n\n")
    other = f"— witness.example {base64.b64encode(b'x' * 76).decode()}\n"
    for note in (f"{text}\n\n{other}{signature}", f"{text}\n\n{signature}{other}"):
        assert open_checkpoint(note, key=KEY, verify=verify) == CHECKPOINT


@pytest.mark.parametrize("place", range(len(NOTE)))
def test_no_character_of_a_checkpoint_can_be_changed(place):
    changed = "A" if NOTE[place] != "A" else "B"
    with pytest.raises(CheckpointError):
        open_checkpoint(NOTE[:place] + changed + NOTE[place + 1 :], key=KEY, verify=verify)


def resigned(text, key=AUDIT):
    """A note over any text, with a good signature."""
    signature = KEY.id + key.sign(text.encode()).signature
    return f"{text}\n— {ORIGIN} {base64.b64encode(signature).decode()}\n"


ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("note", "problem"),
    [
        (resigned(f"{ORIGIN}\n17\n{ROOT}\n", STRANGER), "is wrong"),
        (resigned(f"other.example/audit\n17\n{ROOT}\n"), "is of other.example/audit"),
        (resigned(f"{ORIGIN}\n017\n{ROOT}\n"), "three lines"),
        (resigned(f"{ORIGIN}\n-1\n{ROOT}\n"), "three lines"),
        (resigned(f"{ORIGIN}\n１７\n{ROOT}\n"), "three lines"),
        (resigned(f"{ORIGIN}\n17\n{ROOT}\nextension\n"), "three lines"),
        (resigned(f"{ORIGIN}\n17\n{ROOT[:-4]}\n"), "three lines"),
        (resigned(f"{ORIGIN}\n17\n{ROOT[:-2]}B=\n"), "canonical base64"),
        (resigned(f"{ORIGIN}\t\n17\n{ROOT}\n"), "control characters"),
        (NOTE + NOTE.split("\n\n")[1].replace(ORIGIN, "— "), "malformed signature"),
        (NOTE.rstrip("\n"), "no signed note"),
        (NOTE.split("\n\n")[0] + "\n", "no signed note"),
        (NOTE + f"— w.example {ROOT}\n" * 64, "more than 64"),
        (NOTE + "x" * 65_536, "longer than"),
        ("", "no signed note"),
    ],
)
def test_what_is_no_checkpoint_of_this_log_is_refused_with_its_reason(note, problem):
    with pytest.raises(CheckpointError, match=problem):
        open_checkpoint(note, key=KEY, verify=verify)


def test_one_wrong_signature_of_the_known_key_rejects_the_note():
    wrong = resigned(CHECKPOINT.text(), STRANGER).split("\n\n")[1]
    with pytest.raises(CheckpointError, match="is wrong"):
        open_checkpoint(NOTE + wrong, key=KEY, verify=verify)


def test_the_same_key_under_another_name_is_another_key():
    other = LogKey("q.example/audit", KEY.public)
    assert other.id != KEY.id
    with pytest.raises(CheckpointError, match="is of"):
        open_checkpoint(NOTE, key=other, verify=verify)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no Ed25519 key"),
        (KEY.text()[:-1], "no base64"),
        (KEY.text().replace(ORIGIN, "q.example/audit"), "does not belong"),
        (f"{ORIGIN}+00000000+{base64.b64encode(bytes([4]) + KEY.public).decode()}", "no Ed25519 key"),
        (f"two words+{KEY.text().split('+', 1)[1]}", "cannot name"),
    ],
)
def test_what_is_no_verifier_key_is_refused(text, problem):
    with pytest.raises(CheckpointError, match=problem):
        parse_key(text)
