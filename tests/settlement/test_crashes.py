"""A connector dies at any commit while a bundle is signed or a period closed: started again, all come to the same end.

A daemon dies here as with `kill -9`: from a chosen commit on its store takes nothing more, whatever still runs of it; then it is
opened again from its folder, and the person repeats what got no answer.
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from connector.daemon import Daemon
from connector.errors import StoreError, WeftError
from connector.exchange import bundles
from connector.exchange import settlement as closing
from connector.store import settlement
from connector.store.settlement import State
from tests.pair import START, did, found_space, settings, types, until
from tests.settling import (
    NAMES,
    OCTOBER,
    bundle_digest,
    conclude,
    expected,
    ledgers,
    reaches,
    sign_all,
    state_all,
    terms,
)

pytestmark = pytest.mark.slow
OPERATOR, MEMBER = "s-zhengshu", "p-seat"


@dataclass
class Cut:
    """Lets a daemon commit so many more times; the next one is lost, or (`done`) made durable and then nobody hears of it."""

    daemon: Daemon
    left: int
    done: bool
    dead: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self):
        self.commit = self.daemon.node.db.transact
        self.daemon.node.db.transact = self.transact

    async def transact(self, work):
        if self.dead.is_set():
            raise StoreError("database-closed", path="-")
        if self.left == 0:
            self.dead.set()
            if self.done:
                await self.commit(work)
            raise StoreError("database-closed", path="-")
        self.left -= 1
        return await self.commit(work)


class Six:
    """Six daemons of which one can die and come back. All clocks show one time, that of one who comes back, too."""

    def __init__(self, root):
        self.root = root
        self.daemons = {}
        self.offset_s = (START - datetime.now(UTC)).total_seconds()

    async def start(self, name):
        chosen = settings(self.root, name, test_clock_start=None, test_clock_offset_s=self.offset_s)
        self.daemons[name] = Daemon(chosen)
        await self.daemons[name].open()

    async def restart(self, name):
        await self.daemons[name].close()
        await self.start(name)

    async def stop(self):
        for daemon in self.daemons.values():
            await daemon.close()


@pytest.fixture
async def six(tmp_path):
    found_space(tmp_path, NAMES)
    houses = Six(tmp_path)
    for name in NAMES:
        await houses.start(name)
    try:
        yield houses
    finally:
        await houses.stop()


async def survives(six, victim, left, done, act, ended):
    """Everybody acts, the victim dies on the way and comes back, and acts again; whether it died at all."""
    cut = Cut(six.daemons[victim], left, done)
    for name in NAMES:
        with contextlib.suppress(WeftError):
            await act(six.daemons[name])
    waiting = [asyncio.ensure_future(cut.dead.wait()), asyncio.ensure_future(ended())]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    if cut.dead.is_set():
        await six.restart(victim)
        await act(six.daemons[victim])
    await ended()
    return cut.dead.is_set()


def points(*most, slow):
    """After how many commits the victim dies: a few points always, the others in the slow suite."""
    return [*most, *(pytest.param(left, marks=pytest.mark.slow) for left in slow)]


@pytest.mark.parametrize("done", [False, True], ids=["lost", "durable"])
@pytest.mark.parametrize("victim", [OPERATOR, MEMBER])
@pytest.mark.parametrize("left", points(1, 4, slow=(0, 2, 3, 5, 6, 7, 8, 10, 12, 15, 18, 22)))
async def test_a_closing_comes_to_the_same_end(six, left, victim, done):
    """The digests are those of an undisturbed run, everybody has six seals, nothing is agreed or signed twice."""
    await conclude(six.daemons)
    await sign_all(six.daemons)
    await ledgers(six.daemons)
    await state_all(six.daemons)

    async def close(daemon):
        await closing.close(daemon.node, OCTOBER)

    async def agreed():
        for daemon in list(six.daemons.values()):
            await reaches(daemon, "RISK-2026", State.AGREED)

    await survives(six, victim, left, done, close, agreed)
    figures = expected()["settlement"][OCTOBER]
    for daemon in six.daemons.values():
        found = await reaches(daemon, "RISK-2026", State.AGREED)
        assert found.digest == figures["bundle_statement_digest"]
        seals = await daemon.node.db.read(lambda tx, found=found: settlement.seals(tx, found.digest))
        assert sorted(seals) == sorted(did(name) for name in NAMES)
        recorded = await daemon.node.db.read(lambda tx: [row.digest for row in settlement.inputs(tx, OCTOBER)])
        assert recorded == [figures["period_input_digest"]]
    for name, ref in ((OPERATOR, "A5"), (OPERATOR, "A6"), (MEMBER, "A6"), ("p-oem", "A5")):
        found = await reaches(six.daemons[name], ref, State.AGREED)
        assert found.digest == figures["bilateral_statements"][ref]["digest"]


@pytest.mark.parametrize("done", [False, True], ids=["lost", "durable"])
@pytest.mark.parametrize("victim", [OPERATOR, MEMBER])
@pytest.mark.parametrize("left", points(1, slow=(0, 2, 3, 4, 5, 7, 9)))
async def test_signing_a_bundle_comes_to_the_same_end(six, left, victim, done):
    """All six have six signatures, each recorded once."""

    async def sign(daemon):
        await bundles.sign(daemon.node, document=json.loads(terms("RISK-2026")))

    async def signed():
        for daemon in list(six.daemons.values()):
            await until(daemon, "audit", lambda tx, daemon=daemon: "bundle.in-force" in types(daemon)(tx))

    await survives(six, victim, left, done, sign, signed)
    for daemon in six.daemons.values():
        recorded = await daemon.node.db.read(types(daemon))
        assert (recorded.count("bundle.signed"), recorded.count("bundle.in-force")) == (6, 1)
    assert bundle_digest() == expected()["bundle"]["terms"]
