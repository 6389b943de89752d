"""Tokens for data: bound to consumer, address, agreement, transfer and purpose, and no identity tokens."""

from datetime import timedelta

import pytest

from connector.errors import AuthenticationError
from connector.identity.data_tokens import Grant, make_data_token, verify_data_token
from connector.identity.keys import KeyRing
from connector.identity.tokens import make_token, verify_token
from tests.clocks import START
from tests.space import STAMP, STEEL, Space

ADDRESS = "http://127.0.0.1:8282/data/urn:uuid:1"


def data_token(ring, **changes):
    given = {
        "consumer": STAMP,
        "address": ADDRESS,
        "agreement": "urn:uuid:a",
        "transfer": "urn:uuid:1",
        "purpose": "supply-chain-control",
        "now": START,
        "jti": "d1",
        "lifetime_s": 600,
    } | changes
    return "Bearer " + make_data_token(ring, **given)


def code(header, ring, *, address=ADDRESS, now=START):
    with pytest.raises(AuthenticationError) as caught:
        verify_data_token(header, ring, address, now)
    return caught.value.code


def test_a_data_token_says_what_it_allows():
    """All claims come back, the purpose also when there is none."""
    ring = KeyRing.generate(STEEL)
    until = START + timedelta(seconds=600)

    assert verify_data_token(data_token(ring), ring, ADDRESS, START) == Grant(
        STAMP, ADDRESS, "urn:uuid:a", "urn:uuid:1", "supply-chain-control", "d1", START, until
    )
    assert verify_data_token(data_token(ring, purpose=None), ring, ADDRESS, START).purpose is None


def test_a_data_token_fits_one_address_one_provider_and_ten_minutes():
    """Another address, another provider's key, another time: refused by name."""
    ring, other = KeyRing.generate(STEEL), KeyRing.generate(STEEL)

    assert code(data_token(ring), ring, address=ADDRESS + "0") == "token-audience"
    assert code(data_token(other), ring) == "key-unknown"
    assert code(data_token(ring), ring, now=START + timedelta(seconds=606)) == "token-expired"
    assert code(data_token(ring)[:-4] + "AAAA", ring) in ("token-signature", "token-malformed")
    assert code(None, ring) == "token-missing"


def test_identity_and_data_tokens_do_not_stand_in_for_each_other():
    """A token for data proves nobody's identity, an identity token opens no data."""
    space = Space(STEEL, STAMP)
    ring = space.rings[STEEL]
    identity = "Bearer " + make_token(ring, ADDRESS, START, "j", 300)
    to_itself = data_token(ring, consumer=STEEL, address=STAMP)

    assert code(identity, ring) == "token-malformed"
    with pytest.raises(AuthenticationError, match="token-malformed"):
        verify_token(to_itself, space.members(), STAMP, START)
