"""Usage records as settlement counts them, their root, and imported ledgers (revenue-share.md 6).

A record is canonical JSON `{"id", "ref", "occurredAt", "unit", "accepted", "rejected"}`, the same on both sides; the usage root is
the RFC 6962 tree hash over the records of an account and a period, sorted by `id` in byte order.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts.errors import LedgerError
from contracts.evidence.merkle import leaf_hash, packed_root
from policies.canonical import MAX_SAFE_INTEGER, canonical, digest

COLUMNS = (
    "meter_id",
    "occurred_at",
    "agreement",
    "provider",
    "consumer",
    "product",
    "unit",
    "accepted",
    "rejected",
)
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{2}:[0-9]{2})")
_COUNT = re.compile(r"0|[1-9][0-9]{0,15}")
_NAME = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class Usage:
    """One record. `occurred_at` is RFC 3339 in whole seconds, kept as it was written: the digest covers its spelling."""

    id: str
    ref: str
    occurred_at: str
    unit: str
    accepted: int
    rejected: int

    def canonical(self) -> bytes:
        """Its canonical bytes, the same on both sides."""
        return canonical(
            {
                "id": self.id,
                "ref": self.ref,
                "occurredAt": self.occurred_at,
                "unit": self.unit,
                "accepted": self.accepted,
                "rejected": self.rejected,
            }
        )

    def leaf(self) -> bytes:
        """Its leaf in the usage tree."""
        return leaf_hash(self.canonical())


@dataclass(frozen=True, slots=True)
class Metered:
    """What an account has come to in a period. `root` is the usage root, written `sha-256:<hex>`."""

    records: int
    accepted: int
    rejected: int
    root: str


def usage_root(leaves: bytes) -> str:
    """The root over leaf hashes, one after the other, sorted by the ids of their records."""
    return f"sha-256:{packed_root(leaves).hex()}"


def metered(records: Sequence[Usage]) -> Metered:
    """The sums and the root of records in any order."""
    in_order = sorted(records, key=lambda record: record.id.encode())
    return Metered(
        len(in_order),
        sum(record.accepted for record in in_order),
        sum(record.rejected for record in in_order),
        usage_root(b"".join(record.leaf() for record in in_order)),
    )


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A line of a ledger. `line` counts from 1, the header included; `parties` are provider and consumer."""

    line: int
    usage: Usage
    moment: datetime
    provider: str
    consumer: str
    product: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger file, read: `digest` is that of its bytes."""

    digest: str
    rows: tuple[LedgerRow, ...]


def read_ledger(data: bytes, *, names: Mapping[str, str]) -> Ledger:
    """Read a ledger; `names` says what its short names of parties and products stand for.

    UTF-8, comma-separated, with exactly the header `COLUMNS`. Raises LedgerError with the line and column of the first fault; an id
    that stands in two lines is one.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LedgerError(data[: error.start].count(b"\n") + 1, "-", "is not UTF-8") from error
    rows = tuple(_rows(text, names))
    seen: dict[str, int] = {}
    for row in rows:
        first = seen.setdefault(row.usage.id, row.line)
        if first != row.line:
            raise LedgerError(row.line, "meter_id", f"{row.usage.id} stands in line {first} already")
    return Ledger(digest(data), rows)


def _rows(text: str, names: Mapping[str, str]) -> Iterator[LedgerRow]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if reader.line_num == 1:
                if tuple(cells) != COLUMNS:
                    raise LedgerError(1, "-", f"the header is not {','.join(COLUMNS)}")
                continue
            yield _row(reader.line_num, cells, names)
    except csv.Error as error:
        raise LedgerError(reader.line_num, "-", str(error)) from error
    if reader.line_num == 0:
        raise LedgerError(1, "-", f"the file is empty; its header would be {','.join(COLUMNS)}")


def _row(line: int, cells: Sequence[str], names: Mapping[str, str]) -> LedgerRow:
    if len(cells) != len(COLUMNS):
        raise LedgerError(line, "-", f"has {len(cells)} cells and not {len(COLUMNS)}")
    cell = dict(zip(COLUMNS, cells, strict=True))
    for column in ("meter_id", "agreement", "unit"):
        if _NAME.fullmatch(cell[column]) is None:
            raise LedgerError(
                line, column, f"{cell[column][:40]!r} is no name of 1 to 200 ASCII characters without blanks"
            )
    usage = Usage(
        id=cell["meter_id"],
        ref=cell["agreement"],
        occurred_at=cell["occurred_at"],
        unit=cell["unit"],
        accepted=_count(line, "accepted", cell["accepted"]),
        rejected=_count(line, "rejected", cell["rejected"]),
    )
    return LedgerRow(
        line=line,
        usage=usage,
        moment=_moment(line, cell["occurred_at"]),
        provider=_party(line, "provider", cell["provider"], names),
        consumer=_party(line, "consumer", cell["consumer"], names),
        product=names.get(cell["product"], cell["product"]),
    )


def _party(line: int, column: str, text: str, names: Mapping[str, str]) -> str:
    found = names.get(text, text)
    if not found.startswith("did:"):
        raise LedgerError(line, column, f"{text[:80]!r} is no participant id, and no name says whom it stands for")
    return found


def _count(line: int, column: str, text: str) -> int:
    if _COUNT.fullmatch(text) is None or int(text) > MAX_SAFE_INTEGER:
        raise LedgerError(line, column, f"{text[:40]!r} is no whole number from 0 to {MAX_SAFE_INTEGER}")
    return int(text)


def _moment(line: int, text: str) -> datetime:
    try:
        if _INSTANT.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass  # the form is right and the date does not exist
    raise LedgerError(line, "occurred_at", f"{text[:40]!r} is no instant such as 2026-10-01T08:00:00+08:00")
