"""What the verification of audit logs finds: faults with their place, the report of one log, divergences between two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from policies.sentences import sentence


class Problem(StrEnum):
    """What can be wrong with an export. The value is the id of its sentence, `audit.<value>`."""

    HEADER_INVALID = "header-invalid"  # not readable, or its parts contradict each other
    KEY_DIFFERS = "key-differs"  # not the key the reader expects of this participant
    LINE_UNREADABLE = "line-unreadable"  # no canonical JSON of a known form; `seq` is the record expected there
    ENTRY_ALTERED = "entry-altered"  # its leaf is proven by a checkpoint, and it does not hash to it
    ENTRY_UNPROVEN = "entry-unproven"  # it does not hash to its leaf, and no checkpoint decides which is right
    ENTRY_INVALID = "entry-invalid"  # proven, but no record of a known form
    ENTRY_MISSING = "entry-missing"  # `seq` is not there; `found` follows instead
    ENTRY_REPEATED = "entry-repeated"  # `seq` was there before, or comes too late
    LEAF_ALTERED = "leaf-altered"  # the record is proven, the leaf beside it is wrong
    DETAILS_ALTERED = "details-altered"  # the details or the salt are not those the record commits to
    CHECKPOINT_INVALID = "checkpoint-invalid"  # no note signed by the log's key
    CHECKPOINT_MISPLACED = "checkpoint-misplaced"  # its size is not the number of records before it
    ROOT_DIFFERS = "root-differs"  # something among the records since the last good checkpoint was altered
    ENTRIES_UNCOVERED = "entries-uncovered"  # no checkpoint covers the records from `seq` on
    SIZE_DIFFERS = "size-differs"  # the header promises another number of records


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and where: a line of the file, and the record (or size of the tree) concerned."""

    problem: Problem
    line: int
    seq: int
    expected: str = ""
    found: str = ""

    def sentence(self, lang: str) -> str:
        facts = {"line": self.line, "seq": self.seq, "expected": self.expected, "found": self.found}
        return sentence(f"audit.{self.problem}", lang, **facts)


@dataclass(frozen=True, slots=True)
class TimeStep:
    """A clock that went back: reported, and no fault, because `seq` orders the log (audit-log.md 6)."""

    seq: int
    before: str
    after: str

    def sentence(self, lang: str) -> str:
        return sentence("audit.time-step", lang, seq=self.seq, before=self.before, after=self.after)


@dataclass(frozen=True, slots=True)
class LogReport:
    """What an export proves. `size` and `root` are those of the last good checkpoint.

    `trusted` says that the caller named the key; otherwise the log is only consistent with the key in its own header.
    `exchanged` is, per peer, what this log says both logs hold: reference -> first `seq`.
    """

    participant: str
    origin: str
    vkey: str
    trusted: bool
    entries: int
    checkpoints: int
    size: int
    root: str
    detailed: int
    erased: int
    faults: tuple[Fault, ...]
    fault_count: int
    time_steps: tuple[TimeStep, ...]
    exchanged: Mapping[str, Mapping[str, int]] = field(repr=False)

    @property
    def ok(self) -> bool:
        return self.fault_count == 0


@dataclass(frozen=True, slots=True)
class Divergence:
    """`participant` recorded `ref` with `peer` as its record `seq`, and the log of `peer` does not have it."""

    participant: str
    peer: str
    ref: str
    seq: int

    def sentence(self, lang: str) -> str:
        facts = {"participant": self.participant, "peer": self.peer, "ref": self.ref, "seq": self.seq}
        return sentence("audit.divergence", lang, **facts)


def compare(reports: Sequence[LogReport]) -> tuple[Divergence, ...]:
    """What one log says that both sides hold and the other log, if given, does not (audit-log.md 5)."""
    logs = {report.participant: report for report in reports}
    return tuple(
        Divergence(report.participant, peer, ref, seq)
        for report in reports
        for peer, refs in sorted(report.exchanged.items())
        if peer in logs
        for ref, seq in refs.items()
        if ref not in logs[peer].exchanged.get(report.participant, {})
    )
