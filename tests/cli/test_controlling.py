"""Stopping, releasing, duties, ledgers and stated inputs as a person types them, in both languages."""

import json

import pytest

from connector.cli.exits import Exit
from tests.deliveries import agree, fetched, offer_file, rows_of, start
from tests.exchange.test_control import GUARDED
from tests.pair import community
from tests.settling import OCTOBER, conclude, names, scenario

pytestmark = pytest.mark.slow


@pytest.fixture
async def delivered(tmp_path):
    """Two daemons with one delivery under guarded terms; yields the agreement."""
    path = tmp_path / "rows.csv"
    path.write_text(rows_of(5), encoding="utf-8")
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offer_file(steel, path, GUARDED)
        agreement = await agree(steel, zhengshu)
        ours, _ = await start(steel, zhengshu, agreement)
        await fetched(zhengshu, ours.pid)
        yield agreement


async def test_a_partner_is_stopped_shown_and_let_in_again(delivered, weft):
    missing = await weft("p-steel", "stop", "s-zhengshu")
    assert (missing.code, "--reason" in missing.err) == (Exit.USAGE, True)
    neither = await weft("p-steel", "stop", "--reason", "a leak")
    assert neither.code == Exit.USAGE
    done = await weft("p-steel", "stop", "s-zhengshu", "--reason", "a leak")
    assert (done.code, "transfers ended: 0" in done.err) == (Exit.DONE, True), done.err
    status = await weft("p-steel", "status")
    assert "a leak" in status.out
    refused = await weft("s-zhengshu", "transfer", "start", delivered)
    assert refused.code == Exit.DONE
    again = await weft("p-steel", "resume", "s-zhengshu", "--json")
    assert json.loads(again.out)["participant"] == "did:web:s-zhengshu.example"
    assert (await weft("p-steel", "resume", "--all")).code != Exit.DONE


async def test_everybody_is_stopped_in_chinese(delivered, weft):
    done = await weft("p-steel", "stop", "--all", "--reason", "检修", "--lang", "zh")
    assert (done.code, "所有伙伴" in done.err) == (Exit.DONE, True)
    assert (await weft("p-steel", "resume", "--all", "--lang", "zh")).code == Exit.DONE


async def test_a_breach_is_reported_and_released(delivered, weft):
    done = await weft("p-steel", "breach", delivered, "--action", "odrl:distribute", "--reason", "seen in a shop")
    assert (done.code, "suspend" in done.err) == (Exit.DONE, True)
    assert "seen in a shop" in (await weft("p-steel", "status")).out
    done = await weft("p-steel", "release", delivered, "--reason", "settled")
    assert done.code == Exit.DONE, done.err
    assert (await weft("p-steel", "release", delivered, "--reason", "again")).code != Exit.DONE


async def test_duties_say_who_owes_what_and_until_when(delivered, weft):
    ours = await weft("s-zhengshu", "duties")
    theirs = await weft("p-steel", "duties", "--state", "open")
    assert "we owe p-steel: delete the data" in ours.out
    assert "fulfilled" in ours.out
    assert "s-zhengshu owes us: delete the data" in theirs.out
    assert "fulfilled" not in theirs.out
    chinese = await weft("s-zhengshu", "duties", "--lang", "zh", "--partner", "p-steel")
    assert "删除数据" in chinese.out
    assert len(json.loads((await weft("s-zhengshu", "duties", "--json")).out)["items"]) == 2


async def test_a_ledger_is_imported_and_listed_and_grades_are_stated(tmp_path, weft):
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await conclude({"p-steel": steel, "s-zhengshu": zhengshu}, ["A1"])
        ledger = str(scenario("data/metering_2026-10.csv"))
        unnamed = await weft("p-steel", "ledger", "import", ledger, "--period", OCTOBER)
        assert (unnamed.code, "line 2" in unnamed.err) == (Exit.USAGE, True)
        given = [word for short, full in names().items() for word in ("--name", f"{short}={full}")]
        done = await weft("p-steel", "ledger", "import", ledger, "--period", OCTOBER, *given)
        assert (done.code, "310" in done.out) == (Exit.DONE, True), done.err
        listed = json.loads((await weft("p-steel", "ledger", "list", "--json")).out)["items"]
        assert [(each["period"], each["rows"]) for each in listed] == [(OCTOBER, 310)]
        assert "310" in (await weft("p-steel", "ledger", "list")).out
        wrong = await weft("p-steel", "state", OCTOBER, "--quality", "A1")
        assert (wrong.code, "--quality" in wrong.err) == (Exit.USAGE, True)
        stated = await weft("p-steel", "state", OCTOBER, "--quality", "A1=A")
        assert (stated.code, "quality grade" in stated.out) == (Exit.DONE, True), stated.err
        assert "质量等级" in (await weft("p-steel", "state", OCTOBER, "--lang", "zh")).out
        refused = await weft("p-steel", "state", OCTOBER, "--outage", "A5=none")
        assert refused.code == Exit.USAGE
