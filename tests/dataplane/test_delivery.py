"""A delivery from the file of one daemon to the file of the other: verified, receipted, recorded once on each side."""

import hashlib
import json
from pathlib import Path

from connector.store import usage
from connector.store.delivery import State
from contracts.transfer.table import State as TransferState
from tests.deliveries import (
    agree,
    expected,
    fetched,
    offer_file,
    reaches,
    records,
    scenario_documents,
    scenario_file,
    scenario_offer,
    sent,
    start,
)
from tests.pair import community

PURPOSE = "supply-chain-control"
PSEUDONYM = {"691320115MA1DEM030Y3201000000016": "demo-key-A4"}


def beside(delivery):
    """The bytes of a delivery, its manifest and its final receipt, as they lie beside each other."""
    path = Path(delivery.path)
    documents = (json.loads(Path(f"{path}.{kind}.json").read_bytes())["document"] for kind in ("manifest", "receipt"))
    return path.read_bytes(), *documents


async def test_a_masked_delivery_has_the_golden_bytes_and_is_recorded_on_both_sides(tmp_path):
    """A4 of the scenario: dropped and pseudonymised columns, a manifest, receipts, one equal usage record on each side."""
    golden = expected()["deliveries"]["A4"]
    async with community(tmp_path, "p-logistics", "s-zhengshu", test_pseudonym_keys=PSEUDONYM) as (logistics, zhengshu):
        dataset = "691320115MA1DEM030Y3201000000016"
        offer = scenario_offer("A4")
        await offer_file(
            logistics,
            scenario_file("A-D4"),
            offer,
            dataset=dataset,
            terms=tuple(scenario_documents("terms")),
            transforms=tuple(scenario_documents("transforms")),
        )
        agreement = await agree(logistics, zhengshu, dataset=dataset, offer=offer["@id"])
        ours, theirs = await start(logistics, zhengshu, agreement, PURPOSE)
        delivery = await fetched(zhengshu, ours.pid)
        assert (delivery.state, delivery.code) == (State.RECEIVED, "")
        data, manifest, receipt = beside(delivery)
        assert hashlib.sha256(data).hexdigest() == golden["sha256"]
        assert (delivery.rows, delivery.size) == (golden["rows"], golden["bytes"])
        assert manifest["transform"] == golden["transform"]
        assert manifest["purpose"] == PURPOSE
        assert (receipt["rows"], receipt["purpose"]) == (golden["rows"], PURPOSE)
        (provided,) = await sent(logistics, theirs.pid)
        assert provided.state is State.RECEIVED
        assert provided.receipt == delivery.receipt
        (ours_counted,), (theirs_counted,) = [await each.node.db.read(usage.page) for each in (zhengshu, logistics)]
        for name in ("id", "occurred", "accepted", "rejected", "bytes", "manifest", "receipt", "transfer", "epoch"):
            assert getattr(ours_counted, name) == getattr(theirs_counted, name)
        assert ours_counted.accepted == golden["rows"]
        await reaches(logistics, theirs.pid, TransferState.COMPLETED)
        refs = [
            sorted(
                ref
                for record in await records(each)
                for ref in record["refs"]
                if ref.startswith(("manifest", "receipt"))
            )
            for each in (logistics, zhengshu)
        ]
        assert set(refs[0]) == set(refs[1]) != set()
