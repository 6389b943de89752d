"""The space authority's desk: a key, a draft of the member list, and signed lists for everybody.

    space.pem       the authority's Ed25519 key, mode 0600; everything in the space hangs on it
    space.json      the draft: name of the space, number of the last signed list, entries
    members.json    the last signed list, for a web server or a shared folder

Every function reads the draft, changes it and writes it whole: the folder is the state.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from connector.clock import stamp
from connector.errors import SettingsError, VerificationError
from connector.identity.jwk import space_key_text
from connector.identity.keys import kid, load_ed25519, write_ed25519
from connector.identity.members import (
    LIST_DEPTH,
    LIST_LIMIT_BYTES,
    TYP,
    Member,
    MemberKey,
    build_member_list,
    invalid,
    read_member,
)
from contracts.signing import sign_document
from policies.canonical import JsonValue, parse_json
from policies.errors import JsonError

KEY, DRAFT, SIGNED = "space.pem", "space.json", "members.json"

_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    space: str
    seq: int
    members: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Draft:
    """What the next list will say; `seq` is the number of the last signed one, 0 before the first."""

    space: str
    seq: int
    members: tuple[Mapping[str, Any], ...]

    def without(self, participant: str) -> "Draft":
        return replace(self, members=tuple(e for e in self.members if e["participantId"] != participant))

    def entry(self, participant: str) -> Mapping[str, Any] | None:
        return next((entry for entry in self.members if entry["participantId"] == participant), None)

    def document(self, issued: datetime, expires: datetime) -> dict[str, Any]:
        """The list these entries make, numbered one higher."""
        return {
            "typ": TYP,
            "space": self.space,
            "seq": self.seq + 1,
            "issued": stamp(issued),
            "expires": stamp(expires),
            "members": list(self.members),
        }


def create_space(directory: Path, space: str) -> str:
    """Begin a space: a key and an empty draft; returns the public key for `space_key`. Raises SettingsError file-exists."""
    for name in (KEY, DRAFT):
        if (directory / name).exists():
            raise SettingsError("file-exists", path=str(directory / name))
    directory.mkdir(parents=True, exist_ok=True)
    key = SigningKey.generate()
    write_ed25519(directory / KEY, key)
    _write_draft(directory, Draft(space, 0, ()))
    return space_key_text(bytes(key.verify_key))


def space_key(directory: Path) -> str:
    """The public key of a space as every member's `space_key`; raises SettingsError key-missing, key-readable."""
    return space_key_text(bytes(load_ed25519(directory / KEY).verify_key))


def read_draft(directory: Path) -> Draft:
    """The draft; raises SettingsError space-missing and VerificationError member-list-invalid."""
    path = directory / DRAFT
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError("space-missing", path=str(path), problem=error.strerror or str(error)) from error
    try:
        stored = _Stored.model_validate(_read_object(data))
    except ValidationError as error:
        raise invalid(error) from error
    for entry in stored.members:
        read_member(entry)
    return Draft(stored.space, stored.seq, tuple(stored.members))


def add_member(directory: Path, document: bytes, now: datetime) -> Member:
    """Put an entry (`member.json` of `weft init`) into the draft, or renew the one of this participant.

    Keys that the renewed entry no longer has stay listed until now, so that what they signed can still be verified.
    Raises VerificationError member-list-invalid with the field that is wrong.
    """
    draft = read_draft(directory)
    entry: dict[str, Any] = dict(_read_object(document))
    member = read_member(entry)
    earlier = draft.entry(member.participant_id)
    if earlier is not None:
        retired = _retired(read_member(earlier), member, now)
        entry["keys"] = [*entry["keys"], *(key.model_dump(mode="json", by_alias=True) for key in retired)]
    changed = draft.without(member.participant_id)
    changed = replace(changed, members=(*changed.members, entry))
    # The whole list must hold together: identifiers and keys are unique in it.
    build_member_list(changed.document(now, now + timedelta(seconds=1)))
    _write_draft(directory, changed)
    return read_member(entry)


def remove_member(directory: Path, participant: str) -> None:
    """Take a participant out of the draft; raises SettingsError member-unlisted. Takes effect with the next signed list."""
    draft = read_draft(directory)
    if draft.entry(participant) is None:
        raise SettingsError("member-unlisted", participant=participant, path=str(directory / DRAFT))
    _write_draft(directory, draft.without(participant))


def sign(directory: Path, valid_for: str, now: datetime) -> Path:
    """Sign the draft as the next list, valid for an ISO 8601 duration (`P30D`); returns the path of `members.json`.

    The number in the draft is raised first: a crash in between skips a number and never gives one to two lists.
    """
    draft = read_draft(directory)
    key = load_ed25519(directory / KEY)
    document = draft.document(now, now + _duration(valid_for))
    build_member_list(document)
    signed = sign_document(
        document, kid=kid(draft.space, "space", bytes(key.verify_key)), sign=lambda data: key.sign(data).signature
    )
    _write_draft(directory, replace(draft, seq=draft.seq + 1))
    path = directory / SIGNED
    _replace(path, signed)
    return path


def _duration(text: str) -> timedelta:
    try:
        duration = _DURATION.validate_python(text) if text.startswith("P") else timedelta()
    except ValidationError:
        duration = timedelta()
    if duration <= timedelta():
        raise SettingsError("duration-invalid", text=text)
    return duration


def _retired(earlier: Member, member: Member, now: datetime) -> Iterator[MemberKey]:
    """The keys that a renewed entry no longer has but that have been in force: they end now at the latest."""
    kids = {key.kid for key in member.keys}
    for key in earlier.keys:
        if key.kid not in kids and key.valid_from < now:
            yield key if key.until is not None and key.until <= now else key.model_copy(update={"until": now})


def _read_object(data: bytes) -> Mapping[str, JsonValue]:
    if len(data) > LIST_LIMIT_BYTES:
        raise VerificationError("member-list-invalid", field="-", problem=f"longer than {LIST_LIMIT_BYTES} bytes")
    try:
        value = parse_json(data, max_depth=LIST_DEPTH)
    except JsonError as error:
        raise VerificationError("member-list-invalid", field=error.where, problem=error.problem) from error
    if not isinstance(value, dict):
        raise VerificationError("member-list-invalid", field="-", problem="is no object")
    return value


def _write_draft(directory: Path, draft: Draft) -> None:
    _replace(directory / DRAFT, {"space": draft.space, "seq": draft.seq, "members": list(draft.members)})


def _replace(path: Path, value: Mapping[str, Any]) -> None:
    """Write whole or not at all: connectors watch this file."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
