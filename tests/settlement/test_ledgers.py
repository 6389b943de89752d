"""Ledgers and stated inputs: booked all or nothing, counted when both parties hold the file, refused with the row that is wrong."""

import csv
import io

import pytest

from connector.errors import RefusedError
from connector.exchange import metering as booking
from connector.exchange import settlement as closing
from connector.exchange import stated
from connector.exchange.stated import Word
from connector.store import metering
from connector.store.settlement import State
from contracts.errors import LedgerError
from contracts.settlement.metering import COLUMNS
from contracts.settlement.period import period_of
from contracts.settlement.terms import parse_terms
from policies.canonical import parse_json
from tests.deliveries import agree, fetched, offer_file, records, rows_of, scenario_offer, start
from tests.pair import community, did, until
from tests.settling import (
    NAMES,
    OCTOBER,
    OUTAGES,
    bundle_digest,
    conclude,
    expected,
    ledgers,
    names,
    reaches,
    scenario,
    sign_all,
    state_all,
    terms,
)

pytestmark = pytest.mark.slow

PAIR = ("p-steel", "s-zhengshu")


def bundle():
    return parse_terms(terms("RISK-2026"))


def october():
    return period_of(bundle(), OCTOBER)


def rows():
    with scenario("data/metering_2026-10.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def written(folder, rows_, name="ledger.csv"):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows_)
    path = folder / name
    path.write_text(out.getvalue(), encoding="utf-8")
    return path


def only(ref, count=3):
    return [dict(row) for row in rows() if row["agreement"] == ref][:count]


async def booked(daemon, ref):
    return await daemon.node.db.read(lambda tx: metering.metered(tx, bundle_digest(), ref, october()))


@pytest.fixture
async def pair(tmp_path):
    """A provider and the operator with A1 concluded; the others of the bundle are listed and not there."""
    async with community(tmp_path, *PAIR) as daemons:
        found = dict(zip(PAIR, daemons, strict=True))
        await conclude(found, ["A1"])
        yield found


async def refused(daemon, path, error=LedgerError, label=OCTOBER):
    with pytest.raises(error) as caught:
        await booking.import_ledger(daemon.node, path, label, names())
    # Nothing of the file was taken.
    assert await daemon.node.db.read(metering.ledgers) == []
    assert (await booked(daemon, "A1")).records == 0
    return caught.value.facts


async def test_the_books_of_october_are_those_of_the_scenario(pair):
    figures = expected()["settlement"][OCTOBER]["period_input"]["contributions"]
    done = await booking.import_ledger(pair["p-steel"].node, scenario("data/metering_2026-10.csv"), OCTOBER, names())
    assert (done.rows, done.added, done.known) == (310, 310, 0)
    for each in figures:
        found = await booked(pair["p-steel"], each["ref"])
        assert (found.records, found.accepted, found.rejected, found.root) == (
            each["records"],
            each["accepted"],
            each["rejected"],
            each["usageRoot"],
        )


async def test_the_same_file_again_changes_nothing(pair, tmp_path):
    steel, path = pair["p-steel"], written(tmp_path, only("A1"))
    first = await booking.import_ledger(steel.node, path, OCTOBER, names())
    again = await booking.import_ledger(steel.node, path, OCTOBER, names())
    assert (first.digest, first.added) == (again.digest, 3)
    assert (again.added, again.known, (await booked(steel, "A1")).records) == (0, 3, 3)
    assert len(await records(steel, "ledger.imported")) == 1


async def test_rows_that_another_file_has_brought_are_known_and_count_once(pair, tmp_path):
    steel = pair["p-steel"]
    await booking.import_ledger(steel.node, written(tmp_path, only("A1", 3)), OCTOBER, names())
    more = await booking.import_ledger(steel.node, written(tmp_path, only("A1", 5), "more.csv"), OCTOBER, names())
    assert (more.added, more.known, (await booked(steel, "A1")).records) == (2, 3, 5)


@pytest.mark.parametrize(
    ("change", "row", "column"),
    [
        ({"meter_id": None}, "4", "meter_id"),
        ({"agreement": "A99"}, "4", "agreement"),
        ({"agreement": "A2"}, "4", "agreement"),
        ({"provider": "p-nobody"}, "4", "provider"),
        ({"accepted": "-1"}, "4", "accepted"),
        ({"accepted": "1.5"}, "4", "accepted"),
        ({"accepted": str(2**63)}, "4", "accepted"),
        ({"rejected": "many"}, "4", "rejected"),
        ({"occurred_at": "2026-10-32T00:00:00+08:00"}, "4", "occurred_at"),
        ({"occurred_at": "2026-10-05T00:00:00"}, "4", "occurred_at"),
        ({"occurred_at": "2026-11-01T00:00:00+08:00"}, "4", "occurred_at"),
        ({"unit": ""}, "4", "unit"),
    ],
)
async def test_a_row_that_cannot_be_booked_is_named_and_nothing_is_taken(pair, tmp_path, change, row, column):
    """Every case of the fourth line: an id twice, an unknown agreement, other parties, no count, no instant, another period."""
    lines = only("A1")
    lines[2] |= {name: lines[0][name] if value is None else value for name, value in change.items()}
    facts = await refused(pair["p-steel"], written(tmp_path, lines))
    assert (facts["row"], facts["column"]) == (row, column)


async def test_a_row_with_another_content_than_the_booked_one_is_refused(pair, tmp_path):
    steel, lines = pair["p-steel"], only("A1")
    await booking.import_ledger(steel.node, written(tmp_path, lines), OCTOBER, names())
    lines[1]["accepted"] = str(int(lines[1]["accepted"]) + 1)
    with pytest.raises(LedgerError) as caught:
        await booking.import_ledger(steel.node, written(tmp_path, lines, "other.csv"), OCTOBER, names())
    assert caught.value.facts["row"] == "3"
    assert (await booked(steel, "A1")).records == 3


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", ",".join(COLUMNS) + "\n"])
async def test_a_file_that_is_no_ledger_is_refused(pair, tmp_path, content):
    path = tmp_path / "other.csv"
    path.write_text(content, encoding="utf-8")
    await refused(pair["p-steel"], path)


async def test_a_file_that_is_not_there_is_refused(pair, tmp_path):
    facts = await refused(pair["p-steel"], tmp_path / "gone.csv", RefusedError)
    assert facts["path"].endswith("gone.csv")


async def test_an_agreement_of_ours_that_is_not_concluded_takes_no_rows(pair, tmp_path):
    """p-steel is a party of A1 and A7; A7 was never negotiated, and A2 is between others of the bundle."""
    lines = [row | {"agreement": "A7"} for row in only("A1", 1)]
    await refused(pair["p-steel"], written(tmp_path, lines))
    done = await booking.import_ledger(pair["p-steel"].node, written(tmp_path, only("A2")), OCTOBER, names())
    assert done.added == 3


async def test_each_side_learns_who_holds_the_same_file(pair, tmp_path):
    path = written(tmp_path, only("A1"))
    for daemon in pair.values():
        await booking.import_ledger(daemon.node, path, OCTOBER, names())
    digest = (await pair["p-steel"].node.db.read(metering.ledgers))[0].digest
    for daemon, other in zip(pair.values(), reversed(PAIR), strict=True):
        await until(daemon, "audit", lambda tx, other=other: did(other) in metering.holders(tx, digest))


async def test_a_live_delivery_is_booked_on_both_sides_under_the_slot_of_its_bundle(tmp_path):
    async with community(tmp_path, *PAIR) as (steel, zhengshu):
        offer = scenario_offer("A1")
        dataset = bundle().slots["A1"].product
        transforms = [scenario("contracts/transforms/A-D1.json").read_bytes()]
        await offer_file(
            steel,
            scenario("data/coil_quality.csv"),
            offer,
            dataset=dataset,
            terms=(parse_json(terms("RISK-2026")),),
            transforms=tuple(map(parse_json, transforms)),
        )
        agreement = await agree(steel, zhengshu, dataset=dataset, offer=offer["@id"])
        ours, _ = await start(steel, zhengshu, agreement, "supply-chain-control")
        await fetched(zhengshu, ours.pid)
        november = period_of(bundle(), "2026-11")

        def live(tx):
            found = metering.metered(tx, bundle_digest(), "A1", november)
            return found if found.records else None

        books = [await until(daemon, "audit", live) for daemon in (steel, zhengshu)]
        assert books[0] == books[1]
        assert (books[0].records, books[0].accepted) == (1, 240)


async def test_a_live_delivery_under_free_terms_is_counted_under_its_agreement(tmp_path):
    async with community(tmp_path, *PAIR) as (steel, zhengshu):
        path = tmp_path / "rows.csv"
        path.write_text(rows_of(7), encoding="utf-8")
        await offer_file(steel, path)
        agreement = await agree(steel, zhengshu)
        ours, _ = await start(steel, zhengshu, agreement)
        await fetched(zhengshu, ours.pid)
        found = await until(
            steel, "audit", lambda tx: metering.records(tx, "", agreement, period_of(bundle(), "2026-11"))
        )
        assert [(each.unit, each.accepted) for each in found] == [("row", 7)]


@pytest.mark.slow
async def test_a_closed_period_takes_no_further_row(tmp_path):
    async with community(tmp_path, *NAMES) as daemons:
        six = dict(zip(NAMES, daemons, strict=True))
        await conclude(six)
        await sign_all(six)
        await ledgers(six)
        await state_all(six)
        for daemon in six.values():
            await closing.close(daemon.node, OCTOBER)
        await reaches(six["p-stamp"], "RISK-2026", State.AGREED)
        late = only("A2", 1)
        late[0]["meter_id"] = "late-record"
        with pytest.raises(RefusedError) as caught:
            await booking.import_ledger(six["p-stamp"].node, written(tmp_path, late), OCTOBER, names())
        assert (caught.value.code, caught.value.facts["ref"], caught.value.facts["row"]) == ("period-closed", "A2", 2)
        with pytest.raises(RefusedError, match="period-closed"):
            await stated.state(six["p-stamp"].node, OCTOBER, Word(grades={"A2": "A"}))


@pytest.mark.parametrize(
    ("who", "word", "code"),
    [
        ("p-steel", Word(grades={"A1": "Z"}), "stated-invalid"),
        ("p-steel", Word(grades={"A2": "A"}), "not-yours-to-state"),
        ("p-steel", Word(grades={"A9": "A"}), "ref-unknown"),
        ("p-steel", Word(income=1), "not-yours-to-state"),
        ("s-zhengshu", Word(income=-1), "stated-invalid"),
        ("s-zhengshu", Word(income=2**63), "stated-invalid"),
        ("s-zhengshu", Word(days={"A5": ["2026-10-14"]}), "ref-unknown"),
    ],
)
async def test_what_cannot_be_stated_is_refused_with_its_reason(pair, who, word, code):
    with pytest.raises(RefusedError) as caught:
        await stated.state(pair[who].node, OCTOBER, word)
    assert caught.value.code == code
    assert await pair[who].node.db.read(lambda tx: metering.all_stated(tx, OCTOBER)) == []


async def test_days_without_service_must_be_days_of_the_period(tmp_path):
    async with community(tmp_path, "p-oem", "s-zhengshu") as (oem, zhengshu):
        await conclude({"p-oem": oem, "s-zhengshu": zhengshu}, ["A5"])
        for days in (["2026-10-32"], ["2026-11-01"], ["2026-10-14", "2026-10-14"], ["yesterday"]):
            with pytest.raises(RefusedError, match="stated-invalid"):
                await stated.state(zhengshu.node, OCTOBER, Word(days={"A5": days}))
        with pytest.raises(RefusedError, match="not-yours-to-state"):
            await stated.state(oem.node, OCTOBER, Word(days={"A5": []}))
        with pytest.raises(RefusedError, match="stated-invalid"):
            await stated.state(zhengshu.node, "2026-13", Word(days={"A5": []}))
        await stated.state(zhengshu.node, OCTOBER, Word(days={"A5": OUTAGES}))
        (found,) = await zhengshu.node.db.read(lambda tx: metering.all_stated(tx, OCTOBER))
        assert found["value"] == OUTAGES
