"""The transform document, read strictly: a member or a step that nobody knows is refused, never skipped.

    {"id", "product", "version", "input": [columns of the source], "steps": [...], "output": [columns that leave]}

Steps run in order: `drop`, `round` (to the nearest multiple), `pseudonym` (keyed, one key per agreement). Format: the
contracts of the scenarios; its digest is that of its canonical JSON (policies.md 2.6).
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from connector.errors import RefusedError
from policies.canonical import JsonValue, digest_of

Name: TypeAlias = Annotated[str, Field(min_length=1)]
Names: TypeAlias = Annotated[tuple[Name, ...], Field(min_length=1, strict=False)]

DECIMALS_MOST = 12


class TransformError(RefusedError):
    """A document is no transform; facts `path` (`steps.1.to`) and `problem`."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Drop(_Strict):
    """Leave columns out."""

    op: Literal["drop"]
    columns: Names


class Round(_Strict):
    """Show the nearest multiple of `to`, one half away from zero, with `decimals` decimals."""

    op: Literal["round"]
    columns: Names
    to: Annotated[str, Field(pattern=r"^\d{1,18}(\.\d{1,12})?$")]
    mode: Literal["half-up"]
    decimals: Annotated[int, Field(ge=0, le=DECIMALS_MOST)]

    @field_validator("to")
    @classmethod
    def _positive(cls, to: str) -> str:
        try:
            if Decimal(to) > 0:
                return to
        except InvalidOperation:
            pass
        raise ValueError("must be a positive decimal number")

    @model_validator(mode="after")
    def _shown_exactly(self) -> Self:
        if Decimal(self.to).scaleb(self.decimals) % 1:
            raise ValueError(f"multiples of {self.to} need more than {self.decimals} decimals")
        return self


class Pseudonym(_Strict):
    """Replace a value by the first `length` characters of its HMAC-SHA-256 in lower-case hex, under the agreement's key."""

    op: Literal["pseudonym"]
    columns: Names
    function: Literal["HMAC-SHA-256"]
    input: Literal["utf-8"]
    key: Literal["per-agreement"]
    length: Annotated[int, Field(ge=8, le=64)]
    output: Literal["hex-lower"]


Step: TypeAlias = Annotated[Drop | Round | Pseudonym, Field(discriminator="op")]


class Transform(_Strict):
    """A checked transform; `digest` is what an offer names."""

    id: Name
    product: Name
    version: Literal["1"]
    input: Names
    steps: Annotated[tuple[Step, ...], Field(strict=False)]
    output: Names

    _digest: str = PrivateAttr(default="")

    @property
    def digest(self) -> str:
        return self._digest

    @property
    def needs_key(self) -> bool:
        return any(isinstance(step, Pseudonym) for step in self.steps)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        """Steps name columns that are there, and what is left is `output`, in the order of `input`."""
        left = list(_distinct("input", self.input))
        for number, step in enumerate(self.steps):
            for column in _distinct(f"steps.{number}.columns", step.columns):
                if column not in left:
                    raise ValueError(f"steps.{number}.columns: there is no column {column} at this step")
                if isinstance(step, Drop):
                    left.remove(column)
        if tuple(left) != self.output:
            raise ValueError(f"output: the steps leave {', '.join(left) or 'no column'}")
        return self


def parse_transform(document: Mapping[str, JsonValue]) -> Transform:
    """The transform of a document; raises TransformError `transform-invalid` with the path of the first fault."""
    try:
        transform = Transform.model_validate(document)
    except ValidationError as error:
        raise _first_fault(error) from error
    transform._digest = digest_of(dict(document))  # noqa: SLF001  the one place that makes transforms
    return transform


def _distinct(path: str, names: Sequence[str]) -> Sequence[str]:
    if len(set(names)) != len(names):
        raise ValueError(f"{path}: a column stands twice")
    return names


def _first_fault(error: ValidationError) -> TransformError:
    found = error.errors(include_url=False, include_input=False)[0]
    # A discriminated union puts the name of its branch into the path; the document has no such member.
    place = [str(part) for part in found["loc"] if part not in ("drop", "round", "pseudonym")]
    problem = str(found["msg"]).removeprefix("Value error, ")
    context: dict[str, Any] = found.get("ctx", {})
    if found["type"] == "union_tag_invalid":
        place, problem = [*place, "op"], f"{context.get('tag')} is no step this connector knows"
    elif not place and ": " in problem:
        inner, problem = problem.split(": ", 1)
        place = [inner]
    return TransformError("transform-invalid", path=".".join(place) or "$", problem=problem)
