"""Ranges and preconditions, as a table."""

from http import HTTPStatus

import pytest

from connector.dataplane.http import part, read_repr_digest, repr_digest

ETAG = '"sha-256:aa"'
OK, PARTIAL, NONE, FAILED, SAME = (
    HTTPStatus.OK,
    HTTPStatus.PARTIAL_CONTENT,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    HTTPStatus.PRECONDITION_FAILED,
    HTTPStatus.NOT_MODIFIED,
)


@pytest.mark.parametrize(
    ("headers", "status", "start", "end"),
    [
        ({}, OK, 0, 100),
        ({"Range": "bytes=0-"}, PARTIAL, 0, 100),
        ({"Range": "bytes=10-19"}, PARTIAL, 10, 20),
        ({"Range": "bytes=99-"}, PARTIAL, 99, 100),
        ({"Range": "bytes=90-500"}, PARTIAL, 90, 100),
        ({"Range": "bytes=-30"}, PARTIAL, 70, 100),
        ({"Range": "bytes=-500"}, PARTIAL, 0, 100),
        ({"Range": "bytes=100-"}, NONE, 0, 0),
        ({"Range": "bytes=-0"}, NONE, 0, 0),
        ({"Range": "bytes=20-10"}, OK, 0, 100),
        ({"Range": "bytes=-"}, OK, 0, 100),
        ({"Range": "bytes=0-1,5-6"}, OK, 0, 100),
        ({"Range": "lines=0-1"}, OK, 0, 100),
        ({"Range": "bytes=5-", "If-Range": ETAG}, PARTIAL, 5, 100),
        ({"Range": "bytes=5-", "If-Range": '"other"'}, OK, 0, 100),
        ({"Range": "bytes=5-", "If-Range": f"W/{ETAG}"}, OK, 0, 100),
        ({"Range": "bytes=5-", "If-Range": "Tue, 10 Nov 2026 01:00:00 GMT"}, OK, 0, 100),
        ({"If-Match": ETAG}, OK, 0, 100),
        ({"If-Match": f'"x", {ETAG}'}, OK, 0, 100),
        ({"If-Match": "*"}, OK, 0, 100),
        ({"If-Match": '"other"'}, FAILED, 0, 0),
        ({"If-Match": f"W/{ETAG}"}, FAILED, 0, 0),
        ({"If-Match": '"other"', "Range": "bytes=0-"}, FAILED, 0, 0),
        ({"If-None-Match": ETAG}, SAME, 0, 0),
        ({"If-None-Match": f"W/{ETAG}"}, SAME, 0, 0),
    ],
)
def test_what_a_request_asks_for(headers, status, start, end):
    """RFC 9110, sections 13 and 14: one strong tag, one range, everything else ignored or refused as written."""
    found = part(headers, ETAG, 100)
    assert (found.status, found.start, found.end) == (status, start, end)
    if status is PARTIAL:
        assert found.headers == {"Content-Range": f"bytes {start}-{end - 1}/100"}
    if status is NONE:
        assert found.headers == {"Content-Range": "bytes */100"}


def test_a_range_of_nothing():
    """An empty delivery has no byte to ask for."""
    assert part({}, ETAG, 0).status is OK
    assert part({"Range": "bytes=0-"}, ETAG, 0).status is NONE


def test_repr_digest_round_trip():
    """RFC 9530: written and read back; other algorithms are not taken for it."""
    assert read_repr_digest(repr_digest("ab" * 32)) == "ab" * 32
    assert read_repr_digest("sha-512=:AAAA:, " + repr_digest("00" * 32)) == "00" * 32
    assert read_repr_digest("md5=:AAAA:") is None
