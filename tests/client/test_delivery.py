"""A delivery is written whole and true, or not at all."""

import hashlib

import pytest
from aiohttp import web

from connector.client import errors
from connector.client.delivery import sha256_of
from contracts.evidence.manifest import as_digest
from contracts.evidence.merkle import leaf_hash, root
from tests.client.stub import stubbed

DATA = bytes(range(256)) * 64
CHUNK = 4096


def view(data=DATA, chunk=CHUNK, **changes):
    leaves = [leaf_hash(data[at : at + chunk]) for at in range(0, len(data), chunk)]
    document = {"chunk": chunk, "root": as_digest(root(leaves))}
    return {
        "id": "urn:d",
        "transfer": "urn:t",
        "agreement": "sha-256:a",
        "counterparty": "did:web:b",
        "dataset": "d",
        "state": "received",
        "size": len(data),
        "verified_bytes": len(data),
        "manifest": {"document": document, "jws": "x..y"},
        "receipt": {"document": {}, "jws": "x..y"},
        "created": "2026-11-10T01:00:00Z",
        "updated": "2026-11-10T01:00:00Z",
        **changes,
    }


async def saved(path, content, shown):
    async with stubbed() as (stub, client):
        stub.answers["GET", "/v1/deliveries/urn:d"] = shown
        stub.answers["GET", "/v1/deliveries/urn:d/content"] = lambda _: web.Response(body=content)
        return await (await client.delivery("urn:d")).save(path)


@pytest.mark.parametrize(
    "data", [DATA, DATA[:4097], DATA[:1], b""], ids=["whole chunks", "a rest", "one byte", "nothing"]
)
async def test_true_bytes_become_a_file_with_its_evidence(tmp_path, data):
    path = await saved(tmp_path / "coil.csv", data, view(data))
    assert path.read_bytes() == data
    assert sha256_of(path) == "sha-256:" + hashlib.sha256(data).hexdigest()
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "coil.csv",
        "coil.csv.manifest.json",
        "coil.csv.receipt.json",
    ]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "content",
    [DATA[:-1], DATA + b"x", DATA[:100] + b"x" + DATA[101:], DATA[CHUNK:] + DATA[:CHUNK][::-1], b""],
    ids=["missing", "extra", "flipped", "swapped", "nothing"],
)
async def test_other_bytes_leave_nothing(tmp_path, content):
    with pytest.raises(errors.VerificationError):
        await saved(tmp_path / "coil.csv", content, view())
    assert list(tmp_path.iterdir()) == []


async def test_what_was_there_stays_when_something_fails(tmp_path):
    (tmp_path / "coil.csv").write_bytes(b"old")
    with pytest.raises(errors.VerificationError):
        await saved(tmp_path / "coil.csv", DATA[1:] + b"x", view())
    assert (tmp_path / "coil.csv").read_bytes() == b"old"


async def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(errors.InvalidRequestError, match="nowhere"):
        await saved(tmp_path / "nowhere" / "coil.csv", DATA, view())


async def test_before_it_is_verified_there_are_no_bytes(tmp_path):
    with pytest.raises(errors.VerificationError, match="fetching"):
        await saved(tmp_path / "coil.csv", DATA, view(state="fetching"))


async def test_whole_in_memory_within_a_limit():
    async with stubbed() as (stub, client):
        stub.answers["GET", "/v1/deliveries/urn:d"] = view(b'{"a": 1}')
        stub.answers["GET", "/v1/deliveries/urn:d/content"] = lambda _: web.Response(body=b'{"a": 1}')
        delivery = await client.delivery("urn:d")
        assert await delivery.bytes() == b'{"a": 1}'
        assert await delivery.text() == '{"a": 1}'
        assert await delivery.value() == {"a": 1}
        with pytest.raises(errors.InvalidRequestError, match="save or stream"):
            await delivery.bytes(limit=7)
