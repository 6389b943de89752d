"""Bundles and statements as a person types them and a program asks for them, against six real daemons."""

import csv
import io
import json

import pytest

from connector.cli.exits import Exit
from connector.client import Client, errors
from connector.store.settlement import State
from tests.pair import community, did
from tests.settling import NAMES, OCTOBER, bundle_digest, conclude, expected, ledgers, reaches, scenario, state_all

pytestmark = pytest.mark.slow

TERMS = "contracts/terms/RISK-2026.json"


@pytest.fixture
async def six(tmp_path, monkeypatch):
    monkeypatch.setenv("LANG", "C")
    async with community(tmp_path, *NAMES) as found:
        yield dict(zip(NAMES, found, strict=True))


async def agreed(daemons):
    for daemon in daemons.values():
        await reaches(daemon, "RISK-2026", State.AGREED)
    for name in ("p-steel", "p-stamp"):
        await reaches(daemons[name], "A7", State.AGREED)


async def settled(six, weft):
    """The way of six people from agreements to statements, every step typed."""
    await conclude(six)
    done = await weft("s-zhengshu", "bundle", "sign", str(scenario(TERMS)))
    assert done.code == Exit.DONE, done.err
    for name in NAMES[:-1]:
        done = await weft(name, "bundle", "sign", bundle_digest(), "--from", "s-zhengshu")
        assert done.code == Exit.DONE, done.err
    await ledgers(six)
    await state_all(six)
    for name in NAMES:
        done = await weft(name, "statement", "close", OCTOBER)
        assert done.code == Exit.DONE, done.err
    await agreed(six)


async def test_from_signatures_to_agreed_statements(six, weft):
    """What p-logistics reads at the end is its lines, its total, everybody's net position and six seals."""
    await settled(six, weft)
    shown = await weft("p-logistics", "statement", OCTOBER)
    assert shown.code == Exit.DONE, shown.err
    lines = [line.split() for line in shown.out.splitlines()]
    assert ["base", "A4", "2,400.00"] in lines
    assert ["contribution", "A4", "9,600.00"] in lines
    assert ["floor-top-up", "A4", "500.00"] in lines
    assert ["total", "12,500.00"] in lines
    assert ["sum", "0.00"] in lines
    assert "agreed by all" in shown.out
    assert "6/6" in shown.out
    chinese = await weft("p-oem", "statement", OCTOBER, "--lang", "zh")
    assert "-61,040.00" in chinese.out
    assert "各方已签" in chinese.out
    everyone = await weft("p-oem", "statement", OCTOBER, "--party", "all")
    assert everyone.out.count("total") == len(NAMES)
    other = await weft("p-oem", "statement", OCTOBER, "--party", "p-steel")
    assert ["total", "8,800.00"] in [line.split() for line in other.out.splitlines()]
    raw = await weft("p-oem", "statement", OCTOBER, "--json")
    assert raw.json["total"] == -6_104_000
    bundle = await weft("p-oem", "bundle", "show", "RISK-2026")
    assert bundle.out.count("p-") >= 5
    listed = await weft("p-oem", "bundle", "list", "--json")
    assert [each["in_force"] for each in listed.json["items"]] == [True]


async def test_csv_is_for_finance_and_the_same_every_time(six, weft):
    """Own lines by default, all on request; amounts in currency units that sum to the totals of the story."""
    await settled(six, weft)
    mine, again = [await weft("p-steel", "statement", OCTOBER, "--csv") for _ in range(2)]
    assert mine.out == again.out
    rows = list(csv.DictReader(io.StringIO(mine.out)))
    assert sorted(row["amount"] for row in rows) == ["2400.00", "5000.00", "6400.00"]
    everyone = await weft("p-steel", "statement", OCTOBER, "--csv", "--party", "all")
    assert len(list(csv.DictReader(io.StringIO(everyone.out)))) > len(rows)


async def test_before_the_sixth_signature_closing_is_refused_with_the_name(six, weft):
    """The sentence names who is missing; a preview says so too, and what else is not there yet."""
    await conclude(six, ["A4", "A5"])
    await weft("s-zhengshu", "bundle", "sign", str(scenario(TERMS)))
    refused = await weft("s-zhengshu", "statement", "close", OCTOBER)
    assert refused.code == Exit.USAGE
    assert did("p-seat") in refused.err
    assert "not in force" in (await weft("s-zhengshu", "bundle", "show", "RISK-2026")).out
    preview = await weft("s-zhengshu", "statement", OCTOBER)
    assert preview.code == Exit.DONE
    assert "must state the quality grade of A4" in preview.out
    assert "open (preview)" in preview.out
    nothing = await weft("p-stamp", "statement", "2026-09")
    assert (nothing.code, "Nothing of ours" in nothing.err) == (Exit.DONE, True)


async def test_a_program_signs_closes_and_reads(six):
    """The same through the client: typed views, a repeat with the same key has one effect, refusals carry their facts."""
    await conclude(six, ["A7"])

    def client(name):
        daemon = six[name]
        return Client(f"http://127.0.0.1:{daemon.management_port}", key_file=daemon.settings.management_key)

    async with client("p-stamp") as stamp, client("p-steel") as steel:
        document = json.loads(scenario(TERMS).read_bytes())
        first = await stamp.sign_bundle(document, idempotency_key="sign")
        assert await stamp.sign_bundle(document, idempotency_key="sign") == first
        assert (first.terms, first.in_force) == (bundle_digest(), False)
        assert first.signed[did("p-stamp")] is not None
        assert first.signed[did("p-oem")] is None
        assert [each.id for each in await stamp.bundles().all()] == ["RISK-2026"]
        assert (await stamp.bundle(bundle_digest())).id == "RISK-2026"
        with pytest.raises(errors.ConflictError) as caught:
            await stamp.close_period(OCTOBER)
        assert caught.value.code == "signatures-missing"
        with pytest.raises(errors.NotFoundError):
            await stamp.bundle("RISK-1999")
        for partner in (stamp, steel):
            await partner.close_period(OCTOBER, only=["A7"])
        await reaches(six["p-steel"], "A7", State.AGREED)
        found = await steel.settlement(OCTOBER)
    (statement,) = [each for each in found.statements if each["ref"] == "A7"]
    wanted = expected()["settlement"][OCTOBER]["bilateral_statements"]["A7"]
    assert (statement["digest"], statement["document"]) == (wanted["digest"], wanted["statement"])
    assert statement["digests"] == {did("p-steel"): wanted["digest"], did("p-stamp"): wanted["digest"]}
    assert (found.total, found.currency, found.exponent, found.agreed) == (500_000, "CNY", 2, False)
