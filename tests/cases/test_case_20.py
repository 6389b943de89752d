"""Cases 20 and 35: what is over is refused before it is agreed, by whoever sees it first; who sees an offer is another question."""

import uuid
from datetime import timedelta

import pytest

from connector.exchange import command
from connector.store import agreement as agreements
from connector.store import negotiation as negotiations
from connector.store import transfer as transfers
from contracts.errors import BrokenRuleError
from contracts.negotiation.table import State
from policies.compile import compile_policy
from policies.facts import static_problems
from policies.parse import parse_policy
from policies.publishable import check_publishable
from tests.cases.inputs import case
from tests.deliveries import agree, fetched, offer_file, records, start
from tests.offers import DATASET, OFFER, constrained, free_offer, publish
from tests.pair import START, community, did, until
from tests.speaker import Speaker, message

STEEL, ZHENGSHU, FRIEND = did("p-steel"), did("s-zhengshu"), did("only-friend")
PAST, LATER = "2020-01-01T00:00:00Z", (START + timedelta(hours=1)).isoformat()


def valid(operator, moment):
    return constrained(leftOperand="odrl:dateTime", operator=operator, rightOperand=moment)


@pytest.fixture
async def pair(tmp_path):
    async with community(tmp_path, "p-steel", "s-zhengshu") as daemons:
        yield daemons


async def reaches(daemon, pid, state):
    return await until(
        daemon,
        f"negotiation:{pid}",
        lambda tx: n if (n := negotiations.get(tx, pid)) and n.state is state else None,
    )


async def no_agreement(*daemons):
    return all([await daemon.node.db.read(agreements.page) == [] for daemon in daemons])


async def test_a_policy_whose_time_has_passed_is_not_agreed_and_the_date_is_named(pair):
    """Row 1: the provider refuses the request with the date; both sides end without an agreement."""
    assert "2020-01-01" in case("20-in-force")["rows"][0]["policy"]
    steel, zhengshu = pair
    await publish(steel, valid("lteq", PAST))
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)
    ended = await reaches(zhengshu, pid, State.TERMINATED)
    assert ended.code == "terms-never-fulfilled"
    assert "2020-01-01" in ended.reason
    assert await no_agreement(steel, zhengshu)


async def test_a_person_cannot_agree_to_what_is_over(pair):
    """The terms ran out while the request waited: the operator is told so, and nothing is sent."""
    steel, zhengshu = pair
    await publish(steel, valid("lteq", LATER), decision="person")
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)
    ours = await reaches(zhengshu, pid, State.REQUESTED)
    steel.clock.offset += timedelta(hours=2)
    with pytest.raises(BrokenRuleError, match="terms-never-fulfilled") as caught:
        await command.agree(steel.node, ours.peer_pid)
    assert "2026-11-10" in caught.value.facts["problem"]
    await reaches(steel, ours.peer_pid, State.REQUESTED)
    assert await no_agreement(steel, zhengshu)


OVER = {
    "the time is over": (valid("lteq", LATER), timedelta(hours=2)),
    "the instant is over": (valid("eq", LATER), timedelta(hours=2)),
    "over in every branch": (
        free_offer(
            permission=[
                {
                    "action": "odrl:use",
                    "constraint": [
                        {
                            "or": [
                                {"leftOperand": "odrl:dateTime", "operator": "lt", "rightOperand": LATER},
                                {"leftOperand": "odrl:recipient", "operator": "eq", "rightOperand": FRIEND},
                            ]
                        },
                        {"leftOperand": "https://vendor.example/ns/shift", "operator": "eq", "rightOperand": "night"},
                    ],
                }
            ]
        ),
        timedelta(hours=2),
    ),
}


@pytest.mark.parametrize("name", OVER)
async def test_an_agreement_that_is_over_is_not_verified_by_the_consumer(pair, name):
    """A provider that agrees all the same gets 400 with the reason; the consumer keeps nothing and verifies nothing."""
    offer, passed = OVER[name]
    steel, zhengshu = pair
    await publish(steel, offer, decision="person")
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)
    ours = await reaches(zhengshu, pid, State.REQUESTED)
    zhengshu.clock.offset += passed
    async with Speaker(steel, zhengshu) as speaker:
        token = speaker.token(
            now=zhengshu.clock.now()
        )  # the provider's clock is right, too: only its daemon stands at the first hour
        status, answer = await speaker.send(f"/negotiations/{pid}/agreement", agreement(ours, offer), token=token)
    assert (status, answer["code"]) == (400, "terms-never-fulfilled")
    assert "2026-11-10T02:00" in answer["reason"][0]
    await reaches(zhengshu, pid, State.REQUESTED)
    assert await no_agreement(zhengshu)
    assert "negotiation.agreed" not in [record["type"] for record in await records(zhengshu)]


async def test_what_only_the_provider_can_judge_is_left_to_it(pair):
    """An operand of the provider's own, and a time that has not begun, are no reason for the consumer to refuse."""
    offer = free_offer(
        permission=[
            {
                "action": "odrl:use",
                "constraint": [
                    {"leftOperand": "https://vendor.example/ns/shift", "operator": "eq", "rightOperand": "night"},
                    {"leftOperand": "odrl:dateTime", "operator": "gteq", "rightOperand": LATER},
                ],
            }
        ]
    )
    steel, zhengshu = pair
    await publish(steel, offer, decision="person")
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)
    ours = await reaches(zhengshu, pid, State.REQUESTED)
    async with Speaker(steel, zhengshu) as speaker:
        status, _ = await speaker.send(f"/negotiations/{pid}/agreement", agreement(ours, offer))
    assert status == 200
    with pytest.raises(BrokenRuleError, match="terms-never-fulfilled"):
        await command.agree(steel.node, ours.peer_pid)


def agreement(negotiation, offer):
    pids = {"providerPid": negotiation.peer_pid, "consumerPid": negotiation.pid}
    document = {
        **offer,
        "@id": f"urn:uuid:{uuid.uuid4()}",
        "@type": "Agreement",
        "target": DATASET,
        "assigner": STEEL,
        "assignee": ZHENGSHU,
        "timestamp": "2026-11-10T01:00:00Z",
    }
    return message("ContractAgreementMessage", **pids, agreement=document)


@pytest.mark.parametrize(
    ("operator", "moment", "hopeless"),
    [
        ("lteq", START, False),
        ("lt", START, True),
        ("eq", START, False),
        ("eq", START - timedelta(seconds=1), True),
        ("eq", START + timedelta(seconds=1), False),
        ("neq", START, False),
        ("gteq", START + timedelta(days=999), False),
    ],
)
def test_over_means_that_no_later_instant_can_hold(operator, moment, hopeless):
    """At the very instant `lteq` and `eq` still hold; what begins later is no problem of an agreement."""
    plan = compile_policy(parse_policy(valid(operator, moment.isoformat())))
    for undecidable in (True, False):
        assert bool(static_problems(plan, ZHENGSHU, "CN-32", START, undecidable=undecidable)) is hopeless


async def test_a_policy_about_nothing_but_time_is_accepted_and_ends_with_its_time(pair, tmp_path):
    """Rows 2 and 4: agreed and delivered; when the time is over a new transfer is refused with that reason."""
    steel, zhengshu = pair
    source = tmp_path / "rows.csv"
    source.write_text("a,b\n1,2\n")
    await offer_file(steel, source, valid("lteq", LATER))
    digest = await agree(steel, zhengshu)
    ours, _ = await start(steel, zhengshu, digest)
    assert (await fetched(zhengshu, ours.pid)).code == ""
    for daemon in pair:
        daemon.clock.offset += timedelta(hours=2)
    refused = await command.start(zhengshu.node, agreement=digest)
    assert await until(zhengshu, f"transfer:{refused}", lambda tx: _code(tx, refused)) == "outside-validity"


def _code(tx, pid):
    return transfers.get(tx, pid).code


async def test_what_begins_later_is_agreed_now_and_refused_until_then_with_the_time(pair, tmp_path):
    """Row 3: the transfer is refused now, and the reason has the time from which it will work."""
    steel, zhengshu = pair
    source = tmp_path / "rows.csv"
    source.write_text("a,b\n1,2\n")
    await offer_file(steel, source, valid("gteq", LATER))
    digest = await agree(steel, zhengshu)
    early = await command.start(zhengshu.node, agreement=digest)
    assert await until(zhengshu, f"transfer:{early}", lambda tx: _code(tx, early)) == "outside-validity"
    ended = await zhengshu.node.db.read(lambda tx: tx.one("transfer.get", pid=early))
    assert "2026-11-10" in ended["reason"]
    for daemon in pair:
        daemon.clock.offset += timedelta(hours=2)
    ours, _ = await start(steel, zhengshu, digest)
    assert (await fetched(zhengshu, ours.pid)).code == ""


def test_an_unknown_unit_is_refused_at_creation():
    """Row 5, and EDC's `inForceDate` altogether: an operand we cannot decide is never published."""
    row = case("20-in-force")["rows"][4]["policy"]
    left, operator, right = row.split(" ")
    (problem,) = check_publishable(
        constrained(leftOperand=f"https://w3id.org/edc/v0.0.1/ns/{left}", operator=operator, rightOperand=right)
    )
    assert problem.path == "permission[0].constraint[0]"


# -- 35: who sees it, and who may have it --------------------------------------------------------------------------------


async def seen(speaker):
    _, catalog = await speaker.send("/catalog/request", message("CatalogRequestMessage"))
    return catalog.get("dataset", [])


async def test_a_stranger_sees_the_terms_he_would_have_to_meet_and_is_refused_by_their_name(pair):
    """Only the audience decides on visibility; the contract's constraint stands in the catalog and in the refusal."""
    given = case("35-access-and-contract-policy")
    friend = given["contract_policy"].rpartition(" ")[2]
    steel, zhengshu = pair
    await publish(steel, constrained(leftOperand="odrl:recipient", operator="eq", rightOperand=friend))
    async with Speaker(zhengshu, steel) as speaker:
        (dataset,) = await seen(speaker)
    (constraint,) = dataset["hasPolicy"][0]["permission"][0]["constraint"]
    assert constraint == {"leftOperand": "odrl:recipient", "operator": "eq", "rightOperand": friend}
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)
    ended = await reaches(zhengshu, pid, State.TERMINATED)
    assert ended.code == "terms-never-fulfilled"
    assert friend in ended.reason
    assert await no_agreement(steel, zhengshu)


async def test_with_the_policies_swapped_a_stranger_sees_nothing(pair):
    """Offered to the friend alone without any constraint: not in the catalog, and as unknown as what does not exist."""
    steel, zhengshu = pair
    await publish(steel, audience=[FRIEND])
    async with Speaker(zhengshu, steel) as speaker:
        assert await seen(speaker) == []
        assert (await speaker.send(f"/catalog/datasets/{DATASET}", method="GET"))[0] == 404
