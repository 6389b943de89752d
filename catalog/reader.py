"""Reading catalogs of other participants, in the spellings that peers really send.

The protocol says plain names, lists and strings. Older and generic JSON-LD stacks send one object for a list of one,
prefixed (`dcat:dataset`) or expanded names, `{"@id": …}` or `{"@value": …}` for strings, everything in lists. All of them
become one `PeerDataset`; no JSON-LD processor is involved, because it would damage `format` and `leftOperand`
(catalog.md 4.4). An offer that is already spelt as DSP 2025-1 wants it stays word for word; terms we do not know are kept.

A dataset that cannot be read is recorded with its problem and does not fail its page.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from catalog.errors import UnreadableCatalogError
from catalog.messages import FACTS, PRICES, Service
from catalog.model import LANGUAGE, Column, Derivation, Keyword, Moment, Price
from catalog.policy_shape import policy
from catalog.spelling import Names, as_list, identifier, text_of, texts_of
from policies.canonical import parse_json

NESTING_MAX: Final = 8

# No file is larger; Python reads no number of more than 4300 digits.
_SIZE: Final = re.compile(r"[0-9]{1,18}")
_UUID: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class _DatasetError(ValueError):
    """Why one dataset of a page cannot be read."""


class PeerDataset(BaseModel):
    """A dataset in the catalog of another participant, normalised. Empty tuples and None: the peer did not say.

    `owner` is the participant whose catalog it stands in: for a broker's nested catalog the participant that one names.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    owner: str
    title: dict[str, str]
    description: dict[str, str]
    keywords: tuple[Keyword, ...]
    offers: tuple[dict[str, JsonValue], ...]
    prices: dict[str, Price]
    formats: tuple[str, ...]
    services: tuple[Service, ...]
    media_type: str | None
    bytes: int | None
    modified: Moment | None
    version: str | None
    columns: tuple[Column, ...]
    rows: int | None
    sha256: str | None
    grade: str | None
    scenario: str | None
    inputs: tuple[str, ...] = ()
    partial: bool = False
    missing_inputs: tuple[str, ...] = ()
    derivations: tuple[Derivation, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A dataset of a page that could not be read: its id or position, and why."""

    dataset: str
    problem: str


@dataclass(slots=True)
class CatalogPage:
    """One page of a peer's catalog. `elsewhere` are nested catalogs it only points to: not followed, members are known."""

    id: str
    participant_id: str
    datasets: list[PeerDataset] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    elsewhere: list[Service] = field(default_factory=list)


def read_page(body: bytes, *, participant_id: str) -> CatalogPage:
    """Read the bytes a participant answered with; raises JsonError or UnreadableCatalogError."""
    return read_catalog(cast("JsonValue", parse_json(body)), participant_id=participant_id)


def read_catalog(document: JsonValue, *, participant_id: str = "") -> CatalogPage:
    """Read one catalog body. Raises UnreadableCatalogError when the document is no catalog at all.

    `participant_id` is who was asked: its datasets are theirs whatever the body says of itself. A nested catalog belongs to
    the participant it names; for that we have the word of who sent it.
    """
    root = _root(document)
    names = Names.of(root.get("@context"))
    members = names.plain(root)
    if "Catalog" not in names.types(root):
        raise UnreadableCatalogError("its @type is not Catalog")
    named = identifier(members.get("participantId"))
    page = CatalogPage(identifier(root), participant_id or named)
    if participant_id and named not in ("", participant_id):
        page.unreadable.append(Unreadable(page.id, f"it says it is the catalog of {named}"))
    _walk(page, names, root, page.participant_id, seen=set(), depth=0)
    return page


def read_dataset(document: JsonValue, *, participant_id: str) -> PeerDataset:
    """Read the answer to a request for one dataset; raises UnreadableCatalogError when it is none."""
    root = _root(document)
    try:
        return _dataset(Names.of(root.get("@context")), root, participant_id, {})
    except (_DatasetError, ValidationError) as error:
        raise UnreadableCatalogError(_problem(error)) from error


def fingerprint(dataset: PeerDataset) -> str:
    """SHA-256 hex of what matters about a dataset: equal as long as nothing changed for a reader.

    EDC makes a new third part of every offer id, and a new service id, on every request (catalog.md 9.3): both are left
    out, otherwise every crawl of an EDC peer would rewrite everything.
    """
    content = dataset.model_dump(mode="json")
    content["services"] = sorted({service.endpoint or service.id for service in dataset.services})
    content["offers"] = [{**offer, "@id": lasting_offer_id(str(offer["@id"]))} for offer in dataset.offers]
    content["prices"] = {lasting_offer_id(offer): price for offer, price in content["prices"].items()}
    # Not orjson: an integer of more than 64 bits, which a peer may send, must not fail the page.
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def lasting_offer_id(offer_id: str) -> str:
    """What stays of an offer's id from one answer to the next: an EDC ends each with a random part, others keep theirs."""
    parts = offer_id.split(":")
    if len(parts) == 3:  # noqa: PLR2004  definition, asset, random part
        try:
            random_part = base64.b64decode(parts[2], validate=True)
        except (binascii.Error, ValueError):
            return offer_id
        if _UUID.fullmatch(random_part):
            return f"{parts[0]}:{parts[1]}"
    return offer_id


def _root(document: JsonValue) -> dict[str, JsonValue]:
    found = as_list(document)
    if len(found) == 1 and isinstance(found[0], dict) and "@graph" in found[0]:
        graph = as_list(found[0]["@graph"])
        if len(graph) == 1 and isinstance(graph[0], dict):
            return {"@context": found[0].get("@context"), **graph[0]}
    if len(found) != 1 or not isinstance(found[0], dict):
        raise UnreadableCatalogError("it is not one JSON object")
    return found[0]


def _walk(
    page: CatalogPage, names: Names, catalog: dict[str, JsonValue], owner: str, *, seen: set[str], depth: int
) -> None:
    # A catalog that names its parent as its child is walked once (cases 02).
    key = identifier(catalog)
    if key in seen:
        return
    seen.add(key)
    members = names.plain(catalog)
    services = {service.id: service for service in _services(names, members.get("service"))}
    page.unreadable += _half_services(names, members.get("service"))
    for position, item in enumerate(as_list(members.get("dataset"))):
        try:
            page.datasets.append(_dataset(names, item, owner, services))
        except (_DatasetError, ValidationError) as error:
            page.unreadable.append(Unreadable(identifier(item) or f"dataset[{position}]", _problem(error)))
    for nested in as_list(members.get("catalog")):
        if not isinstance(nested, dict):
            page.unreadable.append(Unreadable("catalog", "a nested catalog is not an object"))
        elif depth == NESTING_MAX:
            page.unreadable.append(Unreadable(identifier(nested), f"catalogs are nested more than {NESTING_MAX} deep"))
        else:
            inner = names.plain(nested)
            if "dataset" not in inner and "catalog" not in inner and identifier(nested) not in seen:
                page.elsewhere.extend(_services(names, inner.get("service")))
            nested_owner = identifier(inner.get("participantId")) or owner
            _walk(page, names, nested, nested_owner, seen=seen, depth=depth + 1)


def _dataset(names: Names, item: JsonValue, owner: str, known: Mapping[str, Service]) -> PeerDataset:
    if not isinstance(item, dict):
        raise _DatasetError("it is not an object")
    members = names.plain(item)
    dataset_id = identifier(item)
    if not dataset_id:
        raise _DatasetError("it has no @id")
    offers = tuple(_offers(names, members.get("hasPolicy")))
    if not offers:
        # DSP 2025-1, dataset-schema: hasPolicy has at least one item; without an offer there is nothing to negotiate.
        raise _DatasetError("it has no offer (hasPolicy)")
    distributions = [names.plain(entry) for entry in as_list(members.get("distribution")) if isinstance(entry, dict)]
    facts = _json_member(item.get(FACTS))
    first = distributions[0] if distributions else {}
    size = text_of(first.get("byteSize"))
    return PeerDataset.model_validate(
        {
            "id": dataset_id,
            "owner": owner,
            "title": texts_of(names.all(item, "title", "name")),
            "description": texts_of(names.all(item, "description")),
            "keywords": tuple(_keywords(names.all(item, "keyword"))),
            "offers": offers,
            "prices": dict(_prices(_json_member(item.get(PRICES)))),
            "formats": tuple(
                dict.fromkeys(names.local(text_of(way.get("format"))) for way in distributions if way.get("format"))
            ),
            "services": tuple(dict.fromkeys(_access_services(names, distributions, known))),
            "media_type": text_of(first.get("mediaType")) or None,
            "bytes": int(size) if _SIZE.fullmatch(size) else None,
            "modified": _moment(text_of(members.get("modified"))),
            "version": text_of(members.get("version")) or None,
            **_facts(facts),
        }
    )


def _facts(value: JsonValue) -> dict[str, object]:
    """What a Weft peer adds; of anybody else, or misspelt, nothing: extras never make a dataset unreadable."""
    given = value if isinstance(value, dict) else {}
    wanted = _Facts.model_fields.keys() & given.keys()
    try:
        return dict(_Facts.model_validate({name: given[name] for name in wanted}))
    except ValidationError:
        return dict(_Facts())


class _Facts(BaseModel):
    columns: tuple[Column, ...] = ()
    rows: int | None = None
    sha256: str | None = None
    grade: str | None = None
    scenario: str | None = None
    inputs: tuple[str, ...] = ()
    partial: bool = False
    missing_inputs: tuple[str, ...] = ()
    derivations: tuple[Derivation, ...] = ()


def _offers(names: Names, value: JsonValue) -> Iterator[dict[str, JsonValue]]:
    for item in as_list(value):
        if not isinstance(item, dict):
            raise _DatasetError("an offer is not an object")
        if not identifier(item):
            raise _DatasetError("an offer has no @id")
        yield {**policy(names, item), "@id": identifier(item), "@type": "Offer"}


def _services(names: Names, value: JsonValue) -> Iterator[Service]:
    for item in as_list(value):
        if isinstance(item, dict):
            endpoint = text_of(names.plain(item).get("endpointURL"))
            if endpoint:
                yield Service(identifier(item), endpoint)


def _half_services(names: Names, value: JsonValue) -> Iterator[Unreadable]:
    """Services of a catalog that lead nowhere; its datasets are read all the same."""
    for position, item in enumerate(as_list(value)):
        where = f"service.{position}"
        if not isinstance(item, dict):
            yield Unreadable(where, f"{where} is not an object")
        elif not identifier(item):
            yield Unreadable(where, f"{where}.@id is missing: no distribution can refer to it")
        elif not text_of(names.plain(item).get("endpointURL")):
            yield Unreadable(identifier(item), f"{where}.endpointURL is missing: it leads nowhere")


def _access_services(
    names: Names, distributions: list[dict[str, JsonValue]], known: Mapping[str, Service]
) -> Iterator[Service]:
    for way in distributions:
        embedded = list(_services(names, way.get("accessService")))
        yield from embedded
        reference = identifier(way.get("accessService"))
        if not embedded and reference:
            yield known.get(reference, Service(reference, ""))


def _prices(value: JsonValue) -> Iterator[tuple[str, Price]]:
    for item in as_list(value):
        if isinstance(item, dict) and isinstance(item.get("offer"), str):
            try:
                price = Price.model_validate({name: member for name, member in item.items() if name != "offer"})
            except ValidationError:
                continue
            yield str(item["offer"]), price


def _keywords(values: list[JsonValue]) -> Iterator[Keyword]:
    """Each keyword once; one without a language only where no other spelling says its language."""
    found = {
        # What is no language tag says nothing.
        (lang if re.fullmatch(LANGUAGE, lang) else "", word)
        for value in values
        for lang, word in texts_of([value]).items()
    }
    tagged = {word for lang, word in found if lang}
    for lang, word in sorted(found):
        if lang or word not in tagged:
            yield Keyword(text=word, lang=lang)


def _json_member(value: JsonValue) -> JsonValue:
    """The value of an `@json` member, also after a processor expanded it to a list of one."""
    items = as_list(value)
    return items[0]["@value"] if len(items) == 1 and isinstance(items[0], dict) and "@value" in items[0] else None


def _moment(text: str) -> str | None:
    try:
        _Modified.model_validate({"modified": text})
    except ValidationError:
        return None
    return text


class _Modified(BaseModel):
    modified: Moment


def _problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error)
