"""Gzip of others: whole or refused, and never more plain bytes than the limit."""

import contextlib
import gzip
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.dispatch.gunzip import OversizeError, gunzip


@given(st.lists(st.binary(max_size=200), max_size=5), st.integers(-2, 2))
def test_what_was_packed_is_unpacked_up_to_the_limit(pieces, slack):
    """Any number of members; exactly the limit passes, one byte more does not."""
    plain = b"".join(pieces)
    packed = b"".join(gzip.compress(piece) for piece in pieces)
    limit = max(0, len(plain) + slack)
    if len(plain) <= limit:
        assert gunzip(packed, limit) == plain
    else:
        with pytest.raises(OversizeError):
            gunzip(packed, limit)


@given(st.binary(max_size=60))
def test_any_bytes_are_unpacked_or_refused(data):
    """Nothing but ValueError comes out."""
    with contextlib.suppress(ValueError):
        assert len(gunzip(data, 100)) <= 100


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_cut_or_changed_member_is_refused(plain, data):
    """The checksum and the length at its end are looked at."""
    packed = gzip.compress(plain)
    with pytest.raises(ValueError, match="broken gzip"):
        gunzip(packed[: data.draw(st.integers(1, len(packed) - 1))], 1000)
    place = data.draw(st.integers(len(packed) - 8, len(packed) - 1))
    with pytest.raises(ValueError, match="broken gzip"):
        gunzip(packed[:place] + bytes([packed[place] ^ 1]) + packed[place + 1 :], 1000)


def test_a_bomb_never_gets_its_memory():
    """A hundred thousand bytes that want to be a hundred million take about the limit."""
    bomb = gzip.compress(b"\0" * 100_000_000)
    tracemalloc.start()
    with pytest.raises(OversizeError):
        gunzip(bomb, 1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000
