"""The period input record: what the operator of a bundle states for a period, and signs (revenue-share.md 7.1).

A bundle statement is computed from this record, the terms and the statement before, and nothing else.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from contracts.errors import InputError
from contracts.settlement.amount import MINOR_MAX
from contracts.settlement.clauses import NULL, Clause, Count, fault, null_in
from contracts.settlement.lines import Document
from policies.canonical import JsonValue, canonical, digest_of, is_digest
from policies.errors import CanonicalError


def _digest(text: str) -> str:
    if not is_digest(text):
        raise ValueError("is no digest")
    return text


Amount = Annotated[int, Field(ge=-MINOR_MAX, le=MINOR_MAX)]
Digest = Annotated[str, AfterValidator(_digest)]


class IncomeLine(Clause):
    """A charge, or with a minus a credit, of an income slot as the operator sees it."""

    kind: str
    amount: Amount


class IncomeSlot(Clause):
    """What one slot brought in: the operator's lines of the statement with this digest, sorted by kind."""

    ref: str
    payer: str
    statement: Digest
    lines: tuple[IncomeLine, ...] = Field(min_length=1)


class Contribution(Clause):
    """What one provider delivered, and the grade of its product."""

    ref: str
    party: str
    records: Count
    accepted: Count
    rejected: Count
    quality: str
    usage_root: Digest


class Availability(Clause):
    """Calendar days without service of one income slot."""

    ref: str
    full_days_without_service: tuple[str, ...]


class PeriodInput(Clause):
    """The record of a period: income by slot, or what the operator declares; contributions in the order of the pool."""

    version: Literal["1"]
    type: Literal["PeriodInput"]
    bundle: str
    terms: Digest
    period: str
    from_: str = Field(alias="from")
    to: str
    operator: str
    income: tuple[IncomeSlot, ...]
    net_income: Amount
    declared_income: Amount | None = None
    contributions: tuple[Contribution, ...]
    availability: tuple[Availability, ...] | None = None
    replaces: Digest | None = None

    @model_validator(mode="after")
    def _sums(self) -> Self:
        if self.income and self.declared_income is not None:
            raise ValueError("declaredIncome: there is income from statements, so nothing is declared")
        if not self.income and self.declared_income is None:
            raise ValueError("declaredIncome: is missing, and there is no income from statements")
        stated = sum(line.amount for slot in self.income for line in slot.lines) + (self.declared_income or 0)
        if stated != self.net_income:
            raise ValueError(f"netIncome: is {self.net_income}, but the lines sum to {stated}")
        return self

    def document(self) -> Document:
        """The record as it is signed."""
        dumped: Document = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return dumped

    @property
    def digest(self) -> str:
        return digest_of(self.document())


def read_input(document: Mapping[str, JsonValue]) -> PeriodInput:
    """Read a period input record; raises InputError with the first member that is wrong."""
    absent = null_in(document)
    if absent is not None:
        raise InputError(absent, NULL)
    try:
        return PeriodInput.model_validate_json(canonical(dict(document)))
    except CanonicalError as error:
        raise InputError(error.path or "$", error.problem) from error
    except ValidationError as error:
        first: Any = error.errors(include_url=False)[0]
        raise InputError(*fault(first)) from error
