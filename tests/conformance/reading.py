"""How the kit reads a connector: JSON-LD with known contexts only, `@type` as one string, and the official schemas."""

import json
import re
from typing import Any

from jsonschema import ValidationError

from tests.conformance.bodies import CONTEXT
from tests.conformance.client import FailedError
from tests.dspschema import validate

KNOWN = {CONTEXT, "https://w3id.org/dspace/2025/1/odrl-profile.jsonld"}
_FOLDERS = {"Contract": "negotiation", "Transfer": "transfer", "Catalog": "catalog", "Dataset": "catalog"}


def schema_of(type_: str) -> str:
    """The schema of a type: `TransferStartMessage` is `transfer/transfer-start-message-schema.json`."""
    words = re.findall("[A-Z][a-z]*", type_)
    return f"{_FOLDERS[words[0]]}/{'-'.join(words).lower()}-schema.json"


def document(body: bytes, type_: str) -> dict[str, Any]:
    """The root object of this type; raises FailedError where the kit would trip."""
    try:
        found = json.loads(body)
    except ValueError as error:
        raise FailedError(f"{type_} expected, but the body is not JSON ({error}): {body[:200]!r}") from error
    if not isinstance(found, dict) or found.get("@type") != type_:
        shown = found.get("@type") if isinstance(found, dict) else type(found).__name__
        raise FailedError(f"{type_} expected, found {shown!r}")
    unknown = [item for item in _contexts(found) if not isinstance(item, str) or item not in KNOWN]
    if unknown:
        raise FailedError(f"{type_} has a context that the kit does not know: {unknown[0]!r}")
    return valid(found, schema_of(type_))


def valid(found: Any, schema: str) -> dict[str, Any]:
    """A document that its official schema allows; raises FailedError."""
    try:
        validate(found, schema)
    except ValidationError as error:
        raise FailedError(f"not valid by {schema}: {error.json_path}: {error.message[:300]}") from error
    return found


def _contexts(found: dict[str, Any]) -> list[Any]:
    contexts = found.get("@context", [])
    return contexts if isinstance(contexts, list) else [contexts]
