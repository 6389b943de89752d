"""A publication: a file, who may have it under which offers, and the catalog record that comes of it, checked as a whole.

Nothing is written here and nothing is decided about received data; that is `publish`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from catalog.model import Audience, Column, Dataset, Digest, Offer, price_of
from catalog.publish import Problem, problems
from connector.dataplane.profile import Profile
from connector.dataplane.table import Encoding
from connector.dataplane.transforms.model import Transform, TransformError, parse_transform
from connector.errors import RefusedError
from contracts.errors import TermsError
from contracts.settlement.fit import check_fit
from contracts.settlement.terms import parse_terms
from policies.canonical import canonical, digest, parse_json
from policies.columns import parse_list
from policies.errors import CanonicalError, ListFormError
from policies.model import Constraint, conditions_within
from policies.parse import parse_policy
from policies.publishable import check_publishable
from policies.vocabulary import COLUMNS

Document: TypeAlias = dict[str, JsonValue]
Text: TypeAlias = dict[str, Annotated[str, Field(min_length=1)]]


class OfferRule(BaseModel):
    """What holds for one offer and not for the others: who may see it, who answers a request, which offer it replaces."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    visible_to: Audience | None = None
    decide: Literal["automatic", "person"] | None = None
    supersedes: str | None = None


class NamedInput(BaseModel):
    """A dataset that the published one was derived from, by its id; `agreement` is the digest of what licenses that.

    Without one it is the newest agreement of ours that allows it. A plain id is short for an input without an agreement.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str = Field(min_length=1, max_length=2048)
    agreement: Digest | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_id(cls, given: object) -> object:
        return {"dataset": given} if isinstance(given, str) else given


class Publication(BaseModel):
    """A request to publish. `title` and `description` are by language; `offers`, `terms`, `transforms` are documents.

    `inputs` are what this dataset was derived from, and `purpose` is what the derivation was for; `missing_inputs` are those
    whose delivery of the day did not come, which makes the product `partial`.
    `if_exists` decides whether a dataset of this id gets a new version or the publication is refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    id: str = Field(min_length=1)
    title: Text = Field(min_length=1)
    description: Text | None = None
    keywords: tuple[Any, ...] = ()
    offers: tuple[Document, ...] = Field(min_length=1)
    terms: tuple[Document, ...] = ()
    transforms: tuple[Document, ...] = ()
    visible_to: Audience = "all"
    decide: Literal["automatic", "person"] = "automatic"
    per_offer: Mapping[str, OfferRule] = Field(default_factory=dict)
    if_exists: Literal["update", "refuse"] = "update"
    media_type: str | None = None
    encoding: Encoding | None = None
    version: str | None = None
    grade: str | None = None
    scenario: str | None = None
    inputs: tuple[NamedInput, ...] = ()
    missing_inputs: tuple[str, ...] = ()
    partial: bool = False
    purpose: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What would be published: the record, the documents that come along by kind, and everything that stands against it."""

    dataset: Dataset
    documents: tuple[tuple[Literal["terms", "transform"], bytes], ...]
    problems: tuple[Problem, ...]


def read_publication(document: Mapping[str, Any]) -> Publication:
    """A publication from JSON; raises RefusedError `publication-invalid` with the path of the first fault."""
    try:
        return Publication.model_validate(document)
    except ValidationError as error:
        raise _invalid(error) from error


def prepare(
    publication: Publication,
    profile: Profile,
    *,
    owner: str,
    known: Mapping[str, bytes],
    before: Dataset | None,
    now: datetime,
) -> Prepared:
    """The record of a publication and its problems. `known` are documents we hold, by digest; `before` is the record so far.

    Raises RefusedError `publication-invalid` where no record can be made at all.
    """
    documents = [("terms", each) for each in publication.terms] + [
        ("transform", each) for each in publication.transforms
    ]
    given: list[tuple[Literal["terms", "transform"], bytes]] = []
    for kind, document in documents:
        try:
            given.append(("terms" if kind == "terms" else "transform", canonical(document)))
        except CanonicalError as error:
            raise RefusedError("publication-invalid", path=f"{kind}.{error.path}", problem=error.problem) from error
    held = dict(known) | {digest(body): body for _, body in given}
    try:
        dataset = _dataset(publication, profile, owner, held, before, now)
    except ValidationError as error:
        raise _invalid(error) from error
    found = [
        *problems(
            dataset,
            documents=held,
            check_policy=lambda offer: [each.sentence("en") for each in check_publishable(offer)],
        ),
        *(problem for offer in dataset.offers for problem in _fit(offer, profile, held)),
        *(problem for offer in dataset.offers for problem in _settleable(offer, dataset, held)),
    ]
    return Prepared(dataset, tuple(given), tuple(found))


def _dataset(
    publication: Publication,
    profile: Profile,
    owner: str,
    held: Mapping[str, bytes],
    before: Dataset | None,
    now: datetime,
) -> Dataset:
    same_bytes = before is not None and before.sha256 == profile.sha256
    return Dataset(
        id=publication.id,
        owner=owner,
        title=publication.title,
        description=publication.description or publication.title,
        keywords=publication.keywords,
        columns=tuple(Column(name=column.name, type=column.type) for column in profile.columns),
        rows=profile.rows,
        bytes=profile.fingerprint.size,
        sha256=profile.sha256,
        version=publication.version,
        media_type=profile.media_type,
        # The same bytes again are no modification, whatever the file system says.
        modified=before.modified if same_bytes and before is not None else now,
        grade=publication.grade,
        scenario=publication.scenario,
        inputs=tuple(each.dataset for each in publication.inputs),
        partial=publication.partial or bool(publication.missing_inputs),
        missing_inputs=publication.missing_inputs,
        offers=tuple(_offer(publication, document, held) for document in publication.offers),
    )


def _offer(publication: Publication, document: Document, held: Mapping[str, bytes]) -> Offer:
    rule = publication.per_offer.get(str(document.get("@id")), OfferRule())
    offer = Offer(
        id=str(document.get("@id", "")),
        document=document,
        audience=rule.visible_to if rule.visible_to is not None else publication.visible_to,
        decision=rule.decide or publication.decide,
        supersedes=rule.supersedes,
    )
    terms = parse_json(held[offer.terms[0]]) if offer.terms and offer.terms[0] in held else None
    return offer.model_copy(update={"price": price_of(terms)}) if isinstance(terms, dict) else offer


def _fit(offer: Offer, profile: Profile, held: Mapping[str, bytes]) -> Iterator[Problem]:
    """Whether file, transform and granted columns belong together: what an offer promises, the gate must be able to give."""
    leaving: Sequence[str] = profile.names
    if len(offer.transforms) > 1:
        yield Problem("transforms-several", offer.id, {"transforms": ", ".join(offer.transforms)})
    for name in offer.transforms:
        if name not in held:
            continue  # said already
        try:
            transform = _transform(held[name])
        except TransformError as error:
            yield Problem("transform-invalid", offer.id, {"digest": name, **_texts(error.facts)})
            continue
        leaving = transform.output
        if transform.input != profile.names:
            facts = {"header": ",".join(profile.names), "input": ",".join(transform.input)}
            yield Problem("transform-input-differs", offer.id, facts)
    for constraint in _column_lists(offer.document):
        try:
            unknown = [name for name in parse_list(constraint.right) if name not in leaving]
        except ListFormError:
            continue  # said already
        if unknown:
            yield Problem("columns-unknown", offer.id, {"columns": ",".join(unknown), "delivered": ",".join(leaving)})


def _settleable(offer: Offer, dataset: Dataset, held: Mapping[str, bytes]) -> Iterator[Problem]:
    """Whether money can be settled by the terms an offer cites: read strictly, and about this provider and dataset."""
    for name in offer.terms:
        if name not in held:
            continue  # said already
        try:
            check_fit(parse_terms(held[name]), provider=dataset.owner, product=dataset.id)
        except TermsError as error:
            yield Problem(error.code, offer.id, {"digest": name, **error.facts})


def _transform(body: bytes) -> Transform:
    document = parse_json(body)
    if not isinstance(document, dict):
        raise TransformError("transform-invalid", path="$", problem="is no object")
    return parse_transform(document)


def _column_lists(document: Mapping[str, Any]) -> list[Constraint]:
    policy = parse_policy(document)
    return [
        constraint
        for permission in policy.permissions
        for constraint in conditions_within(permission.constraints)
        if constraint.left == COLUMNS
    ]


def _texts(facts: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in facts.items()}


def _invalid(error: ValidationError) -> RefusedError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"]) or "$"
    return RefusedError("publication-invalid", path=path, problem=first["msg"])
