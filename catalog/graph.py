"""The record as an RDF graph: DCAT 3 with what DCAT-AP 3 makes mandatory; Turtle and JSON-LD, offline, deterministic.

`{base}/datasets/{id}` is the IRI of a dataset, because a DSP id may be any string; the id itself is `dct:identifier`.
An offer stands as ODRL triples for RDF tools and word for word as `weft:document` (`rdf:JSON`): rules have an order and a
spelling in JSON, triples have neither, and the policy digest is over the JSON. Reading back takes the literal.

Imports rdflib, and so costs 28 MB and holds the interpreter's lock: it runs in the worker (`connector/rdf_worker.py`).
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue
from rdflib import BNode, Graph, Literal, Namespace, URIRef
from rdflib.namespace import DCTERMS, FOAF, ODRL2, RDF, XSD
from rdflib.term import Node

from catalog import namespaces
from catalog.messages import FORMAT, Service
from catalog.model import ABSOLUTE_IRI, Dataset, Derivation, Offer
from catalog.namespaces import dataset_iri, percent_encoded

CSVW = Namespace(namespaces.CSVW)
DCAT = Namespace(namespaces.DCAT)  # rdflib's own is DCAT 2: it warns at dcat:version
PROV = Namespace(namespaces.PROV)
SPDX = Namespace(namespaces.SPDX)
WEFT = Namespace(namespaces.WEFT)

# EU file types (DCAT-AP's code list for dct:format) of the media types we deliver.
_FILE_TYPES: Mapping[str, str] = {"text/csv": "CSV", "application/json": "JSON", "application/parquet": "PARQUET"}
_ABSOLUTE = re.compile(ABSOLUTE_IRI)
_PREFIXES: Mapping[str, Namespace] = {
    "csvw": CSVW,
    "dcat": DCAT,
    "dct": Namespace(namespaces.DCT),
    "foaf": Namespace(namespaces.FOAF),
    "odrl": Namespace(namespaces.ODRL),
    "prov": PROV,
    "rdf": Namespace(str(RDF)),
    "spdx": SPDX,
    "weft": WEFT,
    "xsd": Namespace(str(XSD)),
}


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who publishes and where: what a catalog says once. Texts are by language tag."""

    participant_id: str
    name: Mapping[str, str]
    service: Service
    title: Mapping[str, str] = field(default_factory=dict)
    description: Mapping[str, str] = field(default_factory=dict)


def catalog_graph(datasets: Iterable[Dataset], *, base: str, publisher: Publisher, operator: bool = False) -> Graph:
    """A dcat:Catalog with its publisher, its service and these datasets.

    `operator` adds who may see each offer and who decides on it: the owner's own backup, never an export for others.
    """
    graph = _graph()
    catalog = URIRef(f"{base.rstrip('/')}/catalog")
    _add(graph, catalog, RDF.type, DCAT.Catalog)
    _add_texts(graph, catalog, DCTERMS.title, publisher.title or publisher.name)
    _add_texts(graph, catalog, DCTERMS.description, publisher.description or publisher.title or publisher.name)
    _add(graph, catalog, DCTERMS.publisher, _resource(publisher.participant_id))
    _add(graph, catalog, DCAT.service, _resource(publisher.service.id))
    _add_publisher(graph, publisher)
    for dataset in sorted(datasets, key=lambda item: item.id):
        subject = URIRef(dataset_iri(base, dataset.id))
        _add(graph, catalog, DCAT.dataset, subject)
        _add(graph, _resource(publisher.service.id), DCAT.servesDataset, subject)
        _add_dataset(graph, subject, dataset, publisher.service, operator=operator)
    return graph


def dataset_graph(dataset: Dataset, *, base: str, publisher: Publisher, operator: bool = False) -> Graph:
    """One dataset with the publisher and the service it needs to stand alone; as `catalog_graph`, without the catalog."""
    graph = _graph()
    _add_publisher(graph, publisher)
    _add_dataset(graph, URIRef(dataset_iri(base, dataset.id)), dataset, publisher.service, operator=operator)
    return graph


def turtle(graph: Graph) -> str:
    """The graph as Turtle; equal graphs give equal text."""
    return graph.serialize(format="turtle")


def json_ld(graph: Graph) -> str:
    """The graph as JSON-LD with its prefixes inline: no context to fetch. Equal graphs give equal text."""
    context = {prefix: str(namespace) for prefix, namespace in _PREFIXES.items()}
    document = json.loads(graph.serialize(format="json-ld", context=context, auto_compact=False))
    document["@graph"] = _nested(document["@graph"])
    return json.dumps(_ordered(document), ensure_ascii=False, indent=1) + "\n"


def _graph() -> Graph:
    graph = Graph(bind_namespaces="none")
    for prefix, namespace in _PREFIXES.items():
        graph.bind(prefix, namespace)
    return graph


def _add(graph: Graph, subject: Node, predicate: Node, value: Node) -> None:
    graph.add((subject, predicate, value))


def _add_texts(graph: Graph, subject: Node, predicate: Node, texts: Mapping[str, str]) -> None:
    for lang, text in texts.items():
        _add(graph, subject, predicate, Literal(text, lang=lang or None))


def _add_publisher(graph: Graph, publisher: Publisher) -> None:
    agent, service = _resource(publisher.participant_id), _resource(publisher.service.id)
    _add(graph, agent, RDF.type, FOAF.Agent)
    _add(graph, agent, DCTERMS.identifier, Literal(publisher.participant_id))
    _add_texts(graph, agent, FOAF.name, publisher.name)
    _add(graph, service, RDF.type, DCAT.DataService)
    _add_texts(graph, service, DCTERMS.title, publisher.name)
    _add(graph, service, DCAT.endpointURL, URIRef(publisher.service.endpoint))


def _add_dataset(graph: Graph, subject: URIRef, dataset: Dataset, service: Service, *, operator: bool) -> None:
    _add(graph, subject, RDF.type, DCAT.Dataset)
    _add(graph, subject, DCTERMS.identifier, Literal(dataset.id))
    _add(graph, subject, DCTERMS.publisher, _resource(dataset.owner))
    _add_texts(graph, subject, DCTERMS.title, dataset.title)
    _add_texts(graph, subject, DCTERMS.description, dataset.description)
    for keyword in dataset.keywords:
        _add(graph, subject, DCAT.keyword, Literal(keyword.text, lang=keyword.lang or None))
    if dataset.modified is not None:
        _add(graph, subject, DCTERMS.modified, Literal(dataset.modified))
    literals = ((DCAT.version, dataset.version), (WEFT.grade, dataset.grade), (WEFT.scenario, dataset.scenario))
    for predicate, text in literals:
        if text is not None:
            _add(graph, subject, predicate, Literal(text))
    for source in dataset.inputs:
        _add(graph, subject, WEFT.input, Literal(source))
    for source in dataset.missing_inputs:
        _add(graph, subject, WEFT.missingInput, Literal(source))
    for index, derivation in enumerate(dataset.derivations):
        _add_derivation(graph, subject, derivation, index)
    if dataset.partial:
        _add(graph, subject, WEFT.partial, Literal(True))
    _add_distribution(graph, subject, dataset, service)
    for offer in dataset.offers:
        _add_offer(graph, subject, offer, operator=operator)


def _add_derivation(graph: Graph, subject: URIRef, derivation: Derivation, index: int) -> None:
    """PROV-O: the plain statement for whoever follows links, the qualified one for the agreement that licenses it."""
    source, owner = URIRef(derivation.iri), _resource(derivation.owner)
    qualified = _node(f"{subject}#derivation", index)
    _add(graph, subject, PROV.wasDerivedFrom, source)
    _add(graph, source, RDF.type, PROV.Entity)
    _add(graph, source, DCTERMS.identifier, Literal(derivation.dataset))
    _add(graph, source, DCTERMS.publisher, owner)
    _add(graph, owner, DCTERMS.identifier, Literal(derivation.owner))
    _add(graph, subject, PROV.qualifiedDerivation, qualified)
    _add(graph, qualified, RDF.type, PROV.Derivation)
    _add(graph, qualified, PROV.entity, source)
    if derivation.agreement is not None:
        _add(graph, qualified, WEFT.agreement, Literal(derivation.agreement))


def _add_distribution(graph: Graph, subject: URIRef, dataset: Dataset, service: Service) -> None:
    distribution = URIRef(f"{subject}#distribution")
    media_type = URIRef(namespaces.MEDIA_TYPES + dataset.media_type)
    _add(graph, subject, DCAT.distribution, distribution)
    _add(graph, distribution, RDF.type, DCAT.Distribution)
    # DCAT-AP 3 wants accessURL; DSP has none, so it is the endpoint of the service that gives access.
    _add(graph, distribution, DCAT.accessURL, URIRef(service.endpoint))
    _add(graph, distribution, DCAT.accessService, _resource(service.id))
    _add(graph, distribution, DCAT.mediaType, media_type)
    _add(graph, media_type, RDF.type, DCTERMS.MediaType)
    # DSP's `format` says how data travels, DCAT's which file it is: the first is a property of ours.
    _add(graph, distribution, WEFT.transferFormat, Literal(FORMAT))
    if dataset.media_type in _FILE_TYPES:
        file_type = URIRef(namespaces.FILE_TYPES + _FILE_TYPES[dataset.media_type])
        _add(graph, distribution, DCTERMS.format, file_type)
        _add(graph, file_type, RDF.type, DCTERMS.MediaTypeOrExtent)
    if dataset.bytes is not None:
        _add(graph, distribution, DCAT.byteSize, Literal(str(dataset.bytes), datatype=XSD.nonNegativeInteger))
    if dataset.rows is not None:
        _add(graph, distribution, WEFT.rows, Literal(str(dataset.rows), datatype=XSD.nonNegativeInteger))
    if dataset.sha256 is not None:
        checksum, algorithm = URIRef(f"{subject}#checksum"), URIRef(namespaces.SHA256_ALGORITHM)
        _add(graph, distribution, SPDX.checksum, checksum)
        _add(graph, checksum, RDF.type, SPDX.Checksum)
        _add(graph, checksum, SPDX.algorithm, algorithm)
        _add(graph, algorithm, RDF.type, SPDX.ChecksumAlgorithm)
        _add(graph, checksum, SPDX.checksumValue, Literal(dataset.sha256, datatype=XSD.hexBinary))
    if dataset.columns:
        schema = URIRef(f"{subject}#schema")
        _add(graph, distribution, CSVW.tableSchema, schema)
        _add(graph, schema, RDF.type, CSVW.Schema)
        columns = [_node(f"{subject}#column", index) for index in range(len(dataset.columns))]
        for node, column in zip(columns, dataset.columns, strict=True):
            _add(graph, node, CSVW.name, Literal(column.name))
            _add(graph, node, CSVW.datatype, Literal(column.type))
        _add(graph, schema, CSVW.column, _sequence(graph, f"{subject}#columns", columns))


def _add_offer(graph: Graph, subject: URIRef, offer: Offer, *, operator: bool) -> None:
    node = _resource(offer.id)
    _add(graph, subject, ODRL2.hasPolicy, node)
    _add(graph, node, RDF.type, ODRL2.Offer)
    _add(graph, node, DCTERMS.identifier, Literal(offer.id))
    _add(graph, node, WEFT.document, Literal(_json(offer.document), datatype=RDF.JSON))
    for digest in offer.terms:
        _add(graph, node, WEFT.terms, Literal(digest))
    for digest in offer.transforms:
        _add(graph, node, WEFT.transform, Literal(digest))
    if offer.price is not None:
        for name, value in offer.price.model_dump(exclude_none=True).items():
            _add(graph, node, WEFT[f"price{name.capitalize()}"], Literal(value))
    if operator:
        members: Sequence[str] = ("all",) if offer.audience == "all" else offer.audience
        for member in members:
            _add(graph, node, WEFT.audience, Literal(member))
        _add(graph, node, WEFT.decision, Literal(offer.decision))
        if offer.supersedes is not None:
            _add(graph, node, WEFT.supersedes, Literal(offer.supersedes))
    _add_rules(graph, node, offer.document, offer.id)


def _add_rules(graph: Graph, node: Node, rule: Mapping[str, JsonValue], path: str) -> None:
    """The ODRL triples of a policy, rule or constraint: lists become several triples, an order list an rdf:List."""
    for name, value in rule.items():
        predicate = _term(name)
        if name.startswith("@") or predicate is None:
            continue
        for index, item in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(item, dict):
                child = _node(f"{path}/{name}", index)
                _add(graph, node, predicate, child)
                _add_rules(graph, child, item, f"{path}/{name}/{index}")
            elif isinstance(item, str):
                _add(graph, node, predicate, _value(name, item))


def _value(name: str, text: str) -> Node:
    """Operands and actions are IRIs of a vocabulary, right operands are plain strings."""
    if name == "rightOperand":
        return Literal(text)
    return _term(text) or Literal(text)


def _term(name: str) -> URIRef | None:
    """The IRI of an ODRL term (`permission`, `odrl:remedy`) or an IRI as it is; nothing for what is neither."""
    if name.startswith("odrl:"):
        name = name.removeprefix("odrl:")
    elif ":" in name:
        # A term that is no IRI could not be written: it stands in weft:document only.
        return URIRef(name) if _ABSOLUTE.fullmatch(name) else None
    return URIRef(namespaces.ODRL + name) if name.isascii() and name.isalpha() else None


def _node(path: str, index: int) -> BNode:
    """A blank node with a name of its own, so that the same record is written the same way every time."""
    return BNode("n" + hashlib.sha256(f"{path}/{index}".encode()).hexdigest()[:20])


def _resource(name: str) -> URIRef:
    """An absolute IRI as it is; any other name, which DSP allows for ids, as one of ours."""
    return URIRef(name if _ABSOLUTE.fullmatch(name) else f"urn:weft:{percent_encoded(name)}")


def _sequence(graph: Graph, path: str, items: Sequence[Node]) -> Node:
    cells = [_node(path, index) for index in range(len(items))]
    for index, (cell, item) in enumerate(zip(cells, items, strict=True)):
        _add(graph, cell, RDF.first, item)
        _add(graph, cell, RDF.rest, cells[index + 1] if index + 1 < len(cells) else RDF.nil)
    return cells[0]


def _json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _nested(nodes: list[dict[str, JsonValue]]) -> list[JsonValue]:
    """The named nodes, with every blank node where it is referred to: ours are each referred to once."""
    blank = {str(node["@id"]): node for node in nodes if str(node.get("@id", "")).startswith("_:")}

    def inside(value: JsonValue) -> JsonValue:
        if isinstance(value, list):
            return [inside(item) for item in value]
        if isinstance(value, dict):
            node = blank.get(str(value["@id"]), value) if value.keys() == {"@id"} else value
            return {name: inside(member) for name, member in node.items() if name != "@id" or node is value}
        return value

    return [inside(node) for node in nodes if str(node.get("@id")) not in blank]


def _ordered(value: JsonValue) -> JsonValue:
    """The document with members by name and sets by content; `@list` keeps its order."""
    if isinstance(value, dict):
        return {name: value[name] if name == "@list" else _ordered(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return sorted((_ordered(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value
