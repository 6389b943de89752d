"""The kill switch, holds after a breach, and duties: what a person or a remedy stops, and what is owed after a delivery."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catalog.model import Dataset, Derivation, Offer
from connector.daemon import Daemon
from connector.errors import RefusedError
from connector.exchange import command, remedy, stop
from connector.store import catalog, control
from connector.store import delivery as deliveries
from connector.store.delivery import State as DeliveryState
from contracts.transfer.table import State
from tests.deliveries import agree, ended, fetched, offer_file, reaches, records, rows_of, start
from tests.offers import free_offer
from tests.pair import community, did, found_space, settings, until

WEFT = "https://w3id.org/weft/policy/v1#"
STEEL, ZHENGSHU = did("p-steel"), did("s-zhengshu")
GUARDED = free_offer(
    profile=["https://w3id.org/weft/policy/v1", "https://w3id.org/weft/revshare/v1"],
    prohibition=[
        {"action": "odrl:distribute", "odrl:remedy": [{"action": f"{WEFT}alert"}, {"action": f"{WEFT}suspend"}]}
    ],
    obligation=[
        {"action": "https://w3id.org/weft/revshare/v1#reportUsage"},
        {
            "action": "odrl:delete",
            "constraint": [{"leftOperand": "odrl:elapsedTime", "operator": "lteq", "rightOperand": "P90D"}],
        },
    ],
)


def table(folder, rows=20):
    path = folder / "rows.csv"
    path.write_text(rows_of(rows), encoding="utf-8")
    return path


async def denied(consumer, agreement):
    """The code with which a new transfer ends."""
    pid = await command.start(consumer.node, agreement=agreement)
    return (await reaches(consumer, pid, State.TERMINATED)).code


async def test_a_stop_cuts_the_running_stream_and_leaves_no_file(tmp_path):
    async with community(tmp_path, "p-steel", "s-zhengshu", test_rate_limit_bytes_s=8192, chunk_bytes=4096) as (
        steel,
        zhengshu,
    ):
        await offer_file(steel, table(tmp_path, 3000))
        agreement = await agree(steel, zhengshu)
        ours, theirs = await start(steel, zhengshu, agreement)
        identifier = await zhengshu.receiver.start(ours.pid, columns=None)
        await until(steel, "audit", lambda tx: deliveries.of_transfer(tx, theirs.pid))
        assert await stop.stop(steel.node, ZHENGSHU, "a leak is being looked into") == 1
        delivery = await ended(zhengshu, identifier, timeout_s=5)
        assert (delivery.state, delivery.code) == (DeliveryState.FAILED, "stopped-by-provider")
        for daemon, pid in ((steel, theirs.pid), (zhengshu, ours.pid)):
            over = await reaches(daemon, pid, State.TERMINATED)
            assert (over.code, over.reason) == ("stopped-by-provider", "a leak is being looked into")
        received = Path(zhengshu.settings.data_dir) / "received"
        assert [path for path in received.rglob("*") if path.is_file()] == []
        assert [each["details"]["transfers"] for each in await records(steel, "control.stopped")] == [1]


async def test_what_is_asked_for_while_stopped_is_denied_until_it_is_lifted(tmp_path):
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offer_file(steel, table(tmp_path))
        agreement = await agree(steel, zhengshu)
        await stop.stop(steel.node, "*", "maintenance of the plant network")
        assert await denied(zhengshu, agreement) == "stopped-by-provider"
        (record,) = await records(steel, "policy.decision")
        assert (record["decision"], record["reason"]) == ("deny", "stopped-by-provider")
        # Nothing is agreed automatically either.
        pid = await command.request(zhengshu.node, provider=STEEL, dataset="press-shop-2026-11")
        await until(
            zhengshu, f"negotiation:{pid}", lambda tx: tx.one("negotiation.get", pid=pid)["state"] == "REQUESTED"
        )
        with pytest.raises(RefusedError, match="not-stopped"):
            await stop.resume(steel.node, ZHENGSHU)
        await stop.resume(steel.node, "*")
        ours, _ = await start(steel, zhengshu, agreement)
        assert (await fetched(zhengshu, ours.pid)).state is DeliveryState.RECEIVED


async def test_a_consumer_can_stop_too(tmp_path):
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offer_file(steel, table(tmp_path))
        agreement = await agree(steel, zhengshu)
        _, theirs = await start(steel, zhengshu, agreement)
        await stop.stop(zhengshu.node, STEEL, "the data is wrong")
        assert (await reaches(steel, theirs.pid, State.TERMINATED)).code == "stopped-by-consumer"
        with pytest.raises(RefusedError, match="partner-stopped"):
            await command.start(zhengshu.node, agreement=agreement)


async def test_a_stop_survives_a_restart(tmp_path):
    found_space(tmp_path, ["p-steel", "s-zhengshu"])
    async with Daemon(settings(tmp_path, "s-zhengshu")) as zhengshu:
        async with Daemon(settings(tmp_path, "p-steel")) as steel:
            await offer_file(steel, table(tmp_path))
            agreement = await agree(steel, zhengshu)
            await stop.stop(steel.node, ZHENGSHU, "until the audit is over")
        async with Daemon(settings(tmp_path, "p-steel")) as steel:
            assert await denied(zhengshu, agreement) == "stopped-by-provider"


async def test_a_stop_of_a_stranger_is_refused(tmp_path):
    async with community(tmp_path, "p-steel") as (steel,):
        with pytest.raises(Exception, match="not-a-member"):
            await stop.stop(steel.node, "did:web:nobody.example", "who is that")


async def test_a_breach_suspends_what_runs_and_denies_what_comes_until_it_is_released(tmp_path):
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offer_file(steel, table(tmp_path), GUARDED)
        agreement = await agree(steel, zhengshu)
        ours, theirs = await start(steel, zhengshu, agreement)
        done = await remedy.report(
            steel.node, agreement, action="odrl:distribute", reason="our file is in another shop's catalog"
        )
        assert done == (f"{WEFT}alert", f"{WEFT}suspend")
        await reaches(zhengshu, ours.pid, State.SUSPENDED)
        await reaches(steel, theirs.pid, State.SUSPENDED)
        (record,) = await records(steel, "policy.breach")
        assert (record["peer"], record["reason"]) == (ZHENGSHU, "prohibited")
        assert await denied(zhengshu, agreement) == "suspended-by-remedy"
        with pytest.raises(RefusedError, match="agreement-held"):
            await command.resume(steel.node, theirs.pid)
        await remedy.release(steel.node, agreement, "settled between the lawyers")
        await command.resume(steel.node, theirs.pid)
        await reaches(zhengshu, ours.pid, State.STARTED)
        with pytest.raises(RefusedError, match="not-held"):
            await remedy.release(steel.node, agreement, "again")


async def shown_again(daemon, path, *, inputs=(), owner=""):
    """A dataset in a catalog with this content, past the checks of its own connector: a partner need not run Weft."""
    document = free_offer("urn:uuid:5f0c2f0e-0000-4a57-9a0e-0d5a8f1e00ff")
    derived = tuple(Derivation(dataset=name, owner=owner, iri=f"{owner}/{name}", agreement=None) for name in inputs)
    record = Dataset(
        id="second-hand",
        owner=daemon.node.participant,
        title={"en": "Second hand"},
        description={"en": "As good as new."},
        rows=1,
        bytes=10,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        modified=datetime(2026, 11, 10, tzinfo=UTC),
        inputs=inputs,
        derivations=derived,
        offers=(Offer(id=document["@id"], document=document),),
    )
    await daemon.node.db.transact(lambda tx: catalog.publish(tx, record, at=daemon.clock.now()))


async def test_content_of_ours_in_a_partners_catalog_is_a_breach_that_is_acted_on_once(tmp_path):
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        path = table(tmp_path)
        await offer_file(steel, path, GUARDED)
        agreement = await agree(steel, zhengshu)
        ours, _ = await start(steel, zhengshu, agreement)
        await fetched(zhengshu, ours.pid)
        await steel.crawler.refresh()
        assert await records(steel, "policy.breach") == []
        await shown_again(zhengshu, path)
        await steel.crawler.refresh()
        (record,) = await records(steel, "policy.breach")
        assert (record["peer"], record["details"]["facts"]) == (ZHENGSHU, {"by": "catalog", "dataset": "second-hand"})
        assert await denied(zhengshu, agreement) == "suspended-by-remedy"
        # What a person has released does not come back by itself.
        await remedy.release(steel.node, agreement, "they have a licence on paper")
        await steel.crawler.refresh()
        assert len(await records(steel, "policy.breach")) == 1
        await start(steel, zhengshu, agreement)


async def test_a_product_that_a_partner_says_it_made_from_ours_is_a_breach_where_that_is_prohibited(tmp_path):
    closed = {**GUARDED, "prohibition": [*GUARDED["prohibition"], {"action": "odrl:derive"}]}
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offer_file(steel, table(tmp_path), closed)
        await agree(steel, zhengshu)
        other = tmp_path / "other.csv"
        other.write_text("a,b\n1,2\n", encoding="utf-8")
        await shown_again(zhengshu, other, inputs=("press-shop-2026-11",), owner=STEEL)
        await steel.crawler.refresh()
        (record,) = await records(steel, "policy.breach")
        assert (record["details"]["action"], record["details"]["remedies"]) == ("odrl:derive", [])


async def test_a_stop_by_name_and_one_of_everybody_are_lifted_by_themselves(tmp_path):
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offer_file(steel, table(tmp_path))
        agreement = await agree(steel, zhengshu)
        await stop.stop(steel.node, ZHENGSHU, "a leak")
        await stop.stop(steel.node, "*", "maintenance")
        assert await stop.resume(steel.node, "*") == (ZHENGSHU,)
        assert await denied(zhengshu, agreement) == "stopped-by-provider"
        assert await stop.resume(steel.node, ZHENGSHU) == ()
        await start(steel, zhengshu, agreement)


async def test_only_what_an_agreement_of_ours_prohibits_can_be_breached(tmp_path):
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offer_file(steel, table(tmp_path), GUARDED)
        agreement = await agree(steel, zhengshu)
        for daemon, action in ((steel, "odrl:print"), (zhengshu, "odrl:distribute")):
            with pytest.raises(RefusedError, match="not-prohibited"):
                await remedy.report(daemon.node, agreement, action=action, reason="-")


async def test_the_duties_of_a_delivery_are_written_down_on_both_sides_with_their_deadline(tmp_path):
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offer_file(steel, table(tmp_path), GUARDED)
        agreement = await agree(steel, zhengshu)
        ours, _ = await start(steel, zhengshu, agreement)
        delivery = await fetched(zhengshu, ours.pid)
        await until(steel, "audit", lambda tx: control.duties(tx, steel.clock.now()))
        for daemon, role in ((steel, "provider"), (zhengshu, "consumer")):
            now = daemon.clock.now()
            delete, report = await daemon.node.db.read(lambda tx, now=now: control.duties(tx, now))
            assert (delete.action, delete.state(now), delete.role.value) == ("odrl:delete", "open", role)
            assert delete.deadline.startswith((now + timedelta(days=90)).strftime("%Y-%m-%d"))
            assert delete.state(now + timedelta(days=91)) == "overdue"
            assert (report.action.rpartition("#")[2], report.state(now)) == ("reportUsage", "fulfilled")
            late = now + timedelta(days=91)
            (overdue,) = await daemon.node.db.read(lambda tx, late=late: control.duties(tx, late, state="overdue"))
            assert overdue == delete
        assert delivery.state is DeliveryState.RECEIVED


async def test_a_page_of_duties_goes_on_where_the_one_before_ended(tmp_path):
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offer_file(steel, table(tmp_path), GUARDED)
        agreement = await agree(steel, zhengshu)
        for _ in range(3):
            ours, _ = await start(steel, zhengshu, agreement)
            await fetched(zhengshu, ours.pid)
        now = zhengshu.clock.now()
        seen, after = [], ("", "", "", "")
        while page := await zhengshu.node.db.read(lambda tx, a=after: control.duties(tx, now, after=a, limit=2)):
            seen += page
            last = page[-1]
            after = (str(int(bool(last.evidence))), last.deadline, last.delivery, last.action)
        assert seen == await zhengshu.node.db.read(lambda tx: control.duties(tx, now, limit=50))
        assert [bool(each.evidence) for each in seen] == [False] * 3 + [True] * 3
