"""Where the member list comes from: changes are taken up, refused ones change nothing, and each reason is told once."""

import asyncio
from datetime import timedelta

import pytest

from connector.errors import AuthenticationError, UnreachableError, VerificationError, WeftError
from connector.identity import source as source_module
from connector.identity.source import Fetched, MemberSource
from connector.identity.static import StaticIdentity
from tests.clocks import SteppingClock
from tests.space import STAMP, STEEL, Space


@pytest.fixture
def space() -> Space:
    return Space(STEEL, STAMP)


class Reports:
    """What a daemon would record, in order; `next` waits for it."""

    def __init__(self):
        self.queue = asyncio.Queue()

    async def accept(self, members, data):
        self.queue.put_nowait(members.seq)

    async def refuse(self, error):
        self.queue.put_nowait(error.code)

    async def next(self):
        async with asyncio.timeout(5):
            return await self.queue.get()


def source(space, where, reports=None, *, clock=None, **more):
    reports = reports or Reports()
    return MemberSource(
        str(where),
        space.space_key,
        clock=clock or SteppingClock(),
        on_accepted=reports.accept,
        on_refused=reports.refuse,
        **more,
    )


def put(file, data):
    """Replace a file at once, as everybody should who is watched."""
    fresh = file.with_suffix(".new")
    fresh.write_bytes(data)
    fresh.replace(file)


async def test_a_file_is_read_and_read_again(space, tmp_path):
    """The first list comes into force, a newer one replaces it, the same one changes nothing."""
    file, reports = tmp_path / "members.json", Reports()
    members = source(space, file, reports)
    with pytest.raises(VerificationError, match="member-list-missing"):
        members.current()

    file.write_bytes(space.signed())
    assert await members.reload()
    assert not await members.reload()
    file.write_bytes(space.signed(seq=2, members=[space.entry(STEEL)]))
    assert await members.reload()

    assert list(members.current().members) == [STEEL]
    assert [await reports.next(), await reports.next()] == [1, 2]


async def test_a_refused_list_leaves_the_last_good_one_in_force(space, tmp_path):
    """Older, altered, missing: the reason is raised, the current list stays."""
    file = tmp_path / "members.json"
    members = source(space, file)
    file.write_bytes(space.signed(seq=5))
    await members.reload()

    for data, code in (
        (space.signed(seq=4), "member-list-older"),
        (space.signed(seq=6).replace(b"CN-32", b"CN-31"), "member-list-signature"),
        (space.signed(seq=5, members=[space.entry(STEEL)]), "member-list-forked"),
    ):
        file.write_bytes(data)
        with pytest.raises(VerificationError, match=code):
            await members.reload()
    file.unlink()
    with pytest.raises(UnreachableError, match="member-list-unreadable"):
        await members.reload()

    assert members.current().seq == 5


async def test_the_number_survives_a_restart(space, tmp_path):
    """A daemon that has seen number 9 does not go back to 8."""
    file = tmp_path / "members.json"
    file.write_bytes(space.signed(seq=8))
    with pytest.raises(VerificationError, match="member-list-older"):
        await source(space, file, known_seq=9).reload()


async def test_a_list_that_cannot_be_recorded_is_not_in_force(space, tmp_path):
    """The number is durable before the list counts."""

    async def fail(members, data):
        raise WeftError("store-failed")

    file = tmp_path / "members.json"
    file.write_bytes(space.signed())
    members = MemberSource(str(file), space.space_key, clock=SteppingClock(), on_accepted=fail)
    with pytest.raises(WeftError, match="store-failed"):
        await members.reload()
    with pytest.raises(VerificationError, match="member-list-missing"):
        members.current()


async def test_a_list_that_expires_later_is_no_longer_in_force(space, tmp_path):
    """Then nobody is known, not even with a good token."""
    file, clock = tmp_path / "members.json", SteppingClock()
    file.write_bytes(space.signed())
    members = source(space, file, clock=clock)
    await members.reload()
    ours = StaticIdentity(space.rings[STEEL], members, clock)
    theirs = StaticIdentity(space.rings[STAMP], members, clock)
    assert (await theirs.speaker(await ours.authorisation(STAMP))).participant == STEEL

    clock.advance(timedelta(days=22))
    with pytest.raises(VerificationError, match="member-list-expired"):
        await theirs.speaker(await ours.authorisation(STAMP))


async def test_a_removed_member_is_refused_at_once(space, tmp_path):
    """A reload is enough; no restart."""
    file, clock = tmp_path / "members.json", SteppingClock()
    file.write_bytes(space.signed())
    members = source(space, file, clock=clock)
    await members.reload()
    ours = StaticIdentity(space.rings[STEEL], members, clock)
    theirs = StaticIdentity(space.rings[STAMP], members, clock)
    header = await ours.authorisation(STAMP)
    file.write_bytes(space.signed(seq=2, members=[space.entry(STAMP)]))
    await members.reload()

    with pytest.raises(AuthenticationError, match="not-a-member"):
        await theirs.speaker(header)


async def test_watching_a_file(space, tmp_path, monkeypatch):
    """A new file is taken up without a call; the same reason is reported once."""
    monkeypatch.setattr(source_module, "FILE_INTERVAL_S", 0.005)
    file, reports = tmp_path / "members.json", Reports()
    members = source(space, file, reports)
    watching = asyncio.create_task(members.watch())

    assert await reports.next() == "member-list-unreadable"
    put(file, space.signed())
    assert await reports.next() == 1
    put(file, space.signed(seq=2)[:-5])
    assert await reports.next() == "member-list-invalid"
    await asyncio.sleep(0.05)
    put(file, space.signed(seq=2))
    assert await reports.next() == 2
    watching.cancel()


async def test_an_address_is_asked_with_its_tag(space):
    """The tag of the last answer goes along; an explicit reload asks for the whole."""
    asked, often = [], asyncio.Event()

    async def fetch(tag):
        asked.append(tag)
        if len(asked) == 3:
            often.set()
        return Fetched(None, tag) if tag == '"1"' else Fetched(space.signed(), '"1"')

    members = source(space, "https://space.example/members.json", fetch=fetch, interval_s=0.005)
    watching = asyncio.create_task(members.watch())
    async with asyncio.timeout(5):
        await often.wait()
    watching.cancel()
    assert not await members.reload()

    assert asked[:3] == [None, '"1"', '"1"']
    assert asked[-1] is None
    assert members.current().seq == 1
