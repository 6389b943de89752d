"""Where a process stands and why: its records and what it still has to send, told as a timeline and as causes.

Pure: rows in, a story out. A cause is the id of a sentence, `show.<cause>`, with its values, and says what happened, who has to
do something, and what. A value that depends on the reader's language is a text by language; times are RFC 3339.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from connector.clock import stamp
from connector.exchange.blame import judge
from connector.exchange.told import LANGUAGES, Around, Cause, Fact, Process, in_words, message_of, own_sentence
from connector.store.audit import KeptRecord
from connector.store.story import Pending, Records
from contracts.negotiation.model import Negotiation

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline: when, who acted, and the sentence `show.event.<what>` with its values."""

    at: str
    by: str
    what: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    seq: int | None = None

    @property
    def sentence(self) -> str:
        """The id of its sentence."""
        return f"show.event.{self.what}"


@dataclass(frozen=True, slots=True)
class Story:
    """A process, what it went through, what waits to be sent, and why it stands where it stands."""

    kind: str
    process: Process | None
    causes: tuple[Cause, ...]
    lines: tuple[Line, ...]
    waiting: tuple[Line, ...]
    omitted: int = 0


def tell(around: Around, kind: str, process: Process, records: Records, pending: Sequence[Pending]) -> Story:
    """The story of a process of ours."""
    return Story(
        kind=kind,
        process=process,
        causes=tuple(judge(around, kind, process, records.records, pending)),
        lines=tuple(line for each in records.records for line in _lines(around, kind, each)),
        waiting=tuple(_waiting(kind, each, around.now) for each in pending),
        omitted=records.omitted,
    )


def tell_refused(around: Around, records: Records) -> Story:
    """The story of a message that opened nothing: all there is of it is that we refused it."""
    lines = tuple(line for each in records.records for line in _lines(around, "negotiation", each))
    last = records.records[-1]
    facts: dict[str, Fact] = {
        "partner": around.name(str(last.record.get("peer") or "")),
        "message": str((last.details or {}).get("type", "-")),
        "why": own_sentence(last),
    }
    return Story("message", None, (Cause("never-opened", facts),), lines, ())


def to_json(around: Around, story: Story) -> Json:
    """The causes and the timeline as the native API says them; the process itself stands beside them."""

    def words(each: Line) -> Json:
        return {
            "at": each.at,
            "by": each.by,
            "by_name": around.names(each.by),
            "ours": each.by in ("", around.participant),
            "what": each.what,
            "facts": dict(each.facts),
            "sentence": {lang: in_words(each.sentence, each.facts, lang) for lang in LANGUAGES},
            "seq": each.seq,
        }

    return {
        "kind": story.kind,
        "causes": [
            {
                "code": cause.code,
                "facts": dict(cause.facts),
                "sentence": {lang: in_words(cause.sentence, cause.facts, lang) for lang in LANGUAGES},
            }
            for cause in story.causes
        ],
        "timeline": [words(line) for line in story.lines],
        "omitted": story.omitted,
        "waiting": [words(line) for line in story.waiting],
    }


# Records of the daemon's own bookkeeping, each beside one that says the same to a person.
_UNTOLD = frozenset({"admin.negotiation-opened", "admin.transfer-asked", "manifest.received", "delivery.reserved"})
_TOLD = frozenset(
    {
        *(f"negotiation.{each}" for each in ("requested", "offered", "accepted", "agreed", "verified", "finalized")),
        *(f"transfer.{each}" for each in ("requested", "started", "suspended", "completed")),
        *("delivery.asked", "delivery.released", "delivery.received", "delivery.cut", "receipt.received"),
        *("admin.countered", "admin.transfer-resumed"),
    }
)
_REASONED = frozenset(
    {
        *("negotiation.terminated", "transfer.terminated", "delivery.failed", "admin.offer-accepted"),
        *("admin.request-agreed", "admin.negotiation-terminated", "admin.transfer-suspended"),
        "admin.transfer-terminated",
    }
)


def _lines(around: Around, kind: str, kept: KeptRecord) -> Iterator[Line]:
    """A record as lines: none for one that tells a person nothing new, one more for what arrived only at a later attempt."""
    record, details = kept.record, kept.details or {}
    type_ = str(record["type"])
    if type_ in _UNTOLD:
        return
    # What we gave up nobody has ended for us.
    by = around.participant if record.get("reason") == "unreachable" else str(record.get("actor") or around.participant)
    at, seq = str(record["ts"]), kept.seq
    if isinstance(details.get("failed"), int):
        failed: dict[str, Fact] = {"attempts": details["failed"], "problem": str(details.get("problem") or "-")}
        yield Line(at, by, "in-vain", failed, seq)
    facts: dict[str, Fact] = {}
    what = type_
    if type_ in _REASONED:
        # What a partner wrote, or a person of ours, is quoted; a code alone stands for itself.
        facts["reason"] = str(details.get("text") or record.get("reason") or "-")
        facts["code"] = str(record.get("reason") or "-")
    elif type_ == "message.refused":
        facts = {"message": str(details.get("type", "-")), "why": own_sentence(kept)}
    elif type_ == "message.refused-by-counterparty":
        facts = {
            "message": message_of(kind, str(details.get("trigger", ""))),
            "status": str(details.get("status") or "-"),
            "code": str(record.get("reason") or "-"),
            "reason": str(details.get("text") or "-"),
        }
    elif type_ == "policy.decision":
        what = f"policy.decision.{'deny' if record.get('reason') else 'allow'}"
        facts["code"] = str(record.get("reason") or "-")
    elif type_ not in _TOLD:
        what, facts = "other", {"type": type_}
    yield Line(at, by, what, facts, seq)


def _waiting(kind: str, pending: Pending, now: datetime) -> Line:
    facts: dict[str, Fact] = {
        "message": message_of(kind, pending.trigger),
        "since": stamp(pending.since),
        "attempts": pending.attempts,
        "problem": pending.problem or "-",
        "next": stamp(max(pending.next, now)),
    }
    return Line(stamp(pending.since), "", "tried" if pending.attempts else "queued", facts)


def kind_of(process: Process) -> str:
    """`negotiation` or `transfer`."""
    return "negotiation" if isinstance(process, Negotiation) else "transfer"
