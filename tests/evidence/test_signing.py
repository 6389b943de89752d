"""Signed documents: what signs them, what refuses them, and that another JWS library agrees."""

import base64
import json

import jwt
import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from jwt.api_jws import PyJWS

from contracts.errors import SignatureError
from contracts.signing import sign_document, signer, verify_document
from policies.canonical import canonical
from policies.errors import CanonicalError
from tests.evidence.samples import EVIDENCE, KID, STRANGER, known, manifest, signing

DOCUMENT = manifest().document()
SIGNED = sign_document(DOCUMENT, kid=KID, sign=signing(EVIDENCE))

leaves = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text()
names = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1)
documents = st.dictionaries(
    names, st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=20)
)


def test_a_signed_document_is_read_back_and_names_its_signer():
    assert verify_document(SIGNED, verify=known, typ="tm/1") == DOCUMENT
    assert signer(SIGNED) == KID


@given(documents)
def test_every_document_of_ours_is_signed_over_its_rfc_8785_form(document):
    signed = json.loads(json.dumps(sign_document(document, kid=KID, sign=signing(EVIDENCE))))
    assert verify_document(signed, verify=known) == document
    header = signed["jws"].split(".")[0]
    signature = base64.urlsafe_b64decode(signed["jws"].split(".")[2] + "==")
    EVIDENCE.verify_key.verify(header.encode() + b"." + rfc8785.dumps(document), signature)


def test_pyjwt_verifies_what_we_sign():
    public = Ed25519PublicKey.from_public_bytes(bytes(EVIDENCE.verify_key))
    jws = PyJWS()
    decoded = jws.decode_complete(SIGNED["jws"], public, algorithms=["EdDSA"], detached_payload=canonical(DOCUMENT))
    assert decoded["header"] == {"alg": "EdDSA", "b64": False, "crit": ["b64"], "kid": KID}
    with pytest.raises(jwt.InvalidSignatureError):
        jws.decode(SIGNED["jws"], public, algorithms=["EdDSA"], detached_payload=canonical(DOCUMENT | {"size": 1}))


def test_we_verify_what_pyjwt_signs():
    private = Ed25519PrivateKey.from_private_bytes(bytes(EVIDENCE))
    headers = {"b64": False, "crit": ["b64"], "kid": KID}
    jws = PyJWS().encode(canonical(DOCUMENT), private, algorithm="EdDSA", headers=headers, is_payload_detached=True)
    assert verify_document({"document": DOCUMENT, "jws": jws}, verify=known) == DOCUMENT


def jws_of(header, document=DOCUMENT):
    encoded = base64.urlsafe_b64encode(header if isinstance(header, bytes) else json.dumps(header).encode()).rstrip(
        b"="
    )
    signature = EVIDENCE.sign(encoded + b"." + canonical(document)).signature
    return f"{encoded.decode()}..{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


GOOD = {"alg": "EdDSA", "b64": False, "crit": ["b64"], "kid": KID}


@pytest.mark.parametrize(
    ("signed", "reason"),
    [
        ({"jws": SIGNED["jws"]}, "no document"),
        ({"document": [DOCUMENT], "jws": SIGNED["jws"]}, "no document"),
        ({"document": DOCUMENT}, "no detached JWS"),
        ({"document": DOCUMENT, "jws": SIGNED["jws"].replace("..", ".e30.")}, "no detached JWS"),
        ({"document": DOCUMENT, "jws": SIGNED["jws"] + "\n"}, "no detached JWS"),
        ({"document": DOCUMENT, "jws": SIGNED["jws"] + "=="}, "no detached JWS"),
        ({"document": DOCUMENT, "jws": f"A..{SIGNED['jws'].rpartition('.')[2]}"}, "no base64url"),
        ({"document": DOCUMENT | {"size": 1}, "jws": SIGNED["jws"]}, "no signature of"),
        ({"document": DOCUMENT | {"more": None}, "jws": SIGNED["jws"]}, "no signature of"),
        ({"document": DOCUMENT | {"size": 1.5}, "jws": SIGNED["jws"]}, "no canonical form"),
        ({"document": DOCUMENT, "jws": jws_of(GOOD | {"kid": "did:web:other#k"})}, "no signature of did:web:other#k"),
        ({"document": DOCUMENT, "jws": jws_of(GOOD | {"alg": "none"})}, "not EdDSA"),
        ({"document": DOCUMENT, "jws": jws_of(GOOD | {"b64": True})}, "b64: false"),
        ({"document": DOCUMENT, "jws": jws_of({"alg": "EdDSA", "kid": KID})}, "b64: false"),
        ({"document": DOCUMENT, "jws": jws_of(GOOD | {"crit": ["b64", "exp"]})}, "b64: false"),
        ({"document": DOCUMENT, "jws": jws_of(GOOD | {"kid": ""})}, "names no key"),
        ({"document": DOCUMENT, "jws": jws_of(b'{"alg":"EdDSA","alg":"EdDSA"}')}, "header is no JSON"),
        ({"document": DOCUMENT, "jws": jws_of(b"[]")}, "not EdDSA"),
    ],
)
def test_what_is_not_exactly_our_signed_form_is_refused_with_its_reason(signed, reason):
    with pytest.raises(SignatureError, match=reason):
        verify_document(signed, verify=known)


def test_another_key_under_our_key_id_is_refused():
    with pytest.raises(SignatureError, match="no signature of"):
        verify_document(sign_document(DOCUMENT, kid=KID, sign=signing(STRANGER)), verify=known)


def test_a_document_of_another_kind_is_refused_though_well_signed():
    with pytest.raises(SignatureError, match="'tm/1' and not 'rc/1'"):
        verify_document(SIGNED, verify=known, typ="rc/1")


def test_a_second_text_for_the_same_signature_is_refused():
    last = SIGNED["jws"][-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = SIGNED["jws"][:-1] + alphabet[alphabet.index(last) + 1]  # differs in bits that base64url does not use
    with pytest.raises(SignatureError, match="canonical base64url"):
        verify_document({"document": DOCUMENT, "jws": twin}, verify=known)


def test_a_fraction_is_never_signed():
    with pytest.raises(CanonicalError):
        sign_document({"amount": 0.1}, kid=KID, sign=signing(EVIDENCE))
