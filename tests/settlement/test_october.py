"""October of the six companies, from the ledger to six equal digests: each side computes alone, all figures are the scenario's."""

import json

import pytest

from connector.exchange import settlement as closing
from connector.store import settlement
from connector.store.settlement import State
from tests.pair import community, did
from tests.settling import NAMES, OCTOBER, bundle_digest, conclude, expected, ledgers, reaches, sign_all, state_all


@pytest.fixture
async def six(tmp_path):
    """Six daemons with agreements A1 to A7, the bundle signed by all."""
    async with community(tmp_path, *NAMES) as found:
        daemons = dict(zip(NAMES, found, strict=True))
        await conclude(daemons)
        await sign_all(daemons)
        yield daemons


async def test_october_is_settled_to_the_fen_and_in_digest(six):
    """Everybody imports, states, closes; all statements become agreed, and equal the shared documents byte for byte."""
    await ledgers(six)
    await state_all(six)
    for daemon in six.values():
        await closing.close(daemon.node, OCTOBER)
    figures = expected()["settlement"][OCTOBER]
    for name, daemon in six.items():
        found = await reaches(daemon, "RISK-2026", State.AGREED)
        assert found.digest == figures["bundle_statement_digest"], name
        assert found.document == figures["bundle_statement"], name
        seals = await daemon.node.db.read(lambda tx, found=found: settlement.seals(tx, found.digest))
        assert sorted(seals) == sorted(did(each) for each in NAMES)
        record = await daemon.node.db.read(lambda tx: settlement.newest_input(tx, bundle_digest(), OCTOBER))
        assert (record.digest, record.document) == (figures["period_input_digest"], figures["period_input"])
    for ref, statement in figures["bilateral_statements"].items():
        for party in (statement["statement"]["provider"], statement["statement"]["consumer"]):
            daemon = next(each for each in six.values() if each.node.participant == party)
            found = await reaches(daemon, ref, State.AGREED)
            assert (found.digest, json.loads(found.body)) == (statement["digest"], statement["statement"])
