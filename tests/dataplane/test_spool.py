"""The spool: bounded, shared, never without what it promised; leaf lists beside it."""

import asyncio
import hashlib
import io

import pytest

from connector.dataplane.leaves import LeafCache, hash_leaves
from connector.dataplane.spool import HashingWriter, Spool
from connector.dataplane.transforms.apply import Written
from connector.errors import StoreError
from contracts.evidence.manifest import unpack_leaves
from contracts.evidence.merkle import leaf_hash, root

CHUNK = 4096


def builder(data, calls=None):
    def build(out):
        if calls is not None:
            calls.append(1)
        for at in range(0, len(data), 1000):
            out.write(data[at : at + 1000])
        return Written(3, ("a",))

    return build


async def put(spool, key, data, **more):
    async with spool.lease(key, CHUNK, builder(data, **more), lambda _: None) as entry:
        assert spool.path(key).read_bytes() == data
        return entry


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 9])
def test_hashes_while_writing_are_those_of_the_bytes(size):
    """Digest and leaves of any size, written in odd pieces."""
    data, out = bytes(range(256)) * (size // 256 + 1), io.BytesIO()
    writer = HashingWriter(out, CHUNK, lambda _: None)
    for at in range(0, size, 777):
        writer.write(data[at : min(at + 777, size)])
    expected = [leaf_hash(data[at : min(at + CHUNK, size)]) for at in range(0, size, CHUNK)]
    assert (writer.sha256(), unpack_leaves(writer.leaves())) == (hashlib.sha256(data[:size]).hexdigest(), expected)


@pytest.mark.parametrize(
    ("size", "chunk"), [(0, 4096), (1, 4096), (9000, 4096), (40_000_003, 1 << 20), (3 << 20, 3 << 20)]
)
async def test_leaves_of_a_file(tmp_path, size, chunk):
    """In one thread or two, for chunks smaller and larger than a read: the leaves of the bytes in order."""
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    path = tmp_path / "file"
    path.write_bytes(data)
    with path.open("rb") as file:
        found = await hash_leaves(file.fileno(), size, chunk)
        assert unpack_leaves(found) == [leaf_hash(data[at : at + chunk]) for at in range(0, size, chunk)]
        with pytest.raises(EOFError):
            await hash_leaves(file.fileno(), size + 1, chunk)


async def test_the_least_recently_used_leaves_first(tmp_path):
    """Three entries in the room of two: the one used longest ago goes."""
    spool = Spool(tmp_path, 2500)
    for key in ("a", "b"):
        await put(spool, key, b"x" * 1000)
    await put(spool, "a", b"x" * 1000)
    await put(spool, "c", b"x" * 1000)
    assert sorted(path.stem for path in tmp_path.glob("*.data")) == ["a", "c"]
    assert spool.taken == 2000


async def test_what_is_being_sent_stays(tmp_path):
    """An entry in use is never removed; where it leaves no room the newcomer is refused, and nothing of it remains."""
    spool = Spool(tmp_path, 1500)
    async with spool.lease("a", CHUNK, builder(b"x" * 1000), lambda _: None):
        with pytest.raises(StoreError, match="spool-full"):
            await put(spool, "b", b"y" * 1000)
        assert spool.path("a").exists()
    assert (spool.taken, [path.name for path in tmp_path.glob("b*")]) == (1000, [])
    await put(spool, "b", b"y" * 1000)
    assert [path.stem for path in tmp_path.glob("*.data")] == ["b"]


async def test_many_who_ask_at_once_share_one_build(tmp_path):
    """One build, the same bytes for all."""
    spool, calls = Spool(tmp_path, 10**6), []
    await asyncio.gather(*(put(spool, "a", b"z" * 5000, calls=calls) for _ in range(8)))
    assert len(calls) == 1


async def test_a_restart_keeps_what_is_finished_and_removes_the_rest(tmp_path):
    """Entries survive; half-written files and strays go; a smaller bound is obeyed at once."""
    spool = Spool(tmp_path, 10**6)
    await put(spool, "old", b"1" * 1000)
    await put(spool, "new", b"2" * 1000)
    (tmp_path / "half.tmp").write_bytes(b"half")
    (tmp_path / "bare.data").write_bytes(b"no description")
    again, calls = Spool(tmp_path, 10**6), []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.data", "new.json", "old.data", "old.json"]
    entry = await put(again, "old", b"1" * 1000, calls=calls)
    assert (calls, entry.sha256, entry.rows) == ([], hashlib.sha256(b"1" * 1000).hexdigest(), 3)
    Spool(tmp_path, 1000)
    assert [path.stem for path in tmp_path.glob("*.data")] == ["old"]


async def test_a_build_that_fails_leaves_nothing_and_may_be_tried_again(tmp_path):
    """The error reaches everybody who waits; the next asker starts anew."""
    spool = Spool(tmp_path, 10**6)

    def fails(out):
        out.write(b"half")
        raise ValueError("broken row")

    async def ask():
        async with spool.lease("a", CHUNK, fails, lambda _: None):
            pass

    results = await asyncio.gather(ask(), ask(), return_exceptions=True)
    assert [str(result) for result in results] == ["broken row"] * 2
    assert (spool.taken, list(tmp_path.iterdir())) == (0, [])
    await put(spool, "a", b"whole")


async def test_leaf_lists_are_computed_once_and_found_by_root(tmp_path):
    """Kept over a restart, found under the root of their tree, forgotten when there is no room."""
    cache, calls = LeafCache(tmp_path, kept_bytes=32 * 3), []

    def compute(number):
        async def work():
            calls.append(number)
            return leaf_hash(b"%d" % number)

        return work

    first = await cache.get("a", compute(1))
    assert await LeafCache(tmp_path).get("a", compute(1)) == first
    assert calls == [1]
    assert await cache.of_root(f"sha-256:{root([first]).hex()}") == first
    for number in range(2, 6):
        await cache.get(f"k{number}", compute(number))
    assert len(list(tmp_path.glob("*.leaves"))) <= 3
    assert len(list(tmp_path.glob("*.root"))) <= 3
