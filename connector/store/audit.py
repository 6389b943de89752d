"""The audit log: data written in the transaction that caused it, and signed before that transaction commits.

`append` writes a record; `seal`, run once per group of transactions, extends the tree over the group's records and signs one
checkpoint. Both trust the tables only. A savepoint that rolled back took its records along, a commit that failed took all
of the group: what is kept in memory is the tree of the last checkpoint seen, and it counts only while the database's last
checkpoint is the very same note. A checkpoint whose commit failed never leaves this module, so the log contradicts itself
nowhere that anybody could see.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import orjson

from connector.store.audit_tree import TILE_HEIGHT, frontier
from connector.store.database import Database, Row, Tx
from contracts.errors import RecordError
from contracts.evidence.checkpoint import Checkpoint, LogKey, sign_checkpoint
from contracts.evidence.merkle import Frontier, leaf_hash
from contracts.evidence.pack import checkpoint_line, entry_line, header_line
from contracts.evidence.record import DETAILS_LIMIT_BYTES, commitment, timestamp, write_record
from policies.canonical import MAX_SAFE_INTEGER, JsonValue, canonical

TOPIC = "audit"
# A page of leaves, records or lines: what one statement may hold in memory at once.
PAGE = 500
FOREVER = "9999-12-31T23:59:59.999999Z"
# Details that name a process, first come first served: records of deliveries have `transfer`, a refused opening `peerPid` alone.
_PROCESS = ("pid", "transfer", "peerPid")


def topics(types: Sequence[str]) -> tuple[str, ...]:
    """What wakes for records of these types or families (`transfer`), and for no others; for all records when none are named."""
    return tuple(f"{TOPIC}:{type_}" for type_ in types) or (TOPIC,)


class AuditLog:
    """The log of one participant: who it is, what it signs with. `salt` returns 16 or more random bytes."""

    def __init__(
        self,
        *,
        participant: str,
        origin: str,
        public_key: bytes,
        sign: Callable[[bytes], bytes],
        clock: Callable[[], datetime],
        salt: Callable[[], bytes],
    ) -> None:
        self.participant = participant
        self.key = LogKey(origin, public_key)
        self._sign = sign
        self._clock = clock
        self._salt = salt
        self._sealed: tuple[str | None, Frontier] = (None, Frontier())

    def append(
        self,
        tx: Tx,
        type_: str,
        *,
        actor: str | None = None,
        peer: str | None = None,
        agreement: str | None = None,
        policy: str | None = None,
        decision: str | None = None,
        reason: str | None = None,
        refs: Sequence[str] = (),
        details: Mapping[str, JsonValue] | None = None,
        trace: str | None = None,
    ) -> int:
        """Write one record in this transaction and return its `seq`; raises RecordError for what no record may hold.

        `actor` is this participant unless said otherwise; what might have to be forgotten goes into `details`.
        """
        body = canonical(details or {})
        if len(body) > DETAILS_LIMIT_BYTES:
            raise RecordError(f"details of {len(body)} bytes are more than {DETAILS_LIMIT_BYTES}")
        # From the table, not from memory: a savepoint before this one may have been rolled back.
        seq, now, salt = _count(tx.one("audit.next_seq"), "seq"), self._clock(), self._salt()
        record = write_record(
            seq=seq,
            ts=now,
            type_=type_,
            actor=actor or self.participant,
            com=commitment(salt, body),
            refs=refs,
            peer=peer,
            agreement=agreement,
            policy=policy,
            decision=decision,
            reason=reason,
            trace=trace,
        )
        tx.run(
            "audit.append",
            seq=seq,
            ts=timestamp(now),
            type=type_,
            peer=peer or "",
            agreement=agreement or "",
            policy=policy or "",
            decision=decision or "",
            body=record.decode(),
            leaf=leaf_hash(record).hex(),
        )
        tx.run("audit.append_detail", seq=seq, salt=salt.hex(), body=body.decode())
        process = process_of(details or {})
        if process:
            tx.run("audit.append_process", seq=seq, process=process)
        for topic in (TOPIC, *topics((type_.partition(".")[0], type_))):
            tx.wake(topic)
        return seq

    def seal(self, tx: Tx) -> None:
        """Sign the tree over everything appended since the last checkpoint; the database runs this before each commit."""
        last = tx.one("audit.sealed")
        size, entries = _count(last, "size"), _count(last, "entries")
        if last is None or entries == size:
            return
        note, tree = self._sealed
        if note != last["note"]:
            tree = frontier(tx, size)
        nodes: list[dict[str, Any]] = []

        def finished(height: int, index: int, hashed: bytes) -> None:
            if height % TILE_HEIGHT == 0:
                nodes.append({"level": height // TILE_HEIGHT, "idx": index, "hash": hashed.hex()})

        for start in range(size, entries, PAGE):
            leaves = tx.all("audit.leaves", start=start, end=min(start + PAGE, entries))
            tree = tree.extend((bytes.fromhex(row["hash"]) for row in leaves), finished)
        if nodes:
            tx.many("audit.add_node", nodes)
        checkpoint = Checkpoint(self.key.name, entries, tree.root())
        signed = sign_checkpoint(checkpoint, public_key=self.key.public, sign=self._sign)
        tx.run("audit.add_checkpoint", size=entries, note=signed)
        self._sealed = (signed, tree)


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A record as it was hashed, with its details unless they were erased."""

    seq: int
    record: dict[str, Any]
    details: dict[str, Any] | None


def show(tx: Tx, seq: int) -> KeptRecord | None:
    row = tx.one("audit.show", seq=seq)
    return None if row is None else kept(row)


def after(tx: Tx, seq: int, limit: int) -> list[KeptRecord]:
    """The records that follow `seq` (-1 for the first), in order: what a stream of events sends next."""
    return [kept(row) for row in tx.all("audit.after", after=seq, limit=limit)]


def search(
    tx: Tx,
    *,
    type_: str = "",
    agreement: str = "",
    peer: str = "",
    policy: str = "",
    decision: str = "",
    text: str = "",
    since: str = "",
    until: str = FOREVER,
    after: int = -1,
    before: int = MAX_SAFE_INTEGER,
    limit: int = 100,
) -> list[KeptRecord]:
    """Records that meet every condition given, newest first; `before` the last one's `seq` is the next page.

    `type_` is a type or its family (`transfer`); `since` and `until` are times as records write them; `text` is sought in
    records and details without regard to the case of ASCII letters.
    """
    walk = "audit.search_agreement" if agreement else "audit.search_peer" if peer else "audit.search"
    # Bodies hold JSON: what is sought must be escaped as they are, without the quotes around it.
    sought = canonical(text).decode()[1:-1].lower()
    for wildcard in "!%_":
        sought = sought.replace(wildcard, f"!{wildcard}")
    rows = tx.all(
        walk,
        type=type_,
        agreement=agreement,
        peer=peer,
        policy=policy,
        decision=decision,
        text=f"%{sought}%" if sought else "",
        since=since,
        until=until,
        after=after,
        before=before,
        limit=limit,
    )
    return [kept(row) for row in rows]


def process_of(details: Mapping[str, JsonValue]) -> str:
    """The process that a record is about, by its details: our pid, else the sender's own; `""` for none."""
    return next((name for key in _PROCESS if isinstance(name := details.get(key), str) and name), "")


def erase(tx: Tx, seq: int) -> bool:
    """Forget a record's details and their salt; the record and every proof stay. False when there were none any more."""
    tx.run("audit.erase_process", seq=seq)
    return tx.run("audit.erase", seq=seq) == 1


def latest(tx: Tx) -> tuple[int, str | None]:
    """Size and note of the last checkpoint; 0 and nothing before the first."""
    row = tx.one("audit.sealed")
    return _count(row, "size"), None if row is None else row["note"]


async def export(database: Database, *, participant: str, key: LogKey) -> AsyncIterator[bytes]:
    """The log as an export file (`contracts.evidence.pack`), in blocks of whole lines, up to the checkpoint that is now last.

    Each block is a snapshot of its own: memory stays constant, and no reader holds back the writer's log file for long.
    Records never change, so the blocks fit together; details erased meanwhile are absent.
    """
    size, _ = await database.read(latest)
    yield header_line(participant, key, size)
    for start in range(0, size, PAGE):
        yield await database.read(partial(_block, start=start, end=min(start + PAGE, size)))


def _block(tx: Tx, start: int, end: int) -> bytes:
    notes = {row["size"]: row["note"] for row in tx.all("audit.export_checkpoints", start=start, end=end)}
    lines: list[bytes] = []
    for row in tx.all("audit.export_entries", start=start, end=end):
        lines.append(entry_line(row["body"], row["leaf"], row["salt"], row["details"]))
        note = notes.get(row["seq"] + 1)
        if note is not None:
            lines.append(checkpoint_line(note))
    return b"".join(lines)


def kept(row: Row) -> KeptRecord:
    """A record as a row of `seq`, `body` and `details` has it."""
    details = row["details"]
    return KeptRecord(row["seq"], orjson.loads(row["body"]), None if details is None else orjson.loads(details))


def _count(row: Row | None, column: str) -> int:
    return 0 if row is None else int(row[column])
