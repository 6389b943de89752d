"""What we put on the wire is what the DSP 2025-1 schemas ask for, and says all we know."""

import json
from pathlib import Path

import pytest

from catalog.messages import (
    Service,
    catalog_error,
    catalog_text,
    dataset_body,
    dataset_head,
    dataset_parts,
    nested_catalog,
    offer_text,
    price_text,
    service_text,
)
from catalog.reader import read_catalog
from tests.catalog.samples import DATASET, FULL_OFFER, SERVICE, STEEL, schema_errors, simple

GOLDEN = Path(__file__).parent / "golden"


def catalog(*datasets, nested=()):
    texts = [
        dataset_parts(
            dataset_head(item),
            service_text(SERVICE, reference=True),
            [price_text(offer) for offer in item.offers],
            [offer_text(offer) for offer in item.offers],
        )
        for item in datasets
    ]
    text = catalog_text(catalog_id="urn:c", participant_id=STEEL, service=SERVICE, datasets=texts, nested=nested)
    return json.loads(text)


def test_golden_dataset():
    """One dataset with everything is written exactly so."""
    body = json.loads(dataset_body(DATASET, SERVICE))
    assert json.loads((GOLDEN / "dataset.json").read_text(encoding="utf-8")) == body
    assert schema_errors(body, "dataset") == []


@pytest.mark.parametrize("count", [0, 1, 2])
def test_lists_stay_lists(count):
    """0, 1 and 2 datasets: valid by the official schema, `dataset` absent at 0 and a list otherwise (cases 1)."""
    body = catalog(*(simple(f"lot-{number}") for number in range(count)))
    assert schema_errors(body, "catalog") == []
    assert count == len(body.get("dataset", []))
    assert ("dataset" in body) == (count > 0)
    assert "hasPolicy" not in body


def test_an_offer_travels_word_for_word():
    """Offers carry no target, no price, nothing that the publisher did not write."""
    assert FULL_OFFER in catalog(DATASET)["dataset"][0]["hasPolicy"]


def test_nested_catalogs_stand_under_catalog_only():
    """A catalog we point to is no dataset (cases 1c)."""
    body = catalog(simple("lot-1"), nested=[nested_catalog("plant-b", Service("plant-b#dsp", "https://b.example/dsp"))])
    assert schema_errors(body, "catalog") == []
    assert [item["@id"] for item in body["catalog"]] == ["plant-b"]
    assert [item["@id"] for item in body["dataset"]] == ["lot-1"]


def test_errors_have_a_body():
    """A CatalogError is valid with and without reasons."""
    assert schema_errors(catalog_error("404", ["There is no such dataset."]), "catalog-error") == []
    assert "reason" not in catalog_error("404", [])


def test_a_weft_peer_reads_back_what_we_know():
    """Titles in both languages, keywords, columns, sizes and prices survive our own wire."""
    page = read_catalog(catalog(DATASET), participant_id=STEEL)
    found = page.datasets[0]
    for name in ("id", "owner", "title", "description", "keywords", "columns", "rows", "bytes", "sha256", "version"):
        assert getattr(DATASET, name) == getattr(found, name), name
    for name in ("modified", "grade", "scenario", "inputs", "partial", "missing_inputs", "media_type"):
        assert getattr(DATASET, name) == getattr(found, name), name
    assert tuple(offer.document for offer in DATASET.offers) == found.offers
    assert {FULL_OFFER["@id"]: DATASET.offers[1].price} == found.prices
    assert found.formats == ("HttpData-PULL",)
    assert found.services == (SERVICE,)
