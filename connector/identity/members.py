"""The signed member list: who takes part in the space, at which address, with which keys, in which region.

A JSON document signed by the space authority's Ed25519 key (architecture.md, 5). Everything in it is checked before anything
of it is used; what is refused is refused as a whole, with the field that is wrong.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from connector.clock import moment, stamp
from connector.errors import AuthenticationError, VerificationError
from connector.identity.address import Origin, read_base
from connector.identity.jwk import PublicKey, point, read_jwk, read_space_key
from connector.identity.keys import ALGORITHMS, Use, verify_ed25519
from contracts.errors import SignatureError
from contracts.signing import verify_document
from policies.canonical import JsonValue, digest_of, parse_json
from policies.errors import CanonicalError, JsonError

TYP = "members/1"
# 10,000 members with eight keys each stay below this.
LIST_LIMIT_BYTES = 32 * 1024 * 1024
LIST_DEPTH = 16

Role: TypeAlias = Literal["provider", "consumer", "service-provider", "operator"]
Language: TypeAlias = Literal["zh", "en"]

_PARTICIPANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:%-]{0,254}")


def _participant(value: str) -> str:
    if not _PARTICIPANT.fullmatch(value):
        raise ValueError("is no participant identifier: a DID, without '#' and blanks")
    return value


Instant = Annotated[datetime, BeforeValidator(lambda value: moment(str(value))), PlainSerializer(stamp)]
ParticipantId = Annotated[str, AfterValidator(_participant)]
BaseAddress = Annotated[str, AfterValidator(lambda value: read_base(value).text)]


class _Part(BaseModel):
    # Unknown members are of a newer version of this document: the signature covers them, we do not use them.
    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        strict=True,
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )


class MemberKey(_Part):
    """A public key of a member, its role, and the time in which it may sign."""

    kid: str = Field(min_length=3, max_length=512)
    use: Use
    alg: Literal["ES256", "EdDSA"]
    jwk: dict[str, Any]
    valid_from: Instant = Field(alias="from")
    until: Instant | None = None

    _public: PublicKey = PrivateAttr()

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.alg != ALGORITHMS[self.use]:
            raise ValueError(f"a {self.use} key is of {ALGORITHMS[self.use]}")
        if self.until is not None and self.until <= self.valid_from:
            raise ValueError("until is not after from")
        self._public = read_jwk(self.jwk, self.alg)
        return self

    @property
    def public(self) -> PublicKey:
        """A P-256 key object for `token`, else the 32 bytes of an Ed25519 key."""
        return self._public


class Member(_Part):
    """One entry: a participant of the space."""

    participant_id: ParticipantId
    connector_id: str = Field(min_length=1, max_length=255)
    name: dict[Language, Annotated[str, Field(min_length=1, max_length=200)]] = Field(min_length=1)
    dsp: BaseAddress
    roles: list[Role] = Field(min_length=1)
    region: str = Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")
    keys: list[MemberKey] = Field(min_length=1, max_length=64)

    _origin: Origin = PrivateAttr()

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        for key in self.keys:
            if not key.kid.startswith(f"{self.participant_id}#"):
                raise ValueError(f"the key {key.kid} does not begin with the participant's identifier and '#'")
        if not any(key.use == "token" for key in self.keys):
            raise ValueError("has no token key and could never speak")
        if len(set(self.roles)) != len(self.roles):
            raise ValueError("names a role twice")
        self._origin = read_base(self.dsp).origin
        return self

    @property
    def origin(self) -> Origin:
        """Scheme, host and port of its protocol side: the only place where it is called."""
        return self._origin

    def label(self, language: str) -> str:
        """The name in this language, in the other one, or the identifier."""
        return next((text for key, text in self.name.items() if key == language), next(iter(self.name.values())))


class _Document(_Part):
    typ: Literal["members/1"]
    space: str = Field(min_length=1, max_length=255)
    seq: int = Field(ge=1, le=2**53 - 1)
    issued: Instant
    expires: Instant
    members: list[Member]


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key of the list with the participant it belongs to."""

    participant: str
    key: MemberKey


@dataclass(frozen=True, slots=True)
class MemberList:
    """A verified list. `document` is what was signed; key objects are made once and serve every token."""

    document: Mapping[str, JsonValue]
    digest: str
    space: str
    seq: int
    issued: datetime
    expires: datetime
    members: Mapping[str, Member]
    keys: Mapping[str, ListedKey]

    def in_force(self, at: datetime) -> bool:
        """Whether the list has not expired."""
        return at < self.expires

    def member(self, participant: str) -> Member:
        """The entry of a participant; raises AuthenticationError not-a-member."""
        try:
            return self.members[participant]
        except KeyError:
            raise AuthenticationError("not-a-member", participant=clip(participant)) from None

    def key(self, kid: str, use: Use, at: datetime) -> PublicKey:
        """The public key of this identifier and role that may sign at this time.

        Raises AuthenticationError: key-unknown, key-other-use, key-not-yet, key-retired.
        """
        listed = self.keys.get(kid)
        if listed is None:
            raise AuthenticationError("key-unknown", kid=clip(kid))
        key = listed.key
        if key.use != use:
            raise AuthenticationError("key-other-use", kid=kid, use=key.use, needed=use)
        if at < key.valid_from:
            raise AuthenticationError("key-not-yet", kid=kid, since=stamp(key.valid_from))
        if key.until is not None and at >= key.until:
            raise AuthenticationError("key-retired", kid=kid, until=stamp(key.until))
        return key.public

    def verifier(self, participant: str, use: Use, at: datetime) -> Callable[[str, bytes, bytes], bool]:
        """`verify(kid, message, signature)` for signed documents of one member, signed at that time."""

        def verify(kid: str, message: bytes, signature: bytes) -> bool:
            listed = self.keys.get(kid)
            if listed is None or listed.participant != participant:
                return False
            try:
                public = self.key(kid, use, at)
            except AuthenticationError:
                return False
            return isinstance(public, bytes) and verify_ed25519(public, message, signature)

        return verify


def read_member_list(data: bytes, space_key: str, *, known_seq: int, now: datetime) -> MemberList:
    """Verify a list as it came from a file or an address.

    Raises VerificationError: member-list-invalid, -unsigned, -signature, -older, -expired. `known_seq` is the highest
    number ever accepted (0 at first); the same number is accepted again.
    """
    signed = _parse(data)
    if not isinstance(signed, dict) or not isinstance(signed.get("jws"), str) or "document" not in signed:
        raise VerificationError("member-list-unsigned")
    public = read_space_key(space_key)
    try:
        document = verify_document(signed, verify=lambda _kid, message, sig: verify_ed25519(public, message, sig))
    except SignatureError as error:
        raise VerificationError("member-list-signature", space_key=space_key, problem=error.facts["reason"]) from error
    members = build_member_list(document)
    if members.seq < known_seq:
        raise VerificationError("member-list-older", seq=members.seq, known=known_seq)
    if not members.in_force(now):
        raise VerificationError("member-list-expired", seq=members.seq, expires=stamp(members.expires))
    return members


def build_member_list(document: Mapping[str, JsonValue]) -> MemberList:
    """The list in a document whose signature holds, or that is about to be signed; raises member-list-invalid."""
    try:
        parsed = _Document.model_validate(document)
    except ValidationError as error:
        raise invalid(error) from error
    if parsed.expires <= parsed.issued:
        raise VerificationError("member-list-invalid", field="expires", problem="is not after issued")
    _refuse_duplicates(parsed)
    try:
        digest = digest_of(document)
    except CanonicalError as error:
        raise VerificationError("member-list-invalid", field=error.path or "-", problem=error.problem) from error
    return MemberList(
        document=document,
        digest=digest,
        space=parsed.space,
        seq=parsed.seq,
        issued=parsed.issued,
        expires=parsed.expires,
        members=MappingProxyType({member.participant_id: member for member in parsed.members}),
        keys=MappingProxyType(
            {key.kid: ListedKey(member.participant_id, key) for member in parsed.members for key in member.keys}
        ),
    )


def read_member(document: Mapping[str, JsonValue]) -> Member:
    """One entry, as in `member.json`; raises VerificationError member-list-invalid with the field."""
    try:
        return Member.model_validate(document)
    except ValidationError as error:
        raise invalid(error) from error


def invalid(error: ValidationError) -> VerificationError:
    """The first problem of a document, with the path of the field."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found["loc"]).removeprefix(".")
    return VerificationError(
        "member-list-invalid", field=path or "-", problem=found["msg"].removeprefix("Value error, ")
    )


def clip(text: str) -> str:
    """A text of a stranger, short enough for a log."""
    limit = 120
    return text if len(text) <= limit else text[:limit] + "…"


def _parse(data: bytes) -> JsonValue:
    if len(data) > LIST_LIMIT_BYTES:
        raise VerificationError("member-list-invalid", field="-", problem=f"longer than {LIST_LIMIT_BYTES} bytes")
    try:
        return parse_json(data, max_depth=LIST_DEPTH)
    except JsonError as error:
        raise VerificationError("member-list-invalid", field=error.where, problem=error.problem) from error


def _refuse_duplicates(document: _Document) -> None:
    """One entry per participant; one key per identifier; no key material twice (one key per role, signed-data.md 2.1)."""
    seen: dict[tuple[str, object], str] = {}
    for kind, value, path in _identities(document):
        earlier = seen.setdefault((kind, value), path)
        if earlier != path:
            raise VerificationError(
                "member-list-invalid", field=path, problem=f"the {kind} stands at {earlier} already"
            )


def _identities(document: _Document) -> Iterator[tuple[str, object, str]]:
    for index, member in enumerate(document.members):
        yield "participant", member.participant_id, f"members[{index}].participantId"
        yield "connector", member.connector_id, f"members[{index}].connectorId"
        for number, key in enumerate(member.keys):
            path = f"members[{index}].keys[{number}]"
            yield "key identifier", key.kid, f"{path}.kid"
            yield "key", key.public if isinstance(key.public, bytes) else point(key.public), f"{path}.jwk"
