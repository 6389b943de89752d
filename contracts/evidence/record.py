"""The audit record: one canonical JSON line about one thing that happened, and the names by which logs know it.

A record holds strings and integers only. What may have to be forgotten (people, amounts, message contents) stands in
*details* beside it; the record keeps `com`, a salted hash of them: once details and salt are deleted, nothing leads back to
them and every proof still verifies (audit-log.md 3). `seq` is the record's leaf in the log's tree and starts at 0; it orders,
`ts` informs.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints, ValidationError

from contracts.errors import RecordError
from policies.canonical import MAX_SAFE_INTEGER, JsonValue, canonical

RECORD_LIMIT_BYTES = 65_535  # C2SP tlog-tiles: an entry's length is written in two bytes
DETAILS_LIMIT_BYTES = 256 * 1024
SALT_MIN_BYTES = 16

# Both sides of an exchange must hold these: a log that lacks one its peer recorded has left something out.
COMPARED_KINDS = frozenset({"message", "agreement", "manifest", "receipt"})

_TYPE = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)+")
_REF = re.compile(r"[a-z][a-z-]*:sha-256:[0-9a-f]{64}")

Text = Annotated[str, StringConstraints(min_length=1)]


class AuditRecord(BaseModel):
    """A record as it is read back. `refs` are `kind:sha-256:<hex>`; `actor` is a participant or an operator's pseudonym."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    v: Literal[1]
    seq: Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
    ts: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
    type: Text
    actor: Text
    peer: Text | None = None
    agreement: Text | None = None
    policy: Text | None = None
    decision: Text | None = None
    reason: Text | None = None
    refs: Annotated[tuple[str, ...], Strict(False)]
    com: Annotated[str, StringConstraints(pattern=r"^sha-256:[0-9a-f]{64}$")]
    trace: Text | None = None

    def compared(self) -> list[str]:
        """The references that the log of `peer` must hold too."""
        if self.peer is None:
            return []
        return [ref for ref in self.refs if ref.partition(":")[0] in COMPARED_KINDS]


def write_record(
    *,
    seq: int,
    ts: datetime,
    type_: str,
    actor: str,
    com: str,
    refs: Sequence[str] = (),
    peer: str | None = None,
    agreement: str | None = None,
    policy: str | None = None,
    decision: str | None = None,
    reason: str | None = None,
    trace: str | None = None,
) -> bytes:
    """The canonical bytes of a record, which are its leaf; raises RecordError when they break a rule of the log."""
    if _TYPE.fullmatch(type_) is None:
        raise RecordError(f"{type_!r} is no record type such as transfer.started")
    for ref in refs:
        if _REF.fullmatch(ref) is None:
            raise RecordError(f"{ref!r} is no reference kind:sha-256:<hex>")
    members: dict[str, JsonValue] = {
        "v": 1,
        "seq": seq,
        "ts": timestamp(ts),
        "type": type_,
        "actor": actor,
        "refs": list(refs),
        "com": com,
    }
    optional = {
        "peer": peer,
        "agreement": agreement,
        "policy": policy,
        "decision": decision,
        "reason": reason,
        "trace": trace,
    }
    members.update((name, value) for name, value in optional.items() if value)
    record = canonical(members)
    if len(record) > RECORD_LIMIT_BYTES:
        raise RecordError(f"{len(record)} bytes are more than {RECORD_LIMIT_BYTES}: refer to larger things by digest")
    return record


def read_record(members: Mapping[str, Any]) -> AuditRecord:
    """The view of a record's JSON; raises RecordError."""
    try:
        return AuditRecord.model_validate(members)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise RecordError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error


def commitment(salt: bytes, details: bytes) -> str:
    """What a record says of its details, given as canonical JSON: the digest of the salt followed by them."""
    return f"sha-256:{sha256(salt + details).hexdigest()}"


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds, of fixed width, so that texts sort by time."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def origin_of(participant: str) -> str:
    """The name of a participant's log: the host of its did:web and `/audit` (audit-log.md 5).

    `did:web:p-steel.example` has `p-steel.example/audit`; a port and a path of the DID are kept, so that two participants of
    one host do not share a log. An identifier of another kind is kept, with what a log's name must not hold percent-encoded.
    """
    if not participant or "/" in participant:
        raise RecordError(f"{participant!r} is no participant that a log can be named after")
    method, web, place = participant.partition("did:web:")
    if web and not method:
        return f"{_plain(place.replace(':', '/').replace('%3A', ':'), keep='/:%')}/audit"
    return f"{_plain(participant, keep=':')}/audit"


def record_id(origin: str, seq: int) -> str:
    """How documents outside the log cite a record, such as `decision` in a manifest: `p-steel.example/audit/17`."""
    return f"{origin}/{seq}"


def _plain(text: str, *, keep: str) -> str:
    allowed = f"-._~{keep}"
    return "".join(
        character
        if (character.isascii() and character.isalnum()) or character in allowed
        else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in text
    )
