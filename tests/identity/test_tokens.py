"""Tokens: every way one can be wrong has its own code, and the right ones pass."""

import json
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from connector.clock import stamp
from connector.errors import TABLE, AuthenticationError
from connector.identity.jwk import base64url
from connector.identity.tokens import CLOCK_CODES, SeenTokens, Speaker, make_token, verify_token
from tests.clocks import START
from tests.shared import shared
from tests.space import STAMP, STEEL, ZHENGSHU, Space

AT = int(START.timestamp())


@pytest.fixture(scope="module")
def space() -> Space:
    return Space(STEEL, STAMP)


@pytest.fixture(scope="module")
def members(space):
    return space.members()


def claims(**changes):
    """Claims of a good token from STEEL to STAMP; a change to None leaves the claim out."""
    good = {"iss": STEEL, "sub": STEEL, "aud": STAMP, "iat": AT, "exp": AT + 300, "jti": "one"}
    return {name: value for name, value in (good | changes).items() if value is not None}


def token(space, *, signer=STEEL, key=None, algorithm="ES256", header=None, **changes):
    """An Authorization value signed by a participant's token key, or by any other key."""
    ring = space.rings[signer]
    fields = {"kid": ring.kid("token")} | (header or {})
    return "Bearer " + jwt.encode(claims(**changes), key or ring.token_key, algorithm=algorithm, headers=fields)


def raw(space, header, body):
    """A token of arbitrary texts, signed by STEEL."""
    signing_input = f"{base64url(header.encode())}.{base64url(body.encode())}"
    signature = jwt.get_algorithm_by_name("ES256").sign(signing_input.encode(), space.rings[STEEL].token_key)
    return f"Bearer {signing_input}.{base64url(signature)}"


def refused(members, header, *, now=START):
    with pytest.raises(AuthenticationError) as caught:
        verify_token(header, members, STAMP, now)
    assert TABLE[caught.value.code].status in (401, 429)
    return caught.value


def test_our_own_token_is_accepted_once(space, members):
    """What make_token makes, verify_token reads; the same jti a second time is a replay."""
    header = "Bearer " + make_token(space.rings[STEEL], STAMP, START, "j1", 300)
    speaker = verify_token(header, members, STAMP, START)

    assert speaker == Speaker(STEEL, space.rings[STEEL].kid("token"), "j1", START + timedelta(seconds=305), START)

    seen = SeenTokens()
    seen.remember(speaker, START)
    with pytest.raises(AuthenticationError, match="token-replayed"):
        seen.remember(speaker, START + timedelta(seconds=304))


def test_an_audience_list_of_one_is_accepted(space, members):
    """RFC 7519 allows aud as a list; of one element it says the same."""
    assert verify_token(token(space, aud=[STAMP]), members, STAMP, START).participant == STEEL


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"aud": ZHENGSHU}, "token-audience"),
        ({"aud": [STAMP, "x"]}, "token-audience"),
        ({"aud": None}, "token-audience"),
        ({"sub": STAMP}, "token-subject"),
        ({"iss": None}, "token-malformed"),
        ({"jti": None}, "token-malformed"),
        ({"jti": ""}, "token-malformed"),
        ({"jti": "j" * 513}, "token-malformed"),
        ({"exp": None}, "token-malformed"),
        ({"iat": None}, "token-malformed"),
        ({"exp": True}, "token-malformed"),
        ({"exp": 10**30}, "token-malformed"),
        ({"nbf": "soon"}, "token-malformed"),
        ({"exp": AT + 601}, "token-lifetime"),
        ({"iat": AT + 6}, "token-not-yet"),
        ({"nbf": AT + 6}, "token-not-yet"),
        ({"iat": AT - 310, "exp": AT - 10}, "token-expired"),
        ({"iss": ZHENGSHU, "sub": ZHENGSHU}, "not-a-member"),
        ({"iss": STAMP, "sub": STAMP}, "key-of-another"),
    ],
    ids=str,
)
def test_wrong_claims_are_refused_by_name(space, members, changes, code):
    """Each broken claim gives the code of its own rule."""
    assert refused(members, token(space, **changes)).code == code


def test_a_key_of_the_sender_must_be_listed_and_for_tokens(space, members):
    """Unknown keys, keys of other members and keys of other roles sign no token."""
    assert refused(members, token(space, header={"kid": f"{STEEL}#token-00000000"})).code == "key-unknown"
    assert refused(members, token(space, header={"kid": space.rings[STAMP].kid("token")})).code == "key-of-another"
    assert refused(members, token(space, header={"kid": space.rings[STEEL].kid("evidence")})).code == "key-other-use"
    assert refused(members, token(space, key=space.rings[STAMP].token_key)).code == "token-signature"


def test_a_key_signs_only_within_its_window(space):
    """A retired key and one that begins later are told apart."""
    entry = space.entry(STEEL)
    entry["keys"][0] |= {"until": stamp(START)}
    retired = space.members(members=[entry, space.entry(STAMP)])
    entry["keys"][0] |= {"until": None, "from": stamp(START + timedelta(seconds=1))}
    early = space.members(members=[entry, space.entry(STAMP)])

    assert refused(retired, token(space)).code == "key-retired"
    assert refused(early, token(space)).code == "key-not-yet"
    assert verify_token(token(space), retired, STAMP, START - timedelta(seconds=1)).participant == STEEL


def test_the_token_does_not_choose_its_algorithm(space, members):
    """none, HMAC with the public key as secret, EdDSA with another key of ours: all the same to us."""
    ring = space.rings[STEEL]
    edwards = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(ring.signing_keys["evidence"]))
    unsigned = jwt.encode(claims(), None, algorithm="none", headers={"kid": ring.kid("token")})

    assert refused(members, f"Bearer {unsigned}").code == "token-algorithm"
    assert refused(members, token(space, key=b"x" * 32, algorithm="HS256")).code == "token-algorithm"
    assert refused(members, token(space, key=edwards, algorithm="EdDSA")).code == "token-algorithm"
    assert (
        refused(members, token(space, key=ec.generate_private_key(ec.SECP256K1()), algorithm="ES256K")).code
        == "token-algorithm"
    )


@pytest.mark.parametrize("extra", ["crit", "jwk", "jku", "x5u", "x5c"])
def test_a_header_that_steers_the_check_is_refused(space, members, extra):
    """Keys come from the list only, and no critical extension is understood."""
    assert refused(members, token(space, header={extra: ["b64"]})).code == "token-malformed"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "token-missing"),
        ("", "token-missing"),
        ("Bearer", "token-missing"),
        ("Basic YTpi", "token-missing"),
        ("Bearer a.b", "token-malformed"),
        ("Bearer ..", "token-malformed"),
        ("Bearer e30.e30.", "token-algorithm"),
        ("Bearer " + "a" * 20000, "token-malformed"),
        ("Bearer tck-static-token", "token-malformed"),
        ("Bearer ü.ü.ü", "token-malformed"),
    ],
)
def test_what_is_no_token_is_refused(members, header, code):
    """Garbage of any shape ends in a code, never in another exception."""
    assert refused(members, header).code == code


def test_two_readings_of_one_token_are_impossible(space, members):
    """Equal member names, deep nesting, NaN and a second spelling of the signature are refused."""
    head = json.dumps({"alg": "ES256", "kid": space.rings[STEEL].kid("token")})
    good = json.dumps(claims())

    assert verify_token(raw(space, head, good), members, STAMP, START).participant == STEEL
    assert refused(members, raw(space, head, good[:-1] + f', "iss": "{STAMP}"}}')).code == "token-malformed"
    assert refused(members, raw(space, head, good[:-1] + ', "x": NaN}')).code == "token-malformed"
    assert refused(members, raw(space, head, "[" * 4000)).code == "token-malformed"
    assert refused(members, raw(space, head, "[1]")).code == "token-malformed"
    assert refused(members, raw(space, head[:-1] + ', "b64": false}', good)).code == "token-malformed"
    assert refused(members, raw(space, head, good) + "=").code == "token-malformed"


def test_an_altered_token_is_refused(space, members):
    """One changed character of the claims breaks the signature; a signature of zeros fits nothing."""
    head, body, _ = token(space).removeprefix("Bearer ").split(".")
    other = base64url(json.dumps(claims(jti="two")).encode())
    signature = token(space).rpartition(".")[2]

    assert refused(members, f"Bearer {head}.{other}.{signature}").code == "token-signature"
    assert refused(members, f"Bearer {head}.{body}.{'A' * 86}").code == "token-signature"
    assert refused(members, f"Bearer {head}.{body}.AAAA").code == "token-signature"


def test_case_9_clocks(space, members):
    """Seconds of skew pass, minutes do not; the refusal names the time and by how much it is off."""
    case = json.loads(shared("cases/inputs/09-token-times.json").read_bytes())
    now = START + timedelta(milliseconds=250)
    for row in case["rows"]:
        times = {
            name: row[name] + now.timestamp() if isinstance(row[name], int | float) else row[name]
            for name in ("iat", "nbf", "exp")
            if name in row
        }
        header = token(space, **({"exp": None} | times))
        if row["expect"] == "accept":
            assert verify_token(header, members, STAMP, now).participant == STEEL, row
        else:
            error = refused(members, header, now=now)
            assert error.code in CLOCK_CODES | {"token-malformed"}, row
            assert error.code == "token-malformed" or {"claim"} < error.facts.keys(), row


def test_a_clock_error_is_told_only_after_the_signature(space, members):
    """Who cannot sign does not learn what our clock says."""
    late = {"iat": AT - 900, "exp": AT - 600}

    assert refused(members, token(space, **late)).facts == {"claim": "exp", "late_s": 600.0}
    assert refused(members, token(space, key=space.rings[STAMP].token_key, **late)).code == "token-signature"


def test_memory_of_reads_is_bounded_for_each_participant():
    """A flood shuts out its sender only, and memory is freed when tokens expire."""
    seen = SeenTokens(limit=3)
    expires = START + timedelta(seconds=30)
    for number in range(3):
        seen.remember(Speaker(STEEL, "k", f"j{number}", expires), START)
    with pytest.raises(AuthenticationError, match="token-flood"):
        seen.remember(Speaker(STEEL, "k", "j3", expires), START)

    seen.remember(Speaker(STAMP, "k", "j0", expires), START)
    seen.remember(Speaker(STEEL, "k", "j3", START + timedelta(seconds=200)), START + timedelta(seconds=90))
