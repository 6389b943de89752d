"""The record of a dataset: the authority from which the DSP body, the RDF graph and the index are derived.

Sets are kept in one fixed order (keywords by language and text, offers by id), so that equal content is an equal record
and has an equal digest, whichever of the three forms it was read from.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    field_validator,
    model_validator,
)

from catalog.namespaces import SETTLEMENT_TERMS, TRANSFORM
from policies.canonical import digest_of, is_digest

Audience: TypeAlias = Literal["all"] | tuple[str, ...]
Decision: TypeAlias = Literal["automatic", "person"]

# More decimals than any currency or micro-price has.
EXPONENT_MAX = 12

LANGUAGE = r"^([a-z]{2,3}(-[A-Za-z0-9]{1,8})*)?$"
ABSOLUTE_IRI = r"^[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>\"{}|\\^`]*$"


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # the year 1 in Kiribati
        raise ValueError("the time has no place in UTC") from error


def _known_digest(text: str) -> str:
    if not is_digest(text):
        raise ValueError("a digest is written sha-256: and 64 lower-case hex digits")
    return text


# Texts by language tag, `zh` and `en` in ours; '' is a text of a peer that says no language.
Text: TypeAlias = Annotated[
    dict[Annotated[str, Field(pattern=LANGUAGE)], Annotated[str, Field(min_length=1)]], Field(min_length=1)
]
Moment: TypeAlias = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Digest: TypeAlias = Annotated[str, AfterValidator(_known_digest)]


def best(text: Mapping[str, str], lang: str = "zh") -> str:
    """The text in `lang`, else in Chinese, English, no language, or whatever there is."""
    for wanted in (lang, "zh", "en", ""):
        if wanted in text:
            return text[wanted]
    return next(iter(text.values()), "")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Keyword(_Record):
    """One keyword with its language tag, '' when the publisher said none."""

    text: str = Field(min_length=1)
    lang: str = Field(default="", pattern=LANGUAGE)


class Column(_Record):
    """One column of a table; `type` is an XML Schema name without prefix: string, integer, decimal, date, dateTime."""

    name: str = Field(min_length=1)
    type: str = "string"


class Price(_Record):
    """What an offer costs, for display and facets: the `model` of its terms and, if there is a rate, its first one.

    `amount` is a decimal string in `currency`, for example `60000.00`; it is never computed with.
    """

    kind: str = Field(min_length=1)
    amount: str | None = None
    currency: str | None = None


class Offer(_Record):
    """A policy tied to the dataset, who may see it, and who answers a request for it.

    `document` is the DSP Offer word for word, without `target`. The digests of terms and transforms are read from it:
    what an offer names and what it promises cannot disagree.
    """

    id: str = Field(min_length=1)
    document: dict[str, JsonValue]
    audience: Audience = "all"
    decision: Decision = "person"
    price: Price | None = None
    supersedes: str | None = None

    @field_validator("audience")
    @classmethod
    def _in_order(cls, audience: Audience) -> Audience:
        return audience if audience == "all" else tuple(sorted(set(audience)))

    @model_validator(mode="after")
    def _is_an_offer(self) -> "Offer":
        if self.document.get("@id") != self.id:
            raise ValueError(f"the document's @id is not {self.id}")
        if self.document.get("@type") != "Offer":
            raise ValueError("the document's @type is not Offer")
        if "target" in self.document:
            # DSP 2025-1, catalog: an offer inside a dataset has no target, the dataset is its target.
            raise ValueError("an offer of a dataset must not have a target")
        return self

    @cached_property
    def terms(self) -> tuple[str, ...]:
        """Digests of the settlement terms in the order of their duties: the offer's own price comes first."""
        return tuple(dict.fromkeys(_operands(self.document, SETTLEMENT_TERMS)))

    @cached_property
    def transforms(self) -> tuple[str, ...]:
        """Digests of the transforms that a delivery must have undergone."""
        return tuple(dict.fromkeys(_operands(self.document, TRANSFORM)))

    def shown_to(self, viewer: str) -> bool:
        return self.audience == "all" or viewer in self.audience


class Derivation(_Record):
    """From whose dataset another one was derived: the `dataset` of an `owner`, which is `iri` in RDF, under an `agreement`.

    `agreement` is the digest that both sides of it know, None for a dataset of the same owner.
    """

    dataset: str = Field(min_length=1, max_length=2048)
    owner: str = Field(min_length=1, max_length=2048)
    iri: str = Field(pattern=ABSOLUTE_IRI, max_length=8192)
    agreement: Digest | None = None


class Dataset(_Record):
    """One dataset as its owner describes it.

    `sha256` is that of the source file as 64 hex digits, `bytes` and `rows` are its size; `modified` is UTC.
    `inputs` are the ids of the datasets it was derived from, `derivations` say whose they are and what licenses that; a
    derived day without one of them is `partial` and names it in `missing_inputs`.
    """

    id: str = Field(min_length=1, max_length=2048)
    owner: str = Field(min_length=1)
    title: Text
    description: Text
    keywords: tuple[Keyword, ...] = ()
    columns: tuple[Column, ...] = ()
    rows: int | None = Field(default=None, ge=0)
    bytes: int | None = Field(default=None, ge=0)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    version: str | None = None
    media_type: str = "text/csv"
    modified: Moment | None = None
    grade: str | None = None
    scenario: str | None = None
    inputs: tuple[str, ...] = ()
    partial: bool = False
    missing_inputs: tuple[str, ...] = ()
    derivations: tuple[Derivation, ...] = ()
    offers: tuple[Offer, ...] = ()

    @field_validator("keywords", mode="before")
    @classmethod
    def _one_text_each(cls, keywords: object) -> object:
        """`{"zh": "钢卷", "en": "coil"}` and plain strings are accepted beside `{"text": "coil", "lang": "en"}`."""
        return list(_keywords(keywords)) if isinstance(keywords, list | tuple) else keywords

    @field_validator("keywords")
    @classmethod
    def _sorted_keywords(cls, keywords: tuple[Keyword, ...]) -> tuple[Keyword, ...]:
        return tuple(sorted(set(keywords), key=lambda keyword: (keyword.lang, keyword.text)))

    @field_validator("inputs", "missing_inputs")
    @classmethod
    def _sorted_ids(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(ids)))

    @field_validator("derivations")
    @classmethod
    def _in_order(cls, derivations: tuple[Derivation, ...]) -> tuple[Derivation, ...]:
        return tuple(sorted(derivations, key=lambda each: (each.dataset, each.owner, each.agreement or "")))

    @field_validator("offers")
    @classmethod
    def _distinct_offers(cls, offers: tuple[Offer, ...]) -> tuple[Offer, ...]:
        if len({offer.id for offer in offers}) != len(offers):
            raise ValueError("two offers have the same id")
        return tuple(sorted(offers, key=lambda offer: offer.id))

    @field_validator("columns")
    @classmethod
    def _distinct_columns(cls, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        if len({column.name for column in columns}) != len(columns):
            raise ValueError("two columns have the same name")
        return columns

    def for_viewer(self, viewer: str) -> "Dataset":
        """The same dataset with the offers that this participant may see."""
        return self.model_copy(update={"offers": tuple(offer for offer in self.offers if offer.shown_to(viewer))})

    def to_dict(self) -> dict[str, JsonValue]:
        """The record as JSON values; `Dataset.model_validate` reads it back."""
        record: dict[str, JsonValue] = self.model_dump(mode="json", exclude_none=True)
        return record

    def digest(self) -> str:
        """Digest of the whole record: equal content, equal digest."""
        return digest_of(self.to_dict())


def price_of(terms: Mapping[str, JsonValue]) -> Price | None:
    """What a terms document (revenue-share.md 3) costs at first sight, or nothing if it names no model.

    The first fixed charge counts, else the first rate per unit. Amounts there are integers or exact decimal strings in
    minor units; here they become a decimal string in the currency. A rate that is no decimal (`16/3`) is not shown.
    """
    model, currency, exponent = terms.get("model"), terms.get("currency"), terms.get("exponent")
    if not isinstance(model, str) or not model:
        return None
    charges = terms.get("charges")
    lines = [line for line in charges if isinstance(line, dict)] if isinstance(charges, list) else []
    minor = next((line[name] for name in ("fixed", "rate") for line in lines if name in line), None)
    if minor is None or not isinstance(currency, str) or type(exponent) is not int or not 0 <= exponent <= EXPONENT_MAX:
        return Price(kind=model)
    amount = _major(str(minor), exponent)
    return Price(kind=model, amount=amount, currency=currency if amount else None)


def _major(minor: str, exponent: int) -> str | None:
    whole, _, fraction = minor.partition(".")
    if not (whole.isascii() and whole.isdigit() and (not fraction or (fraction.isascii() and fraction.isdigit()))):
        return None
    digits = whole.rjust(exponent + 1, "0")
    cut = len(digits) - exponent
    decimals = digits[cut:] + fraction
    return f"{digits[:cut]}.{decimals}" if decimals else digits


def _operands(value: JsonValue, left_operand: str) -> Iterator[str]:
    """Right operands of every constraint with this left operand, in document order."""
    if isinstance(value, dict):
        right = value.get("rightOperand")
        if value.get("leftOperand") == left_operand and isinstance(right, str):
            yield right
        for member in value.values():
            yield from _operands(member, left_operand)
    elif isinstance(value, list):
        for element in value:
            yield from _operands(element, left_operand)


def _keywords(given: Iterable[object]) -> Iterator[object]:
    for keyword in given:
        if isinstance(keyword, str):
            yield Keyword(text=keyword)
        elif isinstance(keyword, dict) and "text" not in keyword:
            yield from ({"text": text, "lang": lang} for lang, text in keyword.items())
        else:
            yield keyword
