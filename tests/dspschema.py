"""The official JSON Schemas of DSP 2025-1, read in place, with their known defect mended on loading (see their README)."""

import json
from functools import cache

from jsonschema import Draft201909Validator
from referencing import Registry, Resource

from tests.shared import shared


@cache
def _registry():
    resources = []
    for path in sorted(shared("data/dsp").rglob("*-schema.json")):
        document = json.loads(path.read_text(encoding="utf-8").replace("json#definitions/", "json#/definitions/"))
        resources.append((document["$id"], Resource.from_contents(document)))
    return Registry().with_resources(resources)


def validate(document, schema):
    """Raise ValidationError unless `document` is valid by `negotiation/contract-request-message-schema.json` or the like."""
    uri = f"https://w3id.org/dspace/2025/1/{schema}"
    Draft201909Validator({"$ref": uri}, registry=_registry()).validate(document)
