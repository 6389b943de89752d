"""The export of one audit log as a file, and its verifier: no database, no network, no trust in the log's operator.

One canonical JSON object per line, in this order:

    {"origin", "participant", "size", "typ": "audit-export/1", "vkey"}     the header
    {"details"?, "entry", "leaf", "salt"?}                                 one per record, ascending; details may be erased
    {"checkpoint": "<signed note>"}                                        after the record that makes up its size

Every record is hashed again, and every checkpoint must sign the root of all records before it. That shows *that* something
was altered; `leaf` shows *what*. A list of leaves is no proof by itself, so it is believed only once its own root is the
one a checkpoint signs: then the record that does not hash to its leaf is the altered one.

What a single log cannot show is what it never held, and an end that was cut off together with its checkpoints. Both show in
the logs of the peers: `findings.compare`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from contracts.errors import CheckpointError, RecordError
from contracts.evidence.checkpoint import Checkpoint, LogKey, VerifyEd25519, open_checkpoint, parse_key
from contracts.evidence.findings import Fault, LogReport, Problem, TimeStep
from contracts.evidence.merkle import HASH_BYTES, Frontier, leaf_hash
from contracts.evidence.record import DETAILS_LIMIT_BYTES, RECORD_LIMIT_BYTES, commitment, origin_of, read_record

TYP = "audit-export/1"
LINE_LIMIT_BYTES = RECORD_LIMIT_BYTES + DETAILS_LIMIT_BYTES + 1024
# A file that is wrong throughout is told by its first faults; the rest is only counted.
FAULTS_LIMIT = 100


# -- writing -----------------------------------------------------------------------------------------------------------


def header_line(participant: str, key: LogKey, size: int) -> bytes:
    members = {"typ": TYP, "participant": participant, "origin": key.name, "vkey": key.text(), "size": size}
    return orjson.dumps(members, option=orjson.OPT_SORT_KEYS) + b"\n"


def entry_line(record: str, leaf: str, salt: str | None, details: str | None) -> bytes:
    """A record's line from its parts as stored: canonical JSON texts and hex digits, put together without parsing."""
    if salt is None or details is None:
        return f'{{"entry":{record},"leaf":"{leaf}"}}\n'.encode()
    return f'{{"details":{details},"entry":{record},"leaf":"{leaf}","salt":"{salt}"}}\n'.encode()


def checkpoint_line(note: str) -> bytes:
    return orjson.dumps({"checkpoint": note}) + b"\n"


# -- verifying ---------------------------------------------------------------------------------------------------------


def verify_export(lines: Iterable[bytes], *, verify: VerifyEd25519, key: bytes | None = None) -> LogReport:
    """Check a whole export, line by line, in memory that does not grow with the records; `key` is the log's, if known."""
    reading = _Reading(verify, key)
    for line in lines:
        reading.take(line)
        if reading.key is None:  # without a usable header nothing after it means anything
            break
    return reading.report()


class _Reading:
    """How far a verification has come. The steps for each line are numbered where they are taken."""

    def __init__(self, verify: VerifyEd25519, expected_key: bytes | None) -> None:
        self.key: LogKey | None = None
        self._verify = verify
        self._expected_key = expected_key
        self._participant = ""
        self._promised = 0
        self._line = 0
        self._next = 0  # the seq the next record must have
        self._tree = Frontier()  # over the records as hashed here
        # Over the leaves as stated: kept only while some record differs from its leaf and all stated leaves are hashes.
        self._leaves: Frontier | None = None
        self._differing: list[tuple[int, int]] = []  # (line, seq) of those records, until a checkpoint decides
        self._lost = False  # what came before is unknown, so no root can be compared any more
        self._unreadable = False  # the line before may have been the record we expect
        self._proven = Checkpoint("", 0, b"")
        self._checkpoints = self._detailed = self._erased = self._fault_count = 0
        self._faults: list[Fault] = []
        self._steps: list[TimeStep] = []
        self._latest = ""
        self._exchanged: dict[str, dict[str, int]] = {}

    def take(self, line: bytes) -> None:
        self._line += 1
        text = line.removesuffix(b"\n")
        members = _members(text)
        if self._line == 1:
            self._header(members or {})
        elif members is not None and set(members) == {"checkpoint"}:
            self._checkpoint(members["checkpoint"])
        elif members is not None and _is_entry(members):
            self._entry(members)
        else:
            self._unreadable = self._unreadable or not text.startswith(b'{"checkpoint"')
            self._fault(Problem.LINE_UNREADABLE, self._next)

    def report(self) -> LogReport:
        if self._line == 0:
            self._fault(Problem.HEADER_INVALID, 0, found="there is none")
        if self.key is not None:
            for line, seq in self._differing:
                self._fault(Problem.ENTRY_UNPROVEN, seq, line=line)
            if self._next > self._proven.size and not self._lost:
                self._fault(Problem.ENTRIES_UNCOVERED, self._proven.size)
            if self._next != self._promised:
                self._fault(Problem.SIZE_DIFFERS, self._next, expected=str(self._promised), found=str(self._next))
        return LogReport(
            participant=self._participant,
            origin=self.key.name if self.key else "",
            vkey=self.key.text() if self.key else "",
            trusted=self._expected_key is not None and self.key is not None and self.key.public == self._expected_key,
            entries=self._next,
            checkpoints=self._checkpoints,
            size=self._proven.size,
            root=f"sha-256:{self._proven.root.hex()}" if self._proven.size else "",
            detailed=self._detailed,
            erased=self._erased,
            faults=tuple(self._faults),
            fault_count=self._fault_count,
            time_steps=tuple(self._steps),
            exchanged=self._exchanged,
        )

    def _header(self, members: dict[str, Any]) -> None:
        if set(members) != {"origin", "participant", "size", "typ", "vkey"} or members["typ"] != TYP:
            return self._fault(Problem.HEADER_INVALID, 0, found=f"it is no {TYP}")
        self._participant, self._promised = str(members["participant"]), members["size"]
        try:
            key, origin = parse_key(str(members["vkey"])), origin_of(self._participant)
        except (CheckpointError, RecordError) as error:
            return self._fault(Problem.HEADER_INVALID, 0, found=error.problem)
        # The header is not signed: what it says must follow from the key, the participant and the records.
        if not origin == members["origin"] == key.name or type(self._promised) is not int:
            return self._fault(
                Problem.HEADER_INVALID, 0, found="participant, origin, key and size contradict each other"
            )
        if self._expected_key is not None and key.public != self._expected_key:
            expected = LogKey(key.name, self._expected_key)
            return self._fault(Problem.KEY_DIFFERS, 0, expected=expected.text(), found=key.text())
        self.key = key
        return None

    def _entry(self, members: dict[str, Any]) -> None:
        leaf = leaf_hash(orjson.dumps(members["entry"], option=orjson.OPT_SORT_KEYS))
        # 1. It hashes to its leaf. If not, one of the two is altered, and what the record says counts for nothing.
        if leaf.hex() != members["leaf"]:
            self._differ(leaf, _unhex(members["leaf"], length=HASH_BYTES))
            return
        try:
            record = read_record(members["entry"])
        except RecordError as error:
            self._fault(Problem.ENTRY_INVALID, self._next, found=error.problem)
            self._grow(leaf, leaf)
            return
        # 2. It stands in its place, and joins the tree.
        if record.seq < self._next:
            self._fault(Problem.ENTRY_REPEATED, record.seq)
            return
        if record.seq > self._next:
            self._skip(record.seq)
        self._grow(leaf, leaf)
        # 3. Details, where they still are, are those it commits to.
        if "details" in members:
            self._detailed += 1
            details = orjson.dumps(members["details"], option=orjson.OPT_SORT_KEYS)
            salt = _unhex(members["salt"])
            if salt is None or commitment(salt, details) != record.com:
                self._fault(Problem.DETAILS_ALTERED, record.seq)
        else:
            self._erased += 1
        # 4. Time, and what the log of the peer must hold too.
        if record.ts < self._latest and len(self._steps) < FAULTS_LIMIT:
            self._steps.append(TimeStep(record.seq, self._latest, record.ts))
        self._latest = max(self._latest, record.ts)
        for ref in record.compared():
            self._exchanged.setdefault(str(record.peer), {}).setdefault(ref, record.seq)

    def _differ(self, leaf: bytes, stated: bytes | None) -> None:
        """A record that does not hash to its leaf: keep both trees until a checkpoint tells which of them is right."""
        if not self._differing:
            self._leaves = self._tree
        if len(self._differing) < FAULTS_LIMIT:
            self._differing.append((self._line, self._next))
        self._grow(leaf, stated)

    def _grow(self, leaf: bytes, stated: bytes | None) -> None:
        self._tree = self._tree.append(leaf)
        if self._leaves is not None:
            self._leaves = None if stated is None else self._leaves.append(stated)
        self._next, self._unreadable = self._next + 1, False

    def _skip(self, seq: int) -> None:
        """Go on after a gap; from here on no root can be compared."""
        # An unreadable line in the place of exactly one record was that record: it is reported already.
        if not (self._unreadable and seq == self._next + 1):
            self._fault(Problem.ENTRY_MISSING, self._next, found=str(seq))
        self._next, self._lost = seq, True

    def _checkpoint(self, note: object) -> None:
        if self.key is None:
            return
        self._checkpoints += 1
        try:
            checkpoint = open_checkpoint(str(note), key=self.key, verify=self._verify)
        except CheckpointError as error:
            self._fault(Problem.CHECKPOINT_INVALID, self._next, found=error.problem)
            return
        if checkpoint.size != self._next or (checkpoint.size == self._proven.size and self._checkpoints > 1):
            self._fault(Problem.CHECKPOINT_MISPLACED, self._next, expected=str(self._next), found=str(checkpoint.size))
            return
        if self._lost:
            return
        if checkpoint.root == self._tree.root():
            verdict = Problem.LEAF_ALTERED
        elif self._leaves is not None and checkpoint.root == self._leaves.root():
            verdict, self._tree = Problem.ENTRY_ALTERED, self._leaves
        else:
            verdict, self._lost = Problem.ENTRY_UNPROVEN, True
            since = self._proven.size
            self._fault(Problem.ROOT_DIFFERS, checkpoint.size, expected=f"records {since} to {checkpoint.size - 1}")
        for line, seq in self._differing:
            self._fault(verdict, seq, line=line)
        self._differing, self._leaves = [], None
        if not self._lost:
            self._proven = checkpoint

    def _fault(
        self, problem: Problem, seq: int, *, line: int | None = None, expected: str = "", found: str = ""
    ) -> None:
        self._fault_count += 1
        if len(self._faults) < FAULTS_LIMIT:
            self._faults.append(Fault(problem, self._line if line is None else line, seq, expected, found))


def _members(text: bytes) -> dict[str, Any] | None:
    """The object of a line, if the line is exactly its canonical form: no second text may stand for the same object."""
    if len(text) > LINE_LIMIT_BYTES:
        return None
    try:
        value = orjson.loads(text)
        same = orjson.dumps(value, option=orjson.OPT_SORT_KEYS) == text
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    return value if same and isinstance(value, dict) else None


def _is_entry(members: Mapping[str, Any]) -> bool:
    return set(members) in ({"entry", "leaf"}, {"details", "entry", "leaf", "salt"}) and (
        isinstance(members["entry"], dict) and isinstance(members["leaf"], str)
    )


def _unhex(text: object, *, length: int | None = None) -> bytes | None:
    try:
        data = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        return None
    return data if data and data.hex() == text and length in (None, len(data)) else None
