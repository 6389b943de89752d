"""The RDF worker: `python -m connector.rdf_worker`, one JSON request on standard input, one JSON answer on standard output.

The only module of `connector` that imports rdflib and pySHACL: 76 MB and the interpreter's lock stay in a process that ends
(architecture.md 7). Requests and answers:

    {"do": "check",  "base", "publisher", "datasets"}            -> {"findings": [{dataset, property, message, severity}]}
    {"do": "export", "base", "publisher", "datasets", "format"}  -> {"text"}       format: turtle | json-ld
    {"do": "read",   "base", "text", "format"}                   -> {"datasets"}
    whatever fails                                               -> {"error": {"code", "facts"}}

`datasets` are records (`Dataset.to_dict`), `publisher` is {participantId, name, endpoint}; with `"operator": true` an export
says who may see each offer. A single dataset is exported without the catalog around it by `"alone": true`.
"""

import sys
from typing import Any

import orjson

from catalog import graph, graph_reader, offline, shapes
from catalog.errors import CatalogFault
from catalog.messages import Service
from catalog.model import Dataset
from catalog.namespaces import dataset_iri


def main() -> int:
    """Answer the request on standard input; 0 also for an answer that is an error."""
    offline.lock()
    request = orjson.loads(sys.stdin.buffer.read())
    try:
        answer = answer_to(request)
    except CatalogFault as error:
        answer = {"error": {"code": error.code, "facts": error.facts}}
    sys.stdout.buffer.write(orjson.dumps(answer))
    return 0


def answer_to(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request; raises CatalogFault, or KeyError and ValueError for a request of another shape."""
    match request["do"]:
        case "check":
            return {"findings": _check(request)}
        case "export":
            write = {"turtle": graph.turtle, "json-ld": graph.json_ld}[request["format"]]
            return {"text": write(_graph(request))}
        case "read":
            found = graph_reader.parse(request["text"], base=request["base"], media=request.get("format", "turtle"))
            return {"datasets": [dataset.to_dict() for dataset in graph_reader.read_datasets(found)]}
        case other:
            raise ValueError(f"the worker has no {other!r}")


def _check(request: dict[str, Any]) -> list[dict[str, str]]:
    names = {dataset_iri(request["base"], item["id"]): item["id"] for item in request["datasets"]}
    return [
        {
            # Distribution, schema and checksum of a dataset have its IRI with a fragment.
            "dataset": names.get(finding.node.partition("#")[0], ""),
            "node": finding.node,
            "property": finding.property,
            "message": finding.message,
            "severity": finding.severity,
        }
        for finding in shapes.validate(_graph(request))
    ]


def _graph(request: dict[str, Any]) -> Any:
    given, base = request["publisher"], request["base"]
    publisher = graph.Publisher(
        participant_id=given["participantId"],
        name=given["name"],
        service=Service.of(given["participantId"], given["endpoint"]),
    )
    datasets = [Dataset.model_validate(item) for item in request["datasets"]]
    operator = bool(request.get("operator"))
    if request.get("alone") and len(datasets) == 1:
        return graph.dataset_graph(datasets[0], base=base, publisher=publisher, operator=operator)
    return graph.catalog_graph(datasets, base=base, publisher=publisher, operator=operator)


if __name__ == "__main__":
    sys.exit(main())
