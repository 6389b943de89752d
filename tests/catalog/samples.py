"""One dataset with everything a dataset can have, its publisher, and the official DSP schemas."""

import json
from functools import cache

from jsonschema import Draft201909Validator
from referencing import Registry, Resource

from catalog.graph import Publisher
from catalog.messages import Service
from catalog.model import Column, Dataset, Derivation, Offer, Price
from tests.shared import shared

STEEL, ZHENGSHU, OEM = "did:web:p-steel.example", "did:web:s-zhengshu.example", "did:web:p-oem.example"
ENDPOINT = "https://p-steel.example/dsp/2025-1"
SERVICE = Service.of(STEEL, ENDPOINT)
PUBLISHER = Publisher(STEEL, {"zh": "锡澄特钢", "en": "Xicheng Special Steel"}, SERVICE)

TRANSFORM = "sha-256:" + "e2" * 32
TERMS = "sha-256:" + "16" * 32
BUNDLE = "sha-256:" + "eb" * 32


def constraint(left, operator, right):
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def settle(digest):
    return {
        "action": "https://w3id.org/weft/revshare/v1#settle",
        "constraint": [constraint("https://w3id.org/weft/revshare/v1#settlementTerms", "eq", digest)],
    }


def document(identifier, **members):
    return {"@id": identifier, "@type": "Offer", "permission": [{"action": "odrl:use"}], **members}


FULL_OFFER = document(
    "urn:uuid:5f0c2f0e-6f5b-4a57-9a0e-0d5a8f1e0a01",
    profile=["https://w3id.org/weft/policy/v1", "https://w3id.org/weft/revshare/v1"],
    permission=[
        {
            "action": "odrl:use",
            "constraint": [
                constraint("odrl:purpose", "eq", "supply-chain-control"),
                {"or": [constraint("odrl:spatial", "eq", region) for region in ("CN-31", "CN-32")]},
            ],
            "duty": [
                {
                    "action": "https://w3id.org/weft/policy/v1#desensitize",
                    "constraint": [constraint("https://w3id.org/weft/policy/v1#transform", "eq", TRANSFORM)],
                }
            ],
        }
    ],
    prohibition=[
        {"action": "odrl:distribute", "odrl:remedy": [{"action": "https://w3id.org/weft/policy/v1#alert"}]},
    ],
    obligation=[settle(TERMS), settle(BUNDLE)],
)

DATASET = Dataset(
    id="691320281MA1DEM000K320200000001*",
    owner=STEEL,
    title={"zh": "钢卷质量", "en": "Coil quality"},
    description={"zh": "逐卷力学性能", "en": "Mechanical properties per coil"},
    keywords=[{"zh": "钢卷", "en": "coil"}, "S235JR"],
    columns=(
        Column(name="coil_no"),
        Column(name="rp02_mpa", type="integer"),
        Column(name="test_time", type="dateTime"),
    ),
    rows=240,
    bytes=21360,
    sha256="348ff9c0a33ab314e0b96ecf3371579a375b582ae956c81df4686c9f16829fd2",
    version="2026-11-10",
    modified="2026-11-10T09:00:00+08:00",
    grade="一般3级",
    scenario="U0100",
    inputs=("A-D2", "A-D1"),
    partial=True,
    missing_inputs=("A-D1",),
    derivations=(
        Derivation(
            dataset="A-D2",
            owner="did:web:p-stamp.example",
            iri="https://p-stamp.example/datasets/A-D2",
            agreement="sha-256:" + "a2" * 32,
        ),
        Derivation(dataset="A-D1", owner=STEEL, iri="https://p-steel.example/dsp/2025-1/datasets/A-D1"),
    ),
    offers=(
        Offer(
            id=FULL_OFFER["@id"],
            document=FULL_OFFER,
            audience="all",
            decision="automatic",
            price=Price(kind="Subscription", amount="60000.00", currency="CNY"),
        ),
        Offer(id="offer 2", document=document("offer 2"), audience=(ZHENGSHU, OEM), supersedes="offer 1"),
    ),
)


def simple(identifier, *, audience="all", offers=1, owner=STEEL, **members):
    """A dataset with as many plain offers as asked for."""
    given = {"title": {"en": identifier}, "description": {"en": identifier}, **members}
    made = tuple(
        Offer(id=f"{identifier}/offer-{number}", document=document(f"{identifier}/offer-{number}"), audience=audience)
        for number in range(offers)
    )
    return Dataset(id=identifier, owner=owner, offers=made, **given)


@cache
def _registry():
    schemas = [json.loads(path.read_text()) for path in sorted(shared("data/dsp").glob("*/*-schema.json"))]
    catalog_side = [schema for schema in schemas if "/transfer/" not in schema["$id"]]
    return Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in catalog_side)


def schema_errors(body, name):
    """What the official schema `catalog/{name}-schema.json` says against a body."""
    registry = _registry()
    schema = registry.contents(f"https://w3id.org/dspace/2025/1/catalog/{name}-schema.json")
    return [error.message for error in Draft201909Validator(schema, registry=registry).iter_errors(body)]
