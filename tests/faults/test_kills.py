"""`kill -9` at every step between two companies: started again, both come to the end of an undisturbed run.

One pair of processes lives through all cases: each kills one side at one point of one message, or the moment it has reached a
state, and expects what the first, undisturbed run has shown.
"""

import asyncio
import contextlib

import pytest
import pytest_asyncio

from connector.client import Client
from tests.faults.course import CONSUMER, MOVED, PROVIDER, TEXT, Course
from tests.faults.proxy import CutError, Point

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

# Messages by where they go, in the order of a course. The provider's seal is answered with the consumer's.
TO_PROVIDER = (
    "request",
    "verification",
    "transfer-request",
    "manifest",
    "chunks",
    "data",
    "receipt",
    "completion",
)
TO_CONSUMER = ("agreement", "finalized", "seal", "start")
POINTS = {"before": Point.ARRIVED, "after": Point.ANSWERED}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def course(tmp_path_factory):
    found = Course(tmp_path_factory.mktemp("course"))
    try:
        await found.open()
        yield found
    finally:
        await found.close()


class Strike:
    """Kills a side once, when a message to `to` is at a point, and starts it again at once."""

    def __init__(self, course, victim, to, label, point):
        self.victim = course.sides[victim].process
        self.label, self.point = label, point
        self.restart = None
        course.sides[to].proxy.hook = self.hook

    async def hook(self, passing, point):
        if self.restart is None and passing.label == self.label and point is self.point:
            self.victim.kill()
            self.restart = asyncio.create_task(self.victim.start())
            raise CutError

    async def done(self):
        assert self.restart is not None, "the message never passed"
        await self.restart


def as_undisturbed(outcome):
    """One agreement, one file, one count, the same steps on both sides, both seals, nothing left to say."""
    assert outcome.states == dict.fromkeys((CONSUMER, PROVIDER), ("FINALIZED", "COMPLETED"))
    assert outcome.moved == dict.fromkeys((CONSUMER, PROVIDER), MOVED)
    assert outcome.text == TEXT.encode()
    assert outcome.used[PROVIDER] == [1]
    assert len(outcome.counted[PROVIDER]) == 1
    assert outcome.counted[CONSUMER] == outcome.counted[PROVIDER]
    assert outcome.seals == {CONSUMER: 2, PROVIDER: 2}


async def test_an_undisturbed_run(course):
    """What all the others are compared with."""
    as_undisturbed(await course.run())
    assert all(report.ok for report in await course.logs())


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("victim", [PROVIDER, CONSUMER])
@pytest.mark.parametrize(
    ("to", "label"), [*((PROVIDER, name) for name in TO_PROVIDER), *((CONSUMER, name) for name in TO_CONSUMER)]
)
async def test_a_death_at_a_message_changes_nothing_of_the_end(course, to, label, victim, point):
    """Killed before the message is forwarded, or when it has taken effect and the answer is lost: on either side."""
    strike = Strike(course, victim, to, label, POINTS[point])
    try:
        outcome = await course.run()
        await strike.done()
    finally:
        course.calm()
    as_undisturbed(outcome)


@pytest.mark.parametrize("victim", [PROVIDER, CONSUMER])
async def test_a_death_in_the_middle_of_the_file_changes_nothing_of_the_end(course, victim):
    """Half of the bytes are here when either side dies: the rest follows, verified, and the delivery counts once."""
    strike = Strike(course, victim, PROVIDER, "data", Point.HALFWAY)
    try:
        outcome = await course.run()
        await strike.done()
    finally:
        course.calm()
    as_undisturbed(outcome)


@pytest.mark.parametrize("victim", [PROVIDER, CONSUMER])
@pytest.mark.parametrize("reached", MOVED)
async def test_a_death_in_a_state_changes_nothing_of_the_end(course, victim, reached):
    """Killed as soon as its own events say that it has reached the state."""
    side = course.sides[victim]
    last = (await side.client.audit().first()).seq

    async def strike():
        async with (
            Client(side.process.url, key_file=side.process.key_file) as watching,
            contextlib.aclosing(watching.events(since=last, types=[reached])) as events,
        ):
            assert (await anext(events)).type == reached
        side.process.kill()
        await side.process.start()

    striking = asyncio.create_task(strike())
    outcome = await course.run()
    await striking
    as_undisturbed(outcome)


async def test_the_logs_of_both_sides_verify_and_agree(course):
    """After all these deaths, and one more run: a stranger finds no fault in either log and no divergence between them."""
    as_undisturbed(await course.run())
    reports = await course.logs()
    assert [report.faults for report in reports] == [(), ()]
    assert all(report.ok and report.entries > len(MOVED) * course.runs for report in reports)
