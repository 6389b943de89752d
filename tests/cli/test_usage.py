"""Lines that cannot be run: a sentence in the person's language, exit code 2, never a trace."""

import pytest

from connector.cli.exits import Exit, exit_for
from connector.cli.main import common_options, main
from connector.client import errors as client
from connector.errors import RefusedError, SettingsError, StoreError, UnreachableError, VerificationError
from contracts.errors import SignatureError
from policies.errors import InvalidPolicyError, JsonError


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fnd"], "There is no command fnd. Did you mean weft find?"),
        (["audit", "serch"], "Did you mean weft audit search?"),
        (["get"], "DATASET is missing."),
        (["get", "x", "--purpse", "y"], "There is no option --purpse. Did you mean --purpose, --push?"),
        (["get", "x", "--timeout", "soon"], "--timeout does not take this value"),
        (["get", "x", "--output"], "--output needs a value"),
        (["status", "now"], "There is something too much: now."),
        (["publish", "f", "--id", "x", "--offer", "o", "--decide", "nobody"], "automatic | person"),
        (["--lang"], "--lang needs a value"),
        (["policy", "test"], "Say either a contract or --policy FILE"),
        (["audit", "verify", "x", "--space-key", "y"], "--space-key needs --members"),
        (["audit", "verify", "/nowhere/log.jsonl"], "/nowhere/log.jsonl cannot be read"),
        (["policy", "explain", "/nowhere/offer.json"], "/nowhere/offer.json cannot be read"),
        (["init", "x"], "--id is missing."),
    ],
)
def test_the_sentence_names_what_is_wrong(words, said, capsys):
    assert main([*words, "--lang", "en"] if words != ["--lang"] else words) == Exit.USAGE
    shown = capsys.readouterr()
    assert said in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_in_chinese(capsys):
    assert main(["get", "--lang", "zh"]) == Exit.USAGE
    assert "缺少 DATASET。" in capsys.readouterr().err


def test_options_of_every_command_stand_anywhere_but_behind_two_dashes():
    given, rest = common_options(["-C", "a", "find", "--json", "x", "--lang=zh", "--", "--utc"], "en")
    assert given == {"dir": "a", "json": "true", "lang": "zh"}
    assert rest == ["find", "x", "--", "--utc"]


def test_a_directory_without_configuration_says_what_is_missing(tmp_path, capsys):
    assert main(["-C", str(tmp_path), "status", "--lang", "en"]) == Exit.USAGE
    assert "weft.toml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (client.NotReachableError("daemon-unreachable"), Exit.UNREACHABLE),
        (client.NotAuthorizedError("management-key-wrong"), Exit.USAGE),
        (client.NotFoundError("nothing-found"), Exit.USAGE),
        (client.ConflictError("process-ended"), Exit.USAGE),
        (client.InvalidRequestError("request-invalid"), Exit.USAGE),
        (client.OfferRejectedError("offers-rejected"), Exit.APPROVAL),
        (client.StillWaitingError("still-waiting"), Exit.APPROVAL),
        (client.PolicyDeniedError("no-permission"), Exit.POLICY),
        (client.QuotaExceededError("counter-exhausted"), Exit.POLICY),
        (client.RefusedByPeerError("message-refused"), Exit.PEER),
        (client.NegotiationTerminatedError("negotiation-terminated", peer_code="not-now"), Exit.PEER),
        (client.TransferTerminatedError("transfer-ended", peer_code="counter-exhausted"), Exit.POLICY),
        (client.DeliveryFailedError("delivery-failed", peer_code="constraint-not-satisfied"), Exit.POLICY),
        (client.DeliveryFailedError("delivery-failed", peer_code="source-changed"), Exit.PEER),
        (client.VerificationError("bytes-differ"), Exit.VERIFICATION),
        (client.ProtocolError("answer-senseless"), Exit.UNEXPECTED),
        (SettingsError("setting-unknown"), Exit.USAGE),
        (RefusedError("offer-unknown"), Exit.USAGE),
        (UnreachableError("unreachable"), Exit.UNREACHABLE),
        (VerificationError("chunk-differs"), Exit.VERIFICATION),
        (StoreError("store-failed"), Exit.UNEXPECTED),
        (SignatureError("no"), Exit.VERIFICATION),
        (JsonError("no", "there"), Exit.USAGE),
        (InvalidPolicyError("permission", "no"), Exit.USAGE),
        (ValueError("no"), Exit.UNEXPECTED),
    ],
)
def test_each_cause_has_its_exit_code(error, code):
    assert exit_for(error) is code
