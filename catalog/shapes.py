"""SHACL checks of what is published and imported, against `shapes/weft.ttl`. Runs in the worker, like all RDF work."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal as OneOf

import pyshacl
from rdflib import Graph
from rdflib.namespace import RDF, SH
from rdflib.term import Node

from catalog import offline


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One result of a check: the node at fault, the property that is missing or wrong, and why.

    A `violation` blocks publishing, a `warning` is a hint.
    """

    node: str
    property: str
    message: str
    severity: OneOf["violation", "warning"]


def validate(graph: Graph) -> list[Finding]:
    """Every finding, sorted; no violation among them means the graph may be published."""
    offline.lock()
    # Not followed: owl:imports would be another way to make the library fetch something.
    _, results, _ = pyshacl.validate(
        graph, shacl_graph=_shapes(), advanced=False, do_owl_imports=False, inference="none", meta_shacl=False
    )
    return sorted(
        Finding(
            node=_name(results.value(result, SH.focusNode)),
            property=_name(results.value(result, SH.resultPath)),
            message=str(results.value(result, SH.resultMessage)),
            severity="violation" if results.value(result, SH.resultSeverity) == SH.Violation else "warning",
        )
        for result in results.subjects(RDF.type, SH.ValidationResult)
    )


@cache
def _shapes() -> Graph:
    shapes = Graph(bind_namespaces="none")
    shapes.parse(data=(files("catalog") / "shapes" / "weft.ttl").read_text(encoding="utf-8"), format="turtle")
    return shapes


def _name(node: Node | None) -> str:
    return "" if node is None else str(node)
