"""What all messages of the Dataspace Protocol 2025-1 have in common: plain JSON with one context and one type.

The JSON Schemas of the specification are normative; JSON-LD is not processed. Read strictly where the schema is strict
(the context is an array of strings, the type one string), keep unknown members, and name the member that is wrong.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import InvalidMessageError

PID_LIMIT = 512
CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"
# Transfer requests state their purpose in this member (Weft's policy profile).
PURPOSE = "https://w3id.org/weft/policy/v1#purpose"


def _has_context(value: tuple[str, ...]) -> tuple[str, ...]:
    if CONTEXT not in value:
        raise ValueError(f"must contain {CONTEXT}")
    return value


def is_pid(value: object) -> bool:
    """Whether this can be the identifier of a process.

    Pids stand in paths as they are (DSP 2025-1, HTTPS binding): the characters excluded here would make another path of it.
    """
    return (
        isinstance(value, str)
        and 0 < len(value) <= PID_LIMIT
        and not any(character in value for character in "/#?%")
        and value.isprintable()
    )


def _pid(value: str) -> str:
    if not is_pid(value):
        raise ValueError("must be an identifier without '/', '#', '?' and '%', at most 512 characters")
    return value


Pid = Annotated[str, AfterValidator(_pid)]
Context = Annotated[tuple[str, ...], AfterValidator(_has_context)]
Reasons = Annotated[tuple[Any, ...], Field(min_length=1, strict=False)]


class Message(BaseModel):
    """The envelope: `@context`, `@type`, and the `@id` that a repeat is known by (`""` where a peer sends none)."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, populate_by_name=True)

    context: Context = Field(alias="@context", strict=False)
    type: str = Field(alias="@type")
    id: str = Field(alias="@id", default="", max_length=512)


M = TypeVar("M", bound=BaseModel)


def read(model: type[M], document: object) -> M:
    """A message from parsed JSON; raises InvalidMessageError with the path of the first wrong member."""
    if not isinstance(document, Mapping):
        raise InvalidMessageError("$", "must be a JSON object")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"]) or "$"
        raise InvalidMessageError(path, first["msg"].removeprefix("Value error, ")) from error


def envelope(type_: str, message_id: str, /, **members: object) -> dict[str, object]:
    """A message of ours, members in the order given; `None` leaves a member out."""
    start: dict[str, object] = {"@context": [CONTEXT], "@type": type_, "@id": message_id}
    return start | {name: value for name, value in members.items() if value is not None}
