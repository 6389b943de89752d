"""One run by its seed: a world with its weather, two sides, their people, and the laws at the end."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from unittest import mock

from connector.dataplane import fetch as data_fetch
from connector.dataplane import receive as data_receive
from connector.dsp import inbound
from connector.exchange.node import Node
from connector.exchange.receive import Incoming, Reply, receive
from connector.store.database import Tx
from tests.simulation import laws
from tests.simulation.founding import NAMES, Disks, found
from tests.simulation.loop import StuckError
from tests.simulation.people import HABITS, People
from tests.simulation.rogue import Rogue
from tests.simulation.side import LIFE, Fetching, Side
from tests.simulation.world import Weather, World

# More calls of the event loop than this, and something does not end.
CALLS_MOST = 60_000
# In runs as short as this nobody gives up, not even a seal.
PATIENCE_S = 1500
# So many runs are between our own two sides for one against a peer without rules.
ROGUE_EVERY = 5
# To verify both logs takes a tenth of a run: every third one.
LOGS_EVERY = 3
_DISKS = Disks()


@dataclass
class Outcome:
    """What came of a seed."""

    seed: int
    broken: list[str]
    trace: list[str]
    counts: dict[str, int] = field(default_factory=dict)


def weather(luck: random.Random) -> Weather:
    """From a fine day to one on which nothing works."""
    kind = luck.choices(("fine", "lossy", "slow", "storm"), (1, 3, 2, 3))[0]
    if kind == "fine":
        return Weather()
    bad = luck.random() * (0.5 if kind == "storm" else 0.3)
    found = Weather(commit_delay=0.3 * luck.random())
    if kind in ("lossy", "storm"):
        found.lose_request, found.lose_answer, found.duplicate = bad * 0.6, bad, bad
        found.busy = bad * 0.3 * luck.random()
    if kind in ("slow", "storm"):
        found.slow, found.slow_s = bad, luck.choice((0.2, 5, 40))
        found.late, found.late_s = bad * 0.5, luck.choice((5, 100, 3000))
    return found


def simulate(seed: int) -> Outcome:
    """Run one seed to its end and look at what is left: every fifth one against a peer without rules."""
    luck = random.Random(f"{seed} plan")
    world = World(seed)
    names = NAMES if seed % ROGUE_EVERY else NAMES[:1]
    disks = {name: _DISKS.take(name) for name in names}
    sides = {name: Side(world, name, disks[name]) for name in names}
    try:
        with _without_files(world, watched=len(names) == 1):
            try:
                _act(world, luck, sides)
            except StuckError as error:
                world.breaks(f"the run does not end: {error}")
        for sentence in _unfinished(world, list(sides.values())):
            world.breaks(sentence)
        for sentence in laws.at_last(world, sides, sealed=world.loop.now < PATIENCE_S, logs=seed % LOGS_EVERY == 0):
            world.breaks(sentence)
        trace = [f"{at:14.6f} {who:>4} {what}" for at, who, what in world.trace]
        return Outcome(seed, world.broken, trace, _counts(world, sides["a"]))
    finally:
        for name, disk in disks.items():
            _DISKS.give(name, disk)


def _act(world: World, luck: random.Random, sides: dict[str, Side]) -> None:
    world.loop.begun = _belongs
    for side in sides.values():
        world.hosts[found()[side.name].settings.dsp.split("/")[2]] = side
        side.start()
    world.loop.run(most=CALLS_MOST)
    about = luck.choice(list(HABITS))
    people = {
        name: People(world, side, other, luck, about)
        for (name, side), other in zip(sides.items(), reversed(NAMES), strict=False)
    }
    rogue = Rogue(world, sides["a"], luck) if len(sides) == 1 else None
    horizon = _plan(world, luck, sides, people, rogue)
    world.loop.run(until=horizon, most=CALLS_MOST)
    _heal(world, sides)
    world.loop.run(most=CALLS_MOST)
    for sentence in laws.at_rest(sides):
        world.breaks(sentence)
    # Closing time: first some of it, one side after the other, then whatever is left.
    for side in (*luck.sample(list(sides.values()), len(sides)), *sides.values()):
        people[side.name].close()
        world.loop.run(most=CALLS_MOST)
    for name in sides:
        people[name].luck = _Always()
        people[name].close()
        world.loop.run(most=CALLS_MOST)


def _unfinished(world: World, sides: list[Side]) -> Iterator[str]:
    """What the machinery itself has left undone."""
    for side in sides:
        if not side.up:
            yield f"{side.name} does not come up again"
        for task in side.tasks:
            if task.done() and not task.cancelled() and task._log_traceback:  # nobody has asked for its error
                yield f"{side.name}: a task failed: {task.exception()!r}"
    for failure in world.loop.failures:
        yield f"nobody took {failure.get('exception')!r}: {failure.get('message')}"


def _counts(world: World, side: Side) -> dict[str, int]:
    """How much happened at one side."""
    tables = ("negotiation", "transfer", "agreement", "delivery", "usage")
    counts = {table: int(side.rows(f"SELECT count(*) FROM {table}")[0][0]) for table in tables}  # noqa: S608
    counts["finalized"] = int(side.rows("SELECT count(*) FROM negotiation WHERE state = 'FINALIZED'")[0][0])
    counts["refused"] = int(side.rows("SELECT count(*) FROM audit_entry WHERE type = 'message.refused'")[0][0])
    return counts | {"lives": side.lives, "calls": world.loop.calls}


@contextmanager
def _without_files(world: World, *, watched: bool) -> Iterator[None]:
    """Deliveries write no files and draw their luck from the seed; refusals are watched where a peer provokes them."""
    luck = SimpleNamespace(randbelow=world.luck.randrange)

    def watching(tx: Tx, node: Node, incoming: Incoming) -> Reply:
        before = laws.picture(tx)
        reply = receive(tx, node, incoming)
        if reply.status >= 400 and laws.picture(tx) != before:
            world.breaks(f"{incoming.message.type} was refused with {reply.status} and changed something")
        return reply

    with (
        mock.patch.object(data_receive, "Fetch", Fetching),
        mock.patch.object(data_fetch, "write_whole"),
        mock.patch.object(data_fetch, "secrets", luck),
        mock.patch.object(inbound, "receive", watching if watched else receive),
    ):
        yield


class _Always(random.Random):
    """Luck by which everything is done."""

    def random(self) -> float:
        return 0.0


def _belongs(task: object) -> None:
    life = LIFE.get()
    if life is not None:
        life.tasks.append(task)  # type: ignore[arg-type]
        life.side.tasks.append(task)  # type: ignore[arg-type]


def _plan(
    world: World, luck: random.Random, sides: dict[str, Side], people: dict[str, People], rogue: Rogue | None
) -> float:
    """Write down what will happen when; returns the time at which the world becomes calm."""
    loop, names = world.loop, list(sides)
    world.weather = weather(luck)
    start, span = loop.now, luck.choice((2.0, 20.0, 300.0, 4000.0))
    for _ in range(luck.choice((1, 1, 2))):
        people[luck.choice(names)].plan_request(start + luck.random() * span * 0.1)
    for _ in range(luck.randint(2, 7)):
        at = start + luck.random() * span
        people[luck.choice(names)].plan(at)
        if luck.random() < 0.3:  # and somebody else does something in the same moment
            people[luck.choice(names)].plan(at + luck.random() * 0.05)
    if rogue is not None:
        world.hosts[found()[rogue.name].settings.dsp.split("/")[2]] = rogue
        world.tell(rogue.name, f"keeps no rules and is {rogue.mood}")
        for _ in range(luck.randint(8, 30)):
            rogue.plan(start + luck.random() * span)
    for side in sides.values():
        _misfortune(world, luck, side, span)
    if luck.random() < 0.2:
        loop.call_at(start + luck.random() * span, _cut, world, luck.choice((1.0, 30.0, 3000.0)))
    return start + span * 1.1


def _misfortune(world: World, luck: random.Random, side: Side, span: float) -> None:
    """When one side will die, and when its clock will jump."""
    loop = world.loop
    start = loop.now
    if luck.random() < 0.5:
        for _ in range(luck.randint(1, 3)):
            side.crashes[side._commits + luck.randint(1, 40)] = luck.choice(("before", "after"))
    if luck.random() < 0.15:
        loop.call_at(start + luck.random() * span, side.crash, "at any moment")
    if luck.random() < 0.3:
        for _ in range(luck.randint(1, 2)):
            shift = luck.choice((3, 60, 1000, 20_000)) * luck.choice((-1, 1))
            loop.call_at(start + luck.random() * span, _shift, world, side, shift)
            if luck.random() < 0.5:
                loop.call_at(start + luck.random() * span, _shift, world, side, 0)


def _shift(world: World, side: Side, seconds: float) -> None:
    world.tell(side.name, f"its clock is off by {seconds} s")
    side.clock.shift_s = seconds


def _cut(world: World, seconds: float) -> None:
    world.tell("net", f"is cut for {seconds} s")
    world.cut_until = world.loop.now + seconds


def _heal(world: World, sides: dict[str, Side]) -> None:
    world.tell("net", "is calm from now on")
    world.calm, world.cut_until = True, 0.0
    for side in sides.values():
        side.clock.shift_s = 0.0
