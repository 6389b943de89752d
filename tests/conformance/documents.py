"""The four tests that only look: the version document and the catalogue."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.conformance.bodies import enveloped
from tests.conformance.client import Caller, FailedError
from tests.conformance.reading import document
from tests.conformance.script import UnderTest

VERSION = "2025-1"


async def _version(under_test: UnderTest, caller: Caller, _: Mapping[str, Any]) -> None:
    body = await caller.got(f"{under_test.root}/.well-known/dspace-version")
    try:
        entries = json.loads(body)["protocolVersions"]
        found = next(entry for entry in entries if entry["version"] == VERSION)
    except (ValueError, LookupError, TypeError, StopIteration) as error:
        raise FailedError(f"no entry with version {VERSION}: {body[:300]!r}") from error
    for member in ("path", "binding"):
        if found.get(member) is None:
            raise FailedError(f"the entry of {VERSION} has no {member}")


async def _catalog(under_test: UnderTest, caller: Caller, scenario: Mapping[str, Any]) -> None:
    answer = await caller.accepted(f"{under_test.dsp}/catalog/request", enveloped("CatalogRequestMessage"))
    ids = [item.get("@id") for item in document(answer, "Catalog").get("dataset", [])]
    if scenario["dataset"] not in ids:
        raise FailedError(f"the first page has {len(ids)} datasets, and {scenario['dataset']} is none of them")


async def _dataset(under_test: UnderTest, caller: Caller, scenario: Mapping[str, Any]) -> None:
    found = document(await caller.got(f"{under_test.dsp}/catalog/datasets/{scenario['dataset']}"), "Dataset")
    if found["@id"] != scenario["dataset"]:
        raise FailedError(f"the dataset's @id is {found['@id']}")


async def _no_dataset(under_test: UnderTest, caller: Caller, scenario: Mapping[str, Any]) -> None:
    document(await caller.looked(f"{under_test.dsp}/catalog/datasets/{scenario['dataset']}"), "CatalogError")


CHECKS: dict[str, Callable[[UnderTest, Caller, Mapping[str, Any]], Awaitable[None]]] = {
    "MET:01-01": _version,
    "CAT:01-01": _catalog,
    "CAT:01-02": _dataset,
    "CAT:01-03": _no_dataset,
}
