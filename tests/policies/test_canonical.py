"""Canonical JSON, digests and the strict reader."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from policies.canonical import MAX_SAFE_INTEGER, canonical, digest, digest_of, dump, is_digest, parse_json
from policies.errors import CanonicalError, JsonError
from tests.policies.scenario import SCENARIO, expected
from tests.shared import shared

NAMES = st.text(st.characters(min_codepoint=0, max_codepoint=127), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_equals_reference(value):
    """On the restricted values our canonical bytes are those of the reference implementation of RFC 8785."""
    assert rfc8785.dumps(value) == canonical(value)


@given(VALUES)
def test_round_trip(value):
    """What was written canonically is read back as the same value."""
    assert value == parse_json(canonical(value))


@given(st.recursive(st.integers() | st.floats(allow_nan=False, allow_infinity=False) | VALUES, st.lists, max_leaves=8))
def test_what_is_kept_is_read_back(value):
    """A document of a counterparty is kept as it is, integers of any size too; in the order of its members."""
    assert json.loads(dump({"名": value, "a": value})) == {"名": value, "a": value}
    assert dump({"b": 1, "a": [2**80]}) == b'{"b":1,"a":[1208925819614629174706176]}'


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, 1.0]}, "a[1]"),
        ({"a": {"b": 2**53}}, "a.b"),
        ([{"名": 1}], "[0]"),
        ({"a": object()}, "a"),
        ({1: "a"}, ""),
    ],
)
def test_refused_with_path(value, path):
    """A value outside the subset is refused with the path of the offending member."""
    with pytest.raises(CanonicalError) as caught:
        canonical(value)
    assert path == caught.value.path


def test_refuses_surrogate_and_depth():
    """Text without a UTF-8 form and bottomless nesting have no canonical form, and say so without another error."""
    deep: list = []
    for _ in range(2000):
        deep = [deep]
    for value in ("\ud800", deep):
        with pytest.raises(CanonicalError):
            canonical(value)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":2}',
        b"NaN",
        b"-Infinity",
        b"1e999",
        b'"\\ud800"',
        b"\xff",
        b"",
        b"{",
        b"[" * 65 + b"]" * 65,
        b"[" * 100_000,
        b"[" * 1000 + b"]" * 1000,
        b"9" * 5000,
        b"1 2",
    ],
)
def test_unreadable_json(data):
    """Duplicate names, numbers that are none, broken UTF-8, lone surrogates and deep nesting are refused as JsonError."""
    with pytest.raises(JsonError):
        parse_json(data)


def test_depth_limit():
    """The limit of depth is exact and can be chosen."""
    assert parse_json(b"[[1]]", max_depth=2) == [[1]]
    with pytest.raises(JsonError):
        parse_json(b"[[1]]", max_depth=1)


def test_digest_form():
    """A digest is `sha-256:` and the lower-case hex of the bytes."""
    assert "sha-256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" == digest(b"{}") == digest_of({})
    assert is_digest(digest(b"")) is True
    assert is_digest("sha-256:" + "A" * 64) is False
    assert is_digest(None) is False


def test_scenario_documents():
    """Terms and transforms of scenario A are canonical as they lie there, and have the digests that the scenario states."""
    digests = expected()["contracts"]
    for folder in ("terms", "transforms"):
        for name, stated in digests[folder].items():
            data = shared(f"{SCENARIO}/contracts/{folder}/{name}.json").read_bytes()
            assert stated == digest_of(json.loads(data)) == digest(data)
