"""DSP 2025-1 catalog bodies, by the schemas `catalog/catalog-schema.json`, `dataset-schema.json`, `catalog-error-schema.json`.

A body is joined from ready-made JSON texts: the *head* of a dataset (everything that all viewers share), one text per
offer and per price, and the service. The store keeps them, so a page is one join and no model is built. A text is UTF-8
bytes: as strings, Chinese titles would make Python widen, copy and encode every page.

What DCAT adds to the protocol's members travels twice, because the two kinds of readers see different things:

- plain `title`, `description`, `keyword`, `modified`, `version` for readers of plain JSON (a JSON-LD processor drops them:
  the DSP context is type-scoped and does not know them);
- `dct:title`, `dct:description`, `dcat:keyword` with a language tag each, `dcat:byteSize`, `dcat:mediaType`: the prefixes
  are declared by the DSP context, so a processor keeps them. Columns, rows, checksum and prices stand as `@json` values
  under full IRIs of ours: nested plain members would vanish on expansion, an undeclared prefix is refused by EDC.
  What a product was derived from stands there as plain facts and, for RDF tools, as nodes of `prov:wasDerivedFrom`.

Prices are no member of the offers: an EDC consumer compares every policy-level member (revenue-share.md 2.2).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson
from pydantic import JsonValue

from catalog.model import Dataset, Offer, best
from catalog.namespaces import DSP_CONTEXT, PROV, WEFT

FORMAT: Final = "HttpData-PULL"
PUSH_FORMAT: Final = "HttpData-PUSH"
FACTS: Final = WEFT + "facts"
PRICES: Final = WEFT + "prices"
DERIVED_FROM: Final = PROV + "wasDerivedFrom"

_CONTEXT_TEXT: Final = f'"@context":["{DSP_CONTEXT}"],'.encode()
_PRICES_TEXT: Final = f',"{PRICES}":{{"@type":"@json","@value":['.encode()


@dataclass(frozen=True, slots=True)
class Service:
    """A DataService: its id and the DSP base under which negotiations and transfers of this version live."""

    id: str
    endpoint: str

    @classmethod
    def of(cls, participant_id: str, endpoint: str) -> "Service":
        """The service of a participant: its id is the form a service has in the DID document."""
        return cls(f"{participant_id}#dsp", endpoint)

    def to_dict(self) -> dict[str, JsonValue]:
        return {
            "@id": self.id,
            "@type": "DataService",
            "endpointDescription": "dspace:connector",
            "endpointURL": self.endpoint,
        }


def dataset_head(dataset: Dataset) -> bytes:
    """The JSON text of a dataset up to the value of `accessService`; `dataset_parts` completes it."""
    head: dict[str, JsonValue] = {
        "@id": dataset.id,
        "@type": "Dataset",
        "title": best(dataset.title),
        "description": best(dataset.description),
        "dct:title": _tagged(dataset.title.items()),
        "dct:description": _tagged(dataset.description.items()),
    }
    if dataset.keywords:
        head["keyword"] = [keyword.text for keyword in dataset.keywords]
        head["dcat:keyword"] = _tagged((keyword.lang, keyword.text) for keyword in dataset.keywords)
    dumped = dataset.model_dump(mode="json", include={"modified", "version"}, exclude_none=True)
    head |= dumped
    head[FACTS] = {"@type": "@json", "@value": facts(dataset)}
    if dataset.derivations:
        head[DERIVED_FROM] = [{"@id": each.iri} for each in dataset.derivations]
    distribution: dict[str, JsonValue] = {"@type": "Distribution", "format": FORMAT}
    distribution["dcat:mediaType"] = dataset.media_type
    if dataset.bytes is not None:
        distribution["dcat:byteSize"] = dataset.bytes
    return b"".join((_dumps(head)[:-1], b',"distribution":[', _dumps(distribution)[:-1], b',"accessService":'))


def facts(dataset: Dataset) -> dict[str, JsonValue]:
    """What a reader of the catalog wants to know before it negotiates and DCAT has no plain member for."""
    said = dataset.model_dump(
        mode="json",
        include={
            "columns",
            "rows",
            "sha256",
            "grade",
            "scenario",
            "inputs",
            "partial",
            "missing_inputs",
            "derivations",
        },
        exclude_none=True,
    )
    return {name: value for name, value in said.items() if value not in ([], False)}


def offer_text(offer: Offer) -> bytes:
    """The JSON text of an offer as it stands in `hasPolicy`: the document, word for word."""
    return _dumps(offer.document)


def price_text(offer: Offer) -> bytes:
    """The JSON text of an offer's price, naming the offer; empty when it has none."""
    if offer.price is None:
        return b""
    return _dumps({"offer": offer.id, **offer.price.model_dump(exclude_none=True)})


def service_text(service: Service, *, reference: bool = False) -> bytes:
    """The JSON text of `accessService`: inside a catalog, which lists the service, its id is enough."""
    return _dumps(service.id if reference else service.to_dict())


def access_text(service: Service, *, reference: bool = False, push: bool) -> bytes:
    """What follows a head: its `accessService`, and with `push` a second distribution of the same data, which we send."""
    text = service_text(service, reference=reference)
    if not push:
        return text
    return b"".join((text, b'},{"@type":"Distribution","format":"', PUSH_FORMAT.encode(), b'","accessService":', text))


def dataset_parts(head: bytes, service: bytes, prices: Sequence[bytes], offers: Sequence[bytes]) -> list[bytes]:
    """The JSON text of a dataset in pieces: joined once, with all others of the page (a join of joins costs ten times)."""
    parts = [head, service, b"}]"]
    shown = [price for price in prices if price]
    if shown:
        parts += (_PRICES_TEXT, b",".join(shown), b"]}")
    parts += (b',"hasPolicy":[', b",".join(offers), b"]}")
    return parts


def dataset_root(parts: Sequence[bytes]) -> bytes:
    """The JSON text of a dataset as a body of its own, with its context (GET /catalog/datasets/{id})."""
    return b"".join((b"{", _CONTEXT_TEXT, parts[0][1:], *parts[1:]))


def catalog_text(
    *,
    catalog_id: str,
    participant_id: str,
    service: Service,
    datasets: Iterable[Sequence[bytes]],
    nested: Sequence[Mapping[str, JsonValue]] = (),
) -> bytes:
    """The JSON text of a root Catalog; `datasets` are `dataset_parts`.

    Arrays that would be empty are left out, as the schema asks.
    """
    parts = [b"{", _CONTEXT_TEXT, b'"@id":', _dumps(catalog_id), b',"@type":"Catalog","participantId":']
    parts += (_dumps(participant_id), b',"service":[', service_text(service), b"]")
    separator = b',"dataset":['
    for dataset in datasets:
        parts.append(separator)
        parts += dataset
        separator = b","
    if separator == b",":
        parts.append(b"]")
    if nested:
        parts += (b',"catalog":', _dumps(list(nested)))
    return b"".join((*parts, b"}"))


def nested_catalog(catalog_id: str, service: Service) -> dict[str, JsonValue]:
    """Another catalog that ours points to, as a member of `catalog`: where it is, not what is in it."""
    return {
        "@id": catalog_id,
        "@type": "Catalog",
        "service": [service.to_dict()],
        "distribution": [{"@type": "Distribution", "format": FORMAT, "accessService": service.id}],
    }


def catalog_error(code: str, reasons: Sequence[str]) -> dict[str, JsonValue]:
    """The body of a CatalogError; an empty `reason` is left out."""
    body: dict[str, JsonValue] = {"@context": [DSP_CONTEXT], "@type": "CatalogError", "code": code}
    return {**body, "reason": list(reasons)} if reasons else body


def dataset_body(dataset: Dataset, service: Service) -> bytes:
    """A whole dataset with all its offers as a body of its own, straight from the record (preview, golden files)."""
    offers = dataset.offers
    return dataset_root(
        dataset_parts(
            dataset_head(dataset),
            service_text(service),
            [price_text(offer) for offer in offers],
            [offer_text(offer) for offer in offers],
        )
    )


def _tagged(texts: Iterable[tuple[str, str]]) -> list[JsonValue]:
    return [{"@value": text, **({"@language": lang} if lang else {})} for lang, text in texts]


def _dumps(value: object) -> bytes:
    return orjson.dumps(value)
