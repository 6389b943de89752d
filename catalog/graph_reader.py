"""Datasets read from Turtle or JSON-LD: our own exports, and files written by hand such as a scenario's `products.ttl`.

Closed: JSON-LD with a context to fetch is refused before and inside rdflib, the base is explicit, and only what a record
has is read. What an export for others leaves out comes back as the careful choice: no audience, a person decides.
"""

import json
import warnings
from collections.abc import Iterator
from typing import Any
from typing import Literal as OneOf

from pydantic import ValidationError
from rdflib import Graph, Literal, Namespace
from rdflib.collection import Collection
from rdflib.namespace import DCTERMS, ODRL2, RDF
from rdflib.term import Node

from catalog import namespaces, offline
from catalog.errors import InvalidGraphError
from catalog.model import Dataset

CSVW = Namespace(namespaces.CSVW)
DCAT = Namespace(namespaces.DCAT)
PROV = Namespace(namespaces.PROV)
SPDX = Namespace(namespaces.SPDX)
WEFT = Namespace(namespaces.WEFT)


def parse(text: str, *, base: str, media: OneOf["turtle", "json-ld"] = "turtle") -> Graph:
    """The graph of a Turtle or JSON-LD text; raises InvalidGraphError, or RemoteContextError for a context to fetch."""
    offline.lock()
    graph = Graph(bind_namespaces="none")
    try:
        with warnings.catch_warnings():
            # rdflib's JSON-LD parser warns of a class of its own that it still uses.
            warnings.simplefilter("ignore", DeprecationWarning)
            graph.parse(data=text, format=media, publicID=base)
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        # rdflib's parsers raise what they stumble over; for the writer of the file all of it says: this is no RDF.
        raise InvalidGraphError(" ".join(str(error).split())[:300] or type(error).__name__) from error
    return graph


def read_datasets(graph: Graph) -> list[Dataset]:
    """Every dcat:Dataset of the graph, by id; raises InvalidGraphError naming the dataset and the property at fault."""
    return sorted(
        (_read(graph, subject) for subject in graph.subjects(RDF.type, DCAT.Dataset)), key=lambda item: item.id
    )


def _read(graph: Graph, subject: Node) -> Dataset:
    distribution = graph.value(subject, DCAT.distribution)
    publisher = graph.value(subject, DCTERMS.publisher)
    record: dict[str, Any] = {
        "id": _name(graph, subject),
        "owner": _name(graph, publisher),
        "title": _texts(graph, subject, DCTERMS.title),
        "description": _texts(graph, subject, DCTERMS.description),
        "keywords": [
            {"text": str(word), "lang": word.language or ""}
            for word in graph.objects(subject, DCAT.keyword)
            if isinstance(word, Literal)
        ],
        "modified": _text(graph, subject, DCTERMS.modified),
        "version": _text(graph, subject, DCAT.version),
        "grade": _text(graph, subject, WEFT.grade),
        "scenario": _text(graph, subject, WEFT.scenario),
        "inputs": tuple(str(name) for name in graph.objects(subject, WEFT.input)),
        "partial": _text(graph, subject, WEFT.partial) == "true",
        "missing_inputs": tuple(str(name) for name in graph.objects(subject, WEFT.missingInput)),
        "derivations": tuple(_derivations(graph, subject)),
        "bytes": _text(graph, distribution, DCAT.byteSize),
        "rows": _text(graph, distribution, WEFT.rows),
        "sha256": _checksum(graph, distribution),
        "columns": tuple(_columns(graph, distribution)),
        "offers": tuple(_offers(graph, subject)),
    }
    media_type = graph.value(distribution, DCAT.mediaType)
    if media_type is not None:
        record["media_type"] = str(media_type).removeprefix(namespaces.MEDIA_TYPES)
    try:
        return Dataset.model_validate(record)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidGraphError(f"{where}: {first['msg']}", str(subject)) from error


def _text(graph: Graph, subject: Node | None, predicate: Node) -> str | None:
    value = graph.value(subject, predicate) if subject is not None else None
    return None if value is None else str(value)


def _name(graph: Graph, resource: Node | None) -> str:
    """What a resource calls itself, else its IRI."""
    return _text(graph, resource, DCTERMS.identifier) or str(resource or "")


def _texts(graph: Graph, subject: Node, predicate: Node) -> dict[str, str]:
    return {text.language or "": str(text) for text in graph.objects(subject, predicate) if isinstance(text, Literal)}


def _checksum(graph: Graph, distribution: Node | None) -> str | None:
    checksum = graph.value(distribution, SPDX.checksum)
    value = _text(graph, checksum, SPDX.checksumValue)
    return value.lower() if value else None


def _columns(graph: Graph, distribution: Node | None) -> Iterator[dict[str, str | None]]:
    head = graph.value(graph.value(distribution, CSVW.tableSchema), CSVW.column)
    if head is not None:
        for column in Collection(graph, head):
            yield {
                "name": _text(graph, column, CSVW.name),
                "type": _text(graph, column, CSVW.datatype) or "string",
            }


def _derivations(graph: Graph, subject: Node) -> Iterator[dict[str, str | None]]:
    """Qualified derivations only: a bare `prov:wasDerivedFrom` does not say whose dataset it means."""
    for qualified in graph.objects(subject, PROV.qualifiedDerivation):
        source = graph.value(qualified, PROV.entity)
        yield {
            "dataset": _name(graph, source),
            "owner": _name(graph, graph.value(source, DCTERMS.publisher)),
            "iri": str(source or ""),
            "agreement": _text(graph, qualified, WEFT.agreement),
        }


def _offers(graph: Graph, subject: Node) -> Iterator[dict[str, Any]]:
    for node in graph.objects(subject, ODRL2.hasPolicy):
        text = _text(graph, node, WEFT.document)
        if text is None:
            raise InvalidGraphError("an offer has no weft:document", str(node))
        try:
            document = json.loads(text)
        except ValueError as error:
            raise InvalidGraphError(f"weft:document is no JSON: {error}", str(node)) from error
        audience = tuple(str(member) for member in graph.objects(node, WEFT.audience))
        price = {name: _text(graph, node, WEFT[f"price{name.capitalize()}"]) for name in ("kind", "amount", "currency")}
        yield {
            "id": _text(graph, node, DCTERMS.identifier) or str(node),
            "document": document,
            "audience": "all" if audience == ("all",) else audience,
            "decision": _text(graph, node, WEFT.decision) or "person",
            "supersedes": _text(graph, node, WEFT.supersedes),
            "price": price if price["kind"] else None,
        }
