"""Counter-offers on terms: both sides' words are compared in sentences and money before a person answers, and the answer is kept."""

import json
from functools import partial

import pytest

from connector.errors import RefusedError, UnreachableError
from connector.exchange import approve, command, difference, documents, outgoing
from connector.store import agreement as agreements
from connector.store import catalog
from connector.store import negotiation as negotiations
from contracts.errors import IllegalTransitionError
from contracts.machine import Role
from contracts.negotiation.model import Negotiation
from contracts.negotiation.table import State
from policies.canonical import canonical, digest
from tests.deliveries import records
from tests.offers import DATASET, OFFER, free_offer, publish
from tests.pair import community, did, until
from tests.terms import bundle, cited, free, purchase, subscription

STEEL, ZHENGSHU = did("p-steel"), did("s-zhengshu")
OFFERED, ASKED = subscription(), subscription(free=1_500)
PRICED, WANTED = free_offer(obligation=cited(OFFERED)), free_offer(obligation=cited(ASKED))


@pytest.fixture
async def pair(tmp_path):
    async with community(tmp_path, "p-steel", "s-zhengshu") as daemons:
        yield daemons


async def hold(daemon, *documents_):
    """Documents of ours, as they were published or brought along."""
    for document in documents_:
        await daemon.node.db.transact(partial(catalog.put_document, kind="terms", body=canonical(document)))


async def holds(daemon, document):
    return await daemon.node.db.read(lambda tx: catalog.document(tx, digest(canonical(document)))) is not None


async def reaches(daemon, pid, *states):
    def check(tx):
        found = negotiations.get(tx, pid)
        return found if found and found.state in states else None

    return await until(daemon, f"negotiation:{pid}", check)


async def waiting(daemon):
    """What waits for a person, once something does."""
    return await until(daemon, "audit", negotiations.waiting)


async def differs(daemon, pid):
    found = await daemon.node.db.read(lambda tx: negotiations.get(tx, pid))
    return await difference.of(daemon.node, found)


async def asked_for_other_terms(steel, zhengshu):
    """The consumer asks for more included parts under the same offer; returns both pids."""
    await publish(steel, PRICED)
    await hold(steel, OFFERED)
    await documents.keep_terms(zhengshu.node, ASKED, by="test")
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, document=WANTED)
    ours = await reaches(zhengshu, pid, State.REQUESTED)
    return pid, ours.peer_pid


async def test_a_provider_sees_what_a_request_would_cost_before_anybody_answers(pair):
    """The consumer's terms are unknown until then: they are fetched from it by digest, checked and kept."""
    steel, zhengshu = pair
    _, theirs = await asked_for_other_terms(steel, zhengshu)
    assert not await holds(steel, ASKED)
    found = await differs(steel, theirs)
    assert found.differs
    assert await holds(steel, ASKED)
    assert found.problems == ()
    (told,) = found.sentences("en")
    assert "first 1,000" in told
    assert "first 1,500" in told
    assert {row.volume: row.difference for _, row in found.money()}[1_875] == -1_250
    assert (found.ours["obligation"], found.theirs["obligation"]) == (PRICED["obligation"], WANTED["obligation"])


async def test_the_consumer_sees_the_same_from_its_side(pair):
    """Against the published offer at first; against what it asked for once the provider has countered."""
    steel, zhengshu = pair
    pid, theirs = await asked_for_other_terms(steel, zhengshu)
    before = await differs(zhengshu, pid)
    assert before.differs
    assert before.ours["obligation"] == WANTED["obligation"]
    await command.counter(steel.node, theirs, PRICED)
    await reaches(zhengshu, pid, State.OFFERED)
    after = await differs(zhengshu, pid)
    assert after.sentences("en") == before.sentences("en")
    assert [row for _, row in after.money()] == [row for _, row in before.money()]
    assert after.offered_last
    assert not before.offered_last


async def test_a_counter_offer_is_approved_with_its_reason_and_the_difference_in_the_log(pair):
    """Asked 1,500, offered 1,000, accepted by a person: the agreement cites what was offered, and the log says why."""
    steel, zhengshu = pair
    pid, theirs = await asked_for_other_terms(steel, zhengshu)
    await command.counter(steel.node, theirs, PRICED)
    await reaches(zhengshu, pid, State.OFFERED)
    (found,) = await waiting(zhengshu)
    assert (found.pid, approve.subject(found)) == (pid, "counter-offer")
    await approve.approve(zhengshu.node, pid, reason="within our budget", by="purchasing")
    final = await reaches(zhengshu, pid, State.FINALIZED)
    assert final.approval == "within our budget"
    agreed = await zhengshu.node.db.read(lambda tx: agreements.get(tx, final.agreement))
    assert agreed.document["obligation"] == PRICED["obligation"]
    (record,) = await records(zhengshu, "admin.offer-accepted")
    assert (record["details"]["text"], record["details"]["by"]) == ("within our budget", "purchasing")
    said = record["details"]["difference"]
    assert said["terms"] == [{"offered": digest(canonical(OFFERED)), "asked": digest(canonical(ASKED))}]
    assert {row["volume"]: (row["offered"], row["asked"]) for row in said["money"]}[1_875] == (32_188, 30_938)
    (countered,) = await records(steel, "admin.countered")
    assert countered["details"]["difference"]["terms"] == said["terms"]
    # Why we approved is ours alone.
    assert "within our budget" not in json.dumps(await records(steel))


async def test_a_request_for_other_terms_is_approved_as_it_was_asked(pair):
    steel, zhengshu = pair
    pid, theirs = await asked_for_other_terms(steel, zhengshu)
    (found,) = await waiting(steel)
    assert (found.pid, approve.subject(found)) == (theirs, "counter-request")
    await approve.approve(steel.node, theirs, reason="a good customer")
    final = await reaches(zhengshu, pid, State.FINALIZED)
    agreed = await zhengshu.node.db.read(lambda tx: agreements.get(tx, final.agreement))
    assert agreed.document["obligation"] == WANTED["obligation"]
    assert await holds(steel, ASKED)


async def test_a_rejection_ends_it_and_tells_the_reason(pair):
    steel, zhengshu = pair
    pid, theirs = await asked_for_other_terms(steel, zhengshu)
    await approve.reject(steel.node, theirs, reason="too cheap", by="sales")
    ended = await reaches(zhengshu, pid, State.TERMINATED)
    assert (ended.code, ended.reason) == ("rejected", "too cheap")
    (record,) = await records(steel, "admin.negotiation-terminated")
    assert (record["details"]["text"], record["details"]["by"]) == ("too cheap", "sales")
    with pytest.raises(RefusedError, match="nothing-to-decide"):
        await approve.approve(steel.node, theirs)


async def test_what_a_dataset_leaves_to_a_person_waits_for_one(pair):
    """The same terms, but `decide: person`: nothing follows by itself, and only one side has something to decide."""
    steel, zhengshu = pair
    await publish(steel, PRICED, decision="person")
    await hold(steel, OFFERED)
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)
    ours = await reaches(zhengshu, pid, State.REQUESTED)
    (found,) = await waiting(steel)
    assert (found.pid, approve.subject(found)) == (ours.peer_pid, "request")
    assert await zhengshu.node.db.read(negotiations.waiting) == []
    with pytest.raises(RefusedError, match="nothing-to-decide"):
        await approve.approve(zhengshu.node, pid)
    alike = await differs(steel, ours.peer_pid)
    assert not alike.differs
    assert alike.sentences("en") == ["Both sides say the same."]
    await approve.approve(steel.node, ours.peer_pid, reason="known partner")
    await reaches(zhengshu, pid, State.FINALIZED)
    (record,) = await records(steel, "admin.request-agreed")
    assert "difference" not in record["details"]
    assert await steel.node.db.read(negotiations.waiting) == []


async def test_an_offer_out_of_the_blue_is_explained_before_it_is_answered(pair):
    """There is nothing to compare it with: its terms are said instead."""
    steel, zhengshu = pair
    await publish(steel, PRICED)
    await hold(steel, OFFERED)
    await command.offer(steel.node, consumer=ZHENGSHU, dataset=DATASET, offer=OFFER)
    (found,) = await waiting(zhengshu)
    assert approve.subject(found) == "offer"
    shown = await differs(zhengshu, found.pid)
    assert not shown.differs
    assert any("300.00 EUR for each month" in each for each in shown.sentences("en"))


async def test_rules_that_differ_are_said_too(pair):
    """A purpose that was dropped, terms that came along: each stands under the side that has it."""
    steel, zhengshu = pair
    purpose = {"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": "quality"}
    await publish(steel, free_offer(permission=[{"action": "odrl:use", "constraint": [purpose]}]))
    await documents.keep_terms(zhengshu.node, free(), by="test")
    asked = free_offer(obligation=cited(free()))
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, document=asked)
    ours = await reaches(zhengshu, pid, State.REQUESTED)
    told = (await differs(steel, ours.peer_pid)).sentences("en")
    assert told[0].startswith("Only offered: ")
    assert "quality" in told[0]
    assert told[1].startswith("Only asked: ")
    assert any("nothing is charged" in each for each in told[2:])


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({**OFFERED, "model": "Auction"}, "model"),
        ({**OFFERED, "surprise": 1}, "surprise"),
        (subscription(fixed=-1), "charges"),
        (subscription(payee=did("p-stamp")), "payee"),
        (subscription(payer=did("p-stamp")), "payer"),
        (purchase(), "product"),
        (bundle(), "agreements"),
    ],
    ids=["kind", "member", "negative", "payee", "payer", "product", "bundle without a slot"],
)
async def test_terms_that_nothing_can_be_settled_by_are_refused_before_agreeing(pair, document, path):
    """The provider published them all the same: our side reads what it agrees to."""
    steel, zhengshu = pair
    await publish(steel, free_offer(obligation=cited(document)))
    await hold(steel, document)
    with pytest.raises(RefusedError, match="terms-invalid") as caught:
        await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)
    assert path in caught.value.facts["path"]
    assert caught.value.facts["digest"] == digest(canonical(document))
    assert await zhengshu.node.db.read(negotiations.page) == []


async def test_a_digest_that_nobody_can_serve_is_not_agreed_to(pair):
    """The consumer asks for terms and does not serve them: the difference says so, and agreeing is refused."""
    steel, zhengshu = pair
    pid, theirs = await asked_for_other_terms(steel, zhengshu)
    lost = [digest(canonical(ASKED))]
    await zhengshu.node.db.transact(lambda tx: tx._connection.execute("DELETE FROM document WHERE digest = ?", lost))
    shown = await differs(steel, theirs)
    assert shown.differs
    assert [each.code for each in shown.problems] == ["document-unavailable"]
    with pytest.raises(UnreachableError, match="document-unavailable"):
        await approve.approve(steel.node, theirs)
    assert (await reaches(zhengshu, pid, State.REQUESTED)).agreement == ""


async def test_a_provider_cannot_counter_with_terms_that_nobody_holds(pair):
    steel, zhengshu = pair
    pid, theirs = await asked_for_other_terms(steel, zhengshu)
    with pytest.raises(UnreachableError, match="document-unavailable"):
        await command.counter(steel.node, theirs, free_offer(obligation=cited(subscription(fixed=1))))
    assert (await reaches(zhengshu, pid, State.REQUESTED)).state is State.REQUESTED


async def test_terms_of_ours_are_checked_when_they_are_brought(pair):
    _, zhengshu = pair
    with pytest.raises(RefusedError, match="terms-invalid"):
        await documents.keep_terms(zhengshu.node, {**ASKED, "currency": "euro"}, by="test")
    kept = await documents.keep_terms(zhengshu.node, ASKED, by="test")
    assert await documents.keep_terms(zhengshu.node, ASKED, by="test") == kept
    assert len(await records(zhengshu, "admin.terms-kept")) == 1


async def test_only_what_the_table_allows_is_answered(pair):
    """A consumer does not agree, and a provider does not accept: said before anything is fetched."""
    steel, zhengshu = pair
    pid, theirs = await asked_for_other_terms(steel, zhengshu)
    with pytest.raises(IllegalTransitionError):
        await command.agree(zhengshu.node, pid)
    with pytest.raises(IllegalTransitionError):
        await command.accept(steel.node, theirs)


async def test_terms_that_name_another_payer_are_not_agreed_by_the_provider_either(pair):
    """A consumer that reads nothing asks for what is shown to everybody: the offer's terms are about somebody else."""
    steel, zhengshu = pair
    document = subscription(payer=did("p-oem"))
    await publish(steel, free_offer(obligation=cited(document)))
    await hold(steel, document)
    opened = Negotiation(
        pid=zhengshu.node.new_id(),
        role=Role.CONSUMER,
        counterparty=STEEL,
        peer_pid="",
        address=zhengshu.node.members.current().member(STEEL).dsp,
        state=None,
        dataset=DATASET,
        offer={**free_offer(obligation=cited(document)), "target": DATASET, "assigner": STEEL},
        offered_by=Role.CONSUMER,
    )

    def ask(tx):
        now = zhengshu.clock.now()
        negotiations.insert(tx, opened, now)
        outgoing.request(tx, zhengshu.node, opened, now)

    await zhengshu.node.db.transact(ask)
    ended = await reaches(zhengshu, opened.pid, State.TERMINATED)
    assert ended.code == "terms-invalid"
    assert "payer" in ended.reason
