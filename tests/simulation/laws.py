"""What must hold in every run, whatever the network, the clocks and the machines do.

A law is a sentence that says how it was broken; the end of a run without any is a good end.
"""

import sqlite3
from collections.abc import Iterator

import orjson

from connector.store.audit import export
from connector.store.database import Tx
from contracts.evidence.pack import verify_export
from contracts.negotiation.table import MACHINE as NEGOTIATION
from contracts.transfer.table import MACHINE as TRANSFER
from policies.canonical import digest
from tests.simulation.founding import COUNT_MOST, verify
from tests.simulation.people import OPEN
from tests.simulation.side import Side
from tests.simulation.world import World

MACHINES = {"negotiation": NEGOTIATION, "transfer": TRANSFER}
PICTURE = (
    "SELECT * FROM negotiation ORDER BY pid",
    "SELECT * FROM transfer ORDER BY pid",
    "SELECT * FROM agreement ORDER BY digest",
    "SELECT sender, message, process, status FROM inbox ORDER BY sender, message",
    "SELECT message FROM outbox ORDER BY message",
)
FIRST = ("REQUESTED", "OFFERED")


def at_rest(sides: dict[str, Side]) -> Iterator[str]:
    """What must hold once the world is calm and nobody has anything left to do by itself."""
    both = list(sides.values())
    yield from nothing_waits(both)
    if len(both) == 2:
        yield from same_states(*both, ended=False)


def at_last(world: World, sides: dict[str, Side], *, sealed: bool, logs: bool) -> Iterator[str]:
    """What must hold when everything is over; `sealed` says that nobody can have given up a seal, `logs` that they are read."""
    both = list(sides.values())
    yield from nothing_waits(both)
    yield from all_ended(both)
    yield from one_process_each(both)
    yield from one_agreement(both)
    for side in both:
        yield from in_order(side)
        yield from booked_once(side)
    if logs:
        yield from logs_verify(both)
    yield from nothing_lost(world, sides)
    if len(both) == 2:
        yield from same_states(*both, ended=True)
        yield from equal_agreements(*both)
        yield from counted_once(*both)
        if sealed:
            yield from both_seals(*both)


def picture(tx: Tx) -> list[list[tuple[object, ...]]]:
    """Everything that a refused message must leave as it is."""
    return [[tuple(row) for row in tx._connection.execute(sql)] for sql in PICTURE]


def all_ended(sides: list[Side]) -> Iterator[str]:
    """Nothing stays open for ever."""
    for side in sides:
        for table in MACHINES:
            for row in side.rows(f"SELECT pid, state FROM {table} WHERE {OPEN}"):  # noqa: S608  names of ours
                yield f"{side.name}: {table} {row['pid'][-6:]} stays open in {row['state'] or 'no state'}"


def nothing_waits(sides: list[Side]) -> Iterator[str]:
    """Once the world is calm, everything that was to be said is said or given up."""
    for side in sides:
        if side.waiting:
            rows = side.rows("SELECT kind, trigger_name, problem FROM outbox")
            yield f"{side.name} still has {[tuple(row) for row in rows]} to say"


def same_states(left: Side, right: Side, *, ended: bool) -> Iterator[str]:
    """The two sides of a process are in one state, an end once `ended`.

    One pair may differ while people are still to be asked: a side gave up before it heard of its counterparty's process,
    and that one waits for its own people in its first state.
    """
    for table in MACHINES:
        for here, there in ((left, right), (right, left)):
            yield from _paired(table, here, there, ended=ended)


def _paired(table: str, here: Side, there: Side, *, ended: bool) -> Iterator[str]:
    for row in here.rows(f"SELECT * FROM {table} ORDER BY pid"):  # noqa: S608  a name of ours
        name = f"{table} {row['pid'][-6:]} of {here.name}"
        other = _other(table, there, row["pid"], row["peer_pid"])
        if other is None:
            if row["state"] != "TERMINATED" or row["peer_pid"]:
                yield f"{name} is {row['state'] or 'in no state'}, and {there.name} has nothing like it"
        elif row["state"] != other["state"]:
            deaf = not row["peer_pid"] and row["state"] == "TERMINATED" and other["state"] in FIRST
            mute = not other["peer_pid"] and other["state"] == "TERMINATED" and row["state"] in FIRST
            if ended or not (deaf or mute):
                yield f"{name} is {row['state'] or 'in no state'}, at {there.name} it is {other['state'] or 'in no state'}"
        elif row["state"] == "SUSPENDED" and not any(_resumes(one, two) for one, two in ((row, other), (other, row))):
            yield f"{name} cannot be resumed: suspended by {row['suspended_by'] or '-'}, {other['suspended_by'] or '-'}"
        elif row["peer_pid"] != other["pid"] and row["peer_pid"]:
            yield f"{name} believes in {row['peer_pid'][-6:]}, {there.name} in {other['pid'][-6:]}"


def _resumes(mine: sqlite3.Row, theirs: sqlite3.Row) -> bool:
    """Whether one side may resume a transfer and the other will follow."""
    return all(each["suspended_by"] in ("", mine["role"]) for each in (mine, theirs))


def _other(table: str, there: Side, pid: str, peer_pid: str) -> sqlite3.Row | None:
    rows = there.rows(f"SELECT * FROM {table} WHERE pid = ? OR peer_pid = ? ORDER BY pid", peer_pid, pid)  # noqa: S608
    return rows[0] if rows else None


def one_process_each(sides: list[Side]) -> Iterator[str]:
    """A request that comes again opens nothing again."""
    for side in sides:
        for table in MACHINES:
            for column in ("peer_pid", "idempotency"):
                twice = f"SELECT count(*) AS n FROM {table} WHERE {column} <> '' GROUP BY {column} HAVING n > 1"  # noqa: S608
                for row in side.rows(twice):
                    yield f"{side.name} has {row['n']} {table}s for one {column}"


def one_agreement(sides: list[Side]) -> Iterator[str]:
    """A negotiation has at most one agreement, a finalized one exactly one, in force; one that has ended has none in force."""
    for side in sides:
        for row in side.rows("SELECT negotiation, count(*) AS n FROM agreement GROUP BY negotiation HAVING n > 1"):
            yield f"{side.name} has {row['n']} agreements of {row['negotiation'][-6:]}"
        rows = side.rows(
            "SELECT n.pid, n.state, n.agreement, a.digest, a.in_force FROM negotiation AS n"
            " LEFT JOIN agreement AS a ON a.negotiation = n.pid"
        )
        for row in rows:
            name = f"{side.name}: negotiation {row['pid'][-6:]}"
            if row["state"] == "FINALIZED" and not (row["in_force"] and row["digest"] == row["agreement"]):
                yield f"{name} is finalized, and its agreement is not in force"
            if row["state"] not in ("FINALIZED", "VERIFIED") and row["in_force"]:
                yield f"{name} is {row['state']}, and its agreement is in force"


def equal_agreements(left: Side, right: Side) -> Iterator[str]:
    """What is finalized on both sides is the same agreement, with both seals on both sides."""
    for here, there in ((left, right), (right, left)):
        for row in here.rows("SELECT * FROM negotiation WHERE state = 'FINALIZED'"):
            if not there.rows("SELECT 1 FROM agreement WHERE digest = ?", row["agreement"]):
                yield f"{there.name} does not hold {row['agreement'][:18]} of {here.name}"


def both_seals(left: Side, right: Side) -> Iterator[str]:
    """What is finalized bears the seals of both, on both sides."""
    for side in (left, right):
        for row in side.rows("SELECT pid, agreement FROM negotiation WHERE state = 'FINALIZED'"):
            seals = {
                each["signatory"] for each in side.rows("SELECT * FROM seal WHERE agreement = ?", row["agreement"])
            }
            if missing := {left.did, right.did} - seals:
                yield f"{side.name} has no seal of {', '.join(sorted(missing))} on {row['pid'][-6:]}"


def counted_once(left: Side, right: Side) -> Iterator[str]:
    """What was delivered is counted once on each side, no more than was reserved, no more than was agreed."""
    for provider, consumer in ((left, right), (right, left)):
        reserved = {
            (row["transfer"], row["epoch"])
            for row in provider.rows("SELECT transfer, epoch FROM delivery WHERE role = 'provider'")
        }
        ours = provider.rows("SELECT * FROM usage WHERE role = 'provider' ORDER BY id")
        theirs = consumer.rows("SELECT * FROM usage WHERE role = 'consumer' ORDER BY id")
        for row in ours:
            if (row["transfer"], row["epoch"]) not in reserved:
                yield f"{provider.name} counted {row['transfer'][-6:]}, and reserved nothing"
        counted, sent = {row["id"] for row in ours}, {row["id"] for row in theirs}
        undelivered = {
            row["usage"]
            for row in consumer.rows(
                "SELECT d.id AS usage FROM delivery AS d WHERE role = 'consumer' AND code IN"
                " ('receipt-undelivered', 'receipt-refused')"
            )
        }
        if sent - counted:
            yield f"{consumer.name} counted {len(sent - counted)} deliveries that {provider.name} did not"
        if len(counted - sent) > len(undelivered):
            yield f"{provider.name} counted {len(counted - sent)} deliveries that {consumer.name} did not"
        for one, other in ((row, _by_id(theirs, row["id"])) for row in ours):
            if other is not None and any(
                one[name] != other[name] for name in ("accepted", "bytes", "agreement", "occurred", "receipt")
            ):
                yield f"both sides counted {one['id'][:8]}, and not the same"


def booked_once(side: Side) -> Iterator[str]:
    """What was counted is booked, and no count was used for nothing or twice."""
    booked = {row["id"] for row in side.rows("SELECT id FROM metered")}
    if booked != {row["id"] for row in side.rows("SELECT id FROM usage")}:
        yield f"{side.name} booked other deliveries than it counted"
    for row in side.rows("SELECT agreement, used FROM counter"):
        reserved = "SELECT count(*) AS n FROM delivery WHERE agreement = ? AND counted = 1"
        count = side.rows(reserved, row["agreement"])[0]["n"]
        if row["used"] != count or row["used"] > COUNT_MOST:
            yield f"{side.name} used {row['used']} counts for {count} deliveries"


def _by_id(rows: list[sqlite3.Row], identifier: str) -> sqlite3.Row | None:
    return next((row for row in rows if row["id"] == identifier), None)


def nothing_lost(world: World, sides: dict[str, Side]) -> Iterator[str]:
    """What a sender was told to have arrived has arrived: the receiver's inbox and audit log have it."""
    for sent in world.acknowledged:
        receiver, sender = sides.get(sent.receiver), sides.get(sent.sender)
        if receiver is None or sender is None:
            continue
        if not receiver.rows("SELECT 1 FROM inbox WHERE sender = ? AND message = ?", sender.did, sent.message):
            yield f"{sent.receiver} has lost {sent.type} {sent.message[-6:]}, which it had acknowledged"
        told = f"%message:{digest(sent.body)}%"
        if not receiver.rows("SELECT 1 FROM audit_entry WHERE body LIKE ?", told):
            yield f"{sent.receiver} acknowledged {sent.type} {sent.message[-6:]} and did nothing"


def in_order(side: Side) -> Iterator[str]:
    """Every process went by the table: each audited state follows from the one before, or is an end."""
    rows = side.rows(
        "SELECT e.type, d.body FROM audit_entry AS e JOIN audit_detail AS d ON d.seq = e.seq"
        " WHERE e.type LIKE 'negotiation.%' OR e.type LIKE 'transfer.%' ORDER BY e.seq"
    )
    last: dict[str, str | None] = {}
    for row in rows:
        details = orjson.loads(row["body"])
        pid, state, machine = details["pid"], details["state"], MACHINES[row["type"].partition(".")[0]]
        before = last.get(pid)
        if before in {each.value for each in machine.terminal}:
            yield f"{side.name}: {pid[-6:]} went from {before} to {state}"
        follows = {each.to.value for each in machine.rows if (each.state.value if each.state else None) == before}
        ends = {each.value for each in machine.terminal}
        if state not in follows | ends:
            yield f"{side.name}: {pid[-6:]} went from {before} to {state}"
        last[pid] = state


def logs_verify(sides: list[Side]) -> Iterator[str]:
    """Both audit logs prove themselves."""
    for side in sides:
        for fault in verify_export(_export(side), verify=verify).faults:
            yield f"{side.name}: {fault.sentence('en')}"


def _export(side: Side) -> list[bytes]:
    """The export of a log, drawn by hand: nothing in it waits."""

    class Reading:
        async def read(self, work: "object") -> "object":
            return work(Tx(side.disk, side.tx()._statements))  # type: ignore[operator]

    assert side.last is not None
    lines: list[bytes] = []
    blocks = export(Reading(), participant=side.did, key=side.last.audit.key)  # type: ignore[arg-type]
    while True:
        try:
            blocks.__anext__().send(None)
        except StopIteration as block:
            lines += block.value.splitlines(keepends=True)
        except StopAsyncIteration:
            return lines
