"""The official examples are read, the official invalid samples are refused by the member's name, or read on purpose."""

import json

import pytest

from catalog.errors import UnreadableCatalogError
from catalog.reader import read_catalog, read_dataset
from connector.dsp.catalog import CatalogRequestMessage
from contracts.messages import read
from tests.shared import shared

A = "urn:example:DataProviderA"

# What the reader takes although the schema does not, and why (dataspace-protocol.md, edc-peer.md, cases).
LIBERAL = {
    "catalog_no-context": "an expanded catalog has no context (cases 1); nothing of ours needs it",
    "catalog_no-id": "nothing refers to the id of another's catalog",
    "catalog_no-participant-id": "it belongs to who was asked (cases 1, expanded form)",
    "catalog_no-service-id": "its datasets are read; the service is recorded by name",
    "catalog_no-service-endpoint": "its datasets are read; the service is recorded by name",
    "dataset_no-distribution": "an EDC without a data plane has datasets without distribution (edc-peer.md 6)",
    "dataset_no-distribution-format": "a dataset that cannot be fetched can still be found and negotiated (edc-peer.md 6)",
}
REFUSED = {"dataset_no-id": "@id", "dataset_no-policy": "hasPolicy"}
NOT_READ = {
    "catalog-error_code-not-a-string": "of an error of others only the HTTP status is read",
    "catalog-error_missing-context": "of an error of others only the HTTP status is read",
    "catalog-error_reason-not-an-array": "of an error of others only the HTTP status is read",
}


def sample(name):
    return json.loads(shared(f"data/dsp/{name}.json").read_text(encoding="utf-8"))


def test_the_example_catalog_is_read():
    """One dataset with its offer, format and the service it refers to."""
    page = read_catalog(sample("catalog/example/catalog"), participant_id=A)
    assert (page.participant_id, page.unreadable) == (A, [])
    (dataset,) = page.datasets
    assert dataset.formats == ("HttpData-PULL",)
    assert [service.endpoint for service in dataset.services] == ["https://provider-a.com/connector"]
    assert dataset.offers[0]["permission"][0]["constraint"][0]["leftOperand"] == "spatial"


def test_the_example_of_a_nested_catalog_is_read():
    """It points elsewhere: no dataset, one service."""
    page = read_catalog(sample("catalog/example/nested-catalog"), participant_id=A)
    assert (page.datasets, page.unreadable) == ([], [])
    assert [service.endpoint for service in page.elsewhere] == ["https://provder-a.com/subcatalog"]


def test_the_example_dataset_is_read():
    """With its embedded service."""
    dataset = read_dataset(sample("catalog/example/dataset"), participant_id=A)
    assert dataset.id == "urn:uuid:3afeadd8-ed2d-569e-d634-8394a8836d57"
    assert [service.endpoint for service in dataset.services] == ["https://provider-a.com/connector"]


def test_the_example_request_is_read():
    """Its empty filter asks for everything."""
    assert read(CatalogRequestMessage, sample("catalog/example/catalog-request-message")).filter == []


@pytest.mark.parametrize("name", ["catalog-error", "catalog-request-message", "dataset-request-message"])
def test_another_example_is_no_catalog(name):
    """Said as such, never half-read."""
    with pytest.raises(UnreadableCatalogError, match="@type"):
        read_catalog(sample(f"catalog/example/{name}"))


@pytest.mark.parametrize("name", REFUSED)
def test_an_invalid_dataset_is_refused_by_the_members_name(name):
    """Alone, and inside a catalog, where its neighbours are read."""
    broken = sample(f"invalid/catalog/{name}")
    with pytest.raises(UnreadableCatalogError, match=REFUSED[name]):
        read_dataset(broken, participant_id=A)
    page = read_catalog({"@type": "Catalog", "dataset": [broken, *sample("catalog/example/catalog")["dataset"]]})
    assert [REFUSED[name] in item.problem for item in page.unreadable] == [True]
    assert len(page.datasets) == 1


@pytest.mark.parametrize("name", LIBERAL)
def test_what_is_read_on_purpose(name):
    """Everything that can be used is used."""
    document = sample(f"invalid/catalog/{name}")
    if name.startswith("dataset"):
        assert read_dataset(document, participant_id=A).offers
        return
    page = read_catalog(document, participant_id=A)
    assert (page.participant_id, len(page.datasets)) == (A, 1)
    broken = {"catalog_no-service-id": "service.0.@id", "catalog_no-service-endpoint": "service.0.endpointURL"}
    assert [item.problem.split(" ")[0] for item in page.unreadable] == ([broken[name]] if name in broken else [])


@pytest.mark.parametrize("name", NOT_READ)
def test_what_is_not_read(name):
    """Skipped with its reason."""
    sample(f"invalid/catalog/{name}")
    pytest.skip(NOT_READ[name])


def test_no_invalid_sample_is_left_out():
    """The three tables are complete, and so is that of version documents and contexts (test_discovery.py)."""
    found = {path.stem for path in shared("data/dsp/invalid/catalog").glob("*.json")}
    assert found == {*LIBERAL, *REFUSED, *NOT_READ}
    others = {path.stem.partition("_")[0] for path in shared("data/dsp/invalid/common").glob("*.json")}
    assert others == {"version", "context"}
