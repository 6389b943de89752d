"""The client against two real daemons: one call from a dataset to a verified file, and every step by itself."""

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime

import pytest

from connector.client import Client, accept, errors
from tests.pair import community, did, eventually

pytestmark = pytest.mark.slow

OFFER = "urn:uuid:5f0c2f0e-0000-4a57-9a0e-0d5a8f1e0001"
FREE = {"@id": OFFER, "@type": "Offer", "permission": [{"action": "odrl:use"}]}
QUALITY = {"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": "quality"}
LIMITED = {**FREE, "permission": [{"action": "odrl:use", "constraint": [QUALITY]}]}
STEEL, ZHENGSHU = did("p-steel"), did("s-zhengshu")
TITLE = {"zh": "钢卷质量", "en": "Coil quality"}


def client_of(daemon):
    return Client(f"http://127.0.0.1:{daemon.management_port}", key_file=daemon.settings.management_key)


@pytest.fixture
async def pair(tmp_path):
    """Clients of a provider and a consumer."""
    async with AsyncExitStack() as stack:
        daemons = await stack.enter_async_context(community(tmp_path, "p-steel", "s-zhengshu"))
        yield tuple([await stack.enter_async_context(client_of(daemon)) for daemon in daemons])


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "coils.csv"
    path.write_text("coil_no,width\nA1,3\nA2,4\n", encoding="utf-8")
    return path


async def published(steel, table, offer=FREE, **options):
    return await steel.publish(table, id="coils", title=TITLE, offers=[offer], **options)


async def test_one_call_to_a_verified_file(pair, table, tmp_path):
    steel, zhengshu = pair
    await published(steel, table)
    [fresh] = await zhengshu.refresh()
    assert (fresh.participant, fresh.state, fresh.datasets) == (STEEL, "fresh", 1)
    dataset = await zhengshu.find("钢卷", from_=STEEL).first()
    steps = []
    first = await zhengshu.fetch(dataset, save=tmp_path / "got.csv", progress=steps.append)
    assert (tmp_path / "got.csv").read_bytes() == table.read_bytes()
    assert (first.state, first.rows, first.reused) == ("received", 2, ())
    assert first.manifest["document"]["consumer"] == ZHENGSHU
    assert first.receipt["document"]["rows"] == 2
    assert {step.step for step in steps} >= {"resolve", "offer", "negotiate", "agreed", "transfer", "receive", "save"}
    second = await zhengshu.fetch("coils", provider=STEEL)
    assert second.reused == ("agreement",)
    assert await second.bytes() == table.read_bytes()
    anew = await zhengshu.fetch("coils", reuse=False)
    assert anew.agreement != second.agreement


async def test_terms_are_refused_unless_they_were_accepted(pair, table):
    steel, zhengshu = pair
    await published(steel, table, LIMITED)
    await zhengshu.refresh()
    with pytest.raises(errors.OfferRejectedError) as caught:
        await zhengshu.fetch("coils", purpose="quality")
    [rejection] = caught.value.offers
    assert rejection.offer.id == OFFER
    assert "odrl:purpose is limited to quality" in caught.value.sentence("en")
    assert "限定为 quality" in caught.value.sentence("zh")
    assert await zhengshu.negotiations().all() == []
    for consent in (LIMITED, accept.if_(purpose="quality"), accept.digest(rejection.offer.digest)):
        done = await zhengshu.fetch("coils", purpose="quality", accept=consent)
        assert done.verified
    assert len(await zhengshu.negotiations().all()) == 1
    with pytest.raises(errors.DeliveryFailedError) as denied:
        await zhengshu.fetch("coils", purpose="training", accept=LIMITED)
    assert (denied.value.peer_code, denied.value.by_policy) == ("constraint-not-satisfied", True)


async def test_many_fetches_of_the_same_share_one_negotiation(pair, table):
    steel, zhengshu = pair
    await published(steel, table)
    await zhengshu.refresh()
    done = await asyncio.gather(*(zhengshu.fetch("coils", provider=STEEL) for _ in range(10)))
    assert all(each.verified for each in done)
    assert len(await zhengshu.negotiations().all()) == 1


async def test_a_counter_offer_is_answered_by_what_was_consented_to(pair, table):
    steel, zhengshu = pair
    await published(steel, table, decide="person")
    await zhengshu.refresh()

    async def countered(task):
        async def look():
            return await steel.negotiations(state="REQUESTED").all()

        [asked] = await eventually(look)
        await asked.counter(LIMITED)
        return await asyncio.wait_for(task, 20)

    task = asyncio.create_task(zhengshu.fetch("coils"))
    with pytest.raises(errors.OfferRejectedError, match="other terms"):
        await countered(task)
    [open_] = await zhengshu.negotiations(state="OFFERED").all()
    assert open_.allowed == ("counter", "accept", "terminate")
    await open_.terminate("not for us")
    task = asyncio.create_task(zhengshu.fetch("coils", purpose="quality", accept=[FREE, LIMITED]))
    done = await countered(task)
    assert done.verified
    [agreement] = await zhengshu.agreements(usable=True).all()
    assert agreement.document["permission"][0]["constraint"][0]["rightOperand"] == "quality"


async def test_a_provider_offers_and_the_consumer_accepts(pair, table):
    steel, zhengshu = pair
    await published(steel, table)
    opened = await steel.offer(ZHENGSHU, dataset="coils", offer=OFFER)

    async def offered():
        return await zhengshu.negotiations(state="OFFERED").all()

    [received] = await eventually(offered)
    await received.accept()
    done = await opened.wait("FINALIZED", timeout_s=10)
    agreement = await steel.agreement(done.agreement)
    assert (agreement.role, agreement.counterparty) == ("provider", ZHENGSHU)
    assert agreement.summary("en") == ("Use is permitted (enforced).",)


async def test_transfers_are_paused_resumed_and_ended(pair, table):
    steel, zhengshu = pair
    await published(steel, table)
    negotiation = await zhengshu.negotiate(OFFER, provider=STEEL, dataset="coils")
    agreement = await zhengshu.agreement((await negotiation.wait()).agreement)
    transfer = await (await agreement.transfer()).wait("STARTED", timeout_s=10)
    assert "data_address" not in transfer.raw
    assert set(transfer.allowed) == {"suspend", "complete", "terminate"}
    await transfer.suspend("one moment")
    paused = await transfer.wait("SUSPENDED", timeout_s=10)
    assert (paused.suspended_by, paused.allowed[0]) == ("consumer", "resume")
    [theirs] = await steel.transfers(role="provider").all()
    theirs = await theirs.wait("SUSPENDED", timeout_s=10)
    assert "resume" not in theirs.allowed
    await theirs.terminate("enough", code="enough")
    with pytest.raises(errors.TransferTerminatedError, match="enough"):
        await paused.wait("STARTED", timeout_s=10)
    with pytest.raises(errors.ConflictError):
        await paused.terminate("again")


async def test_dry_runs_at_a_stated_time_count_nothing_and_are_audited(pair, table):
    steel, _ = pair
    end = {"leftOperand": "odrl:dateTime", "operator": "lteq", "rightOperand": "2026-12-31T23:59:59+08:00"}
    policy = {**FREE, "permission": [{"action": "odrl:use", "constraint": [end]}]}
    for moment, allowed in (("2026-12-31T23:59:59+08:00", True), ("2027-01-01T00:00:00+08:00", False)):
        found = await steel.test_policy(policy=policy, partner=ZHENGSHU, at=datetime.fromisoformat(moment))
        assert found.allowed is allowed
    assert (found.reason, found.left_operand) == ("outside-validity", "odrl:dateTime")
    assert set(found.sentence) == {"en", "zh"}
    records = await steel.audit(type="policy.dry-run").all()
    assert [record.decision for record in records] == ["deny", "allow"]


async def test_publishing_again_previewing_and_withdrawing(pair, table):
    steel, _ = pair
    with pytest.raises(errors.InvalidRequestError) as caught:
        await published(steel, table, {**FREE, "permission": [{"action": "odrl:nonsense"}]})
    assert caught.value.code == "not-publishable"
    assert not (await published(steel, table)).unchanged
    assert (await published(steel, table)).unchanged
    preview = await steel.preview(
        {"path": str(table), "id": "other", "title": TITLE, "offers": [{**FREE, "profile": "https://example.org/x"}]}
    )
    assert not preview.publishable
    assert set(preview.problems[0]["message"]) == {"en", "zh"}
    assert [each.id for each in await steel.datasets().all()] == ["coils"]
    assert "Coil quality" in (await steel.catalog_export("turtle")).decode()
    await steel.withdraw("coils", "old")
    [gone] = await steel.datasets().all()
    assert (gone.state, gone.extra["reason"]) == ("withdrawn", "old")
    with pytest.raises(errors.NotFoundError):
        await steel.offers("coils", provider=STEEL)


async def test_the_same_key_has_one_effect(pair, table):
    steel, zhengshu = pair
    await published(steel, table)
    first = await zhengshu.negotiate(OFFER, provider=STEEL, dataset="coils", idempotency_key="k")
    again = await zhengshu.negotiate(OFFER, provider=STEEL, dataset="coils", idempotency_key="k")
    assert first.id == again.id
    done = await first.wait(timeout_s=10)
    one = await zhengshu.deliver(agreement=done.agreement, idempotency_key="d")
    two = await zhengshu.deliver(agreement=done.agreement, idempotency_key="d")
    assert one.id == two.id
    received = await one.wait(timeout_s=20)
    assert received.verified
    async with zhengshu.session.stream(
        "GET", f"/v1/deliveries/{received.id}/content", headers={"Range": "bytes=8-"}
    ) as answer:
        assert (answer.status, await answer.read()) == (206, table.read_bytes()[8:])
    with pytest.raises(errors.ClientError, match="range"):
        async with zhengshu.session.stream(
            "GET", f"/v1/deliveries/{received.id}/content", headers={"Range": "bytes=999-"}
        ):
            pass


async def test_events_and_the_log_tell_the_same(pair, table):
    steel, _ = pair
    await published(steel, table)
    records = await steel.audit().all()
    seen = []
    async for event in steel.events(since=-1):
        seen.append((event.seq, event.type))
        if len(seen) == len(records):
            break
    assert seen == [(record.seq, record.type) for record in reversed(records)]
    exported = b"".join([block async for block in steel.audit_export()])
    assert len(exported.splitlines()) > len(records)
    assert (await steel.audit_record(0)).seq == 0
    found = await steel.audit(about="coils", type="catalog").all()
    assert [record.type for record in found] == ["catalog.published"]
