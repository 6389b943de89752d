"""Case 21: times with mixed offsets in a constraint are compared as instants, by the policy engine and in a real pull."""

from datetime import datetime

import pytest

from connector.exchange import command
from connector.store import delivery as deliveries
from contracts.transfer.table import State as TransferState
from policies.compile import compile_policy
from policies.evaluate import Request, State, evaluate
from policies.parse import parse_policy
from policies.publishable import check_publishable
from tests.cases.inputs import case
from tests.deliveries import agree, fetched, offer_file, reaches, start
from tests.offers import OFFER, constrained
from tests.pair import community

STRANGER = "did:web:somebody.example"
OPERATORS = ("eq", "neq", "lt", "lteq", "gt", "gteq")


def offer(operator, right):
    return constrained(leftOperand="odrl:dateTime", operator=operator, rightOperand=right)


def allowed(document, now):
    decision = evaluate(compile_policy(parse_policy(document)), Request("odrl:use", STRANGER), State(now))
    return decision.allowed


def test_instants_are_compared_and_not_texts():
    """Every row comes out as the case says, and is an offer that may be published."""
    rows = case("21-datetime-offsets")["rows"]
    judged = [allowed(offer(row["operator"], row["rightOperand"]), datetime.fromisoformat(row["now"])) for row in rows]
    assert judged == [row["satisfied"] for row in rows]
    assert {row["operator"] for row in rows} == {"eq", "neq", "lt", "lteq", "gteq"}
    assert not any(check_publishable(offer(row["operator"], row["rightOperand"])) for row in rows)


@pytest.mark.parametrize("name", ["leap", "not_a_date"])
def test_what_is_no_instant_is_refused_at_creation_and_never_satisfied(name):
    """A leap second and a time without zone are named where they stand, and permit nothing in either direction."""
    right = case("21-datetime-offsets")[name]["rightOperand"]
    for operator in OPERATORS:
        document = offer(operator, right)
        (problem,) = check_publishable(document)
        assert problem.path == "permission[0].constraint[0].rightOperand"
        for year in (1990, 2060):
            assert not allowed(document, datetime.fromisoformat(f"{year}-01-01T00:00:00Z"))


async def test_a_real_pull_compares_instants(tmp_path):
    """The daemons' clock shows 01:00Z: a use until 08:30+08:00 is over (00:30Z), one until 09:30+08:00 is not."""
    source = tmp_path / "rows.csv"
    source.write_text("a,b\n1,2\n")
    until_later = offer("lteq", "2026-11-10T09:30:00+08:00")
    from_later = constrained(
        "urn:offer:from", leftOperand="odrl:dateTime", operator="gteq", rightOperand="2026-11-10T00:30:00-08:00"
    )
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offer_file(steel, source, until_later, from_later)
        ours, _ = await start(steel, zhengshu, await agree(steel, zhengshu, offer=OFFER))
        delivery = await fetched(zhengshu, ours.pid)
        assert delivery.state is deliveries.State.RECEIVED
        refused = await command.start(zhengshu.node, agreement=await agree(steel, zhengshu, offer="urn:offer:from"))
        ended = await reaches(zhengshu, refused, TransferState.TERMINATED)
        assert ended.code == "outside-validity"
