"""The one decision: at any instant, for either side, with the counters and the member list of now."""

from datetime import datetime

import pytest

from connector.exchange.decide import decide
from connector.store import agreement as agreements
from connector.store import counter
from policies.counters import CounterWindow
from tests.deliveries import (
    agree,
    offer_file,
    scenario_dataset,
    scenario_documents,
    scenario_file,
    scenario_offer,
)
from tests.pair import community

PURPOSE = "supply-chain-control"
LAST = "2026-12-31T23:59:59+08:00"


@pytest.fixture
async def a1(tmp_path):
    """Provider, consumer and the digest of agreement A1 of the scenario."""
    offer = scenario_offer("A1")
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        documents = {"terms": scenario_documents("terms"), "transforms": scenario_documents("transforms")}
        dataset = scenario_dataset("A-D1")
        await offer_file(steel, scenario_file("A-D1"), offer, dataset=dataset, **documents)
        yield steel, zhengshu, await agree(steel, zhengshu, dataset=dataset, offer=offer["@id"])


async def asked(daemon, digest, *, at=LAST, purpose=PURPOSE, columns=None, action="odrl:use", **more):
    def work(tx):
        agreement = agreements.get(tx, digest)
        now = datetime.fromisoformat(at)
        return decide(tx, daemon.node, agreement, action=action, purpose=purpose, columns=columns, now=now, **more)

    decision = await daemon.node.db.read(work)
    return decision.allowed, decision.reason, decision.left_operand


@pytest.mark.parametrize(
    ("more", "reason", "operand"),
    [
        ({}, None, None),
        ({"at": "2027-01-01T00:00:00+08:00"}, "outside-validity", "odrl:dateTime"),
        ({"purpose": "model-training"}, "constraint-not-satisfied", "odrl:purpose"),
        ({"purpose": None}, "value-missing", "odrl:purpose"),
        ({"region": "CN-11"}, "constraint-not-satisfied", "odrl:spatial"),
        (
            {"columns": ("coil_no", "inspector_name")},
            "constraint-not-satisfied",
            "https://w3id.org/weft/policy/v1#columns",
        ),
        ({"transforms": ()}, "duty-unfulfilled", "https://w3id.org/weft/policy/v1#transform"),
        ({"action": "odrl:distribute"}, "prohibited", None),
    ],
)
async def test_what_the_agreement_says(a1, more, reason, operand):
    """A-R1, A-R3, A-R3b, A-R5, A-R5b of the scenario as a dry run; both sides decide alike."""
    steel, zhengshu, digest = a1
    for daemon in (steel, zhengshu):
        allowed, found, left = await asked(daemon, digest, **more)
        assert (allowed, found) == (reason is None, reason)
        if operand is not None:
            assert left == operand


async def test_a_decision_reads_the_counters_of_its_day(a1):
    """Three counted on one day of Shanghai deny the fourth; the next day begins anew."""
    steel, _, digest = a1

    def three(tx):
        agreement = agreements.get(tx, digest)
        at = datetime.fromisoformat("2026-11-10T23:59:00+08:00")
        reserve = decide(tx, steel.node, agreement, action="odrl:use", purpose=PURPOSE, columns=None, now=at).reserve
        assert [type(window) for window in reserve] == [CounterWindow]
        for _ in range(3):
            assert counter.reserve(tx, digest, reserve) is None

    await steel.node.db.transact(three)
    assert (await asked(steel, digest, at="2026-11-10T00:00:00+08:00"))[1] == "counter-exhausted"
    assert (await asked(steel, digest, at="2026-11-11T00:00:00+08:00"))[0]
