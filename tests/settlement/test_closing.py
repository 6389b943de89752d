"""Closing a period among six: what is refused before it, what differs and is not signed, corrections, and what a repeat does."""

import json
import random
from datetime import UTC, datetime

import pytest

from connector.errors import RefusedError
from connector.exchange import documents, pool
from connector.exchange import settlement as closing
from connector.store import settlement
from connector.store.settlement import Key, State
from contracts.errors import BrokenRuleError, InputError, PeriodError
from contracts.settlement.inputs import read_input
from contracts.settlement.seals import statement_seal
from contracts.signing import sign_document
from tests.faulty import Delay, Fault
from tests.pair import community, did, eventually, types, until
from tests.settling import (
    GRADES,
    IN_DECEMBER,
    NAMES,
    NOVEMBER,
    OCTOBER,
    bundle_digest,
    conclude,
    expected,
    ledgers,
    reaches,
    scenario,
    sign_all,
    state,
    state_all,
    view,
)

pytestmark = pytest.mark.slow


BUNDLE = "RISK-2026"


@pytest.fixture
async def six(tmp_path):
    """Six daemons with agreements A1 to A7, the bundle signed, the ledger imported by all."""
    async with community(tmp_path, *NAMES) as found:
        daemons = dict(zip(NAMES, found, strict=True))
        await conclude(daemons)
        await sign_all(daemons)
        await ledgers(daemons)
        yield daemons


async def close_all(daemons, label=OCTOBER, only=()):
    for daemon in daemons.values():
        await closing.close(daemon.node, label, only)


async def agreed(daemons, ref=BUNDLE, label=OCTOBER):
    return {name: await reaches(daemon, ref, State.AGREED, label=label) for name, daemon in daemons.items()}


def signed(daemon, document):
    ring = daemon.node.ring
    return sign_document(document, kid=ring.kid("evidence"), sign=lambda data: ring.sign("evidence", data))


async def given(daemon, work):
    """Run a transaction that takes (tx, node, now)."""
    return await daemon.node.db.transact(lambda tx: work(tx, daemon.node, daemon.clock.now()))


# -- before anything is closed -----------------------------------------------------------------------------------------


async def test_a_period_is_open_until_its_end_and_grace(tmp_path):
    """One second before the two days of grace are over nothing is closed, and the refusal says until when."""
    start = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)  # 2026-11-02T23:00:00+08:00, the grace ends an hour later
    async with community(tmp_path, *NAMES, test_clock_start=start) as found:
        daemons = dict(zip(NAMES, found, strict=True))
        await sign_all(daemons)
        with pytest.raises(RefusedError) as caught:
            await closing.close(daemons["p-oem"].node, OCTOBER)
        assert caught.value.code == "period-open"
        assert caught.value.facts["until"] == "2026-11-03T00:00:00+08:00"


@pytest.mark.parametrize("arguments", [("2026-13",), (OCTOBER, ["A99"]), ("2026-09",), ("October",)])
async def test_what_is_not_there_cannot_be_closed(six, arguments):
    with pytest.raises(RefusedError) as caught:
        await closing.close(six["p-oem"].node, *arguments)
    assert caught.value.code == "nothing-to-close"


async def test_before_closing_the_same_view_is_a_preview(six):
    """The operator sees from its own books what October will come to; nothing is proposed, nothing is signed."""
    await state_all(six)
    shown = await view(six["s-zhengshu"])
    assert {each["ref"]: each["state"] for each in shown["statements"]} == {"A5": "open", "A6": "open", BUNDLE: "open"}
    assert shown["total"] == 3_150_000
    assert shown["closed"] == {}
    assert "statement.closed" not in await six["s-zhengshu"].node.db.read(types(six["s-zhengshu"]))


# -- all goes well -----------------------------------------------------------------------------------------------------


async def test_the_order_of_closing_and_stating_does_not_matter(six):
    """Closed first, stated afterwards, the operator in the middle: the same digest."""
    await close_all({name: six[name] for name in ("p-oem", "p-stamp", "s-zhengshu", "p-logistics")})
    await state_all(six)
    await close_all({name: six[name] for name in ("p-steel", "p-seat")})
    found = await agreed(six)
    assert {each.digest for each in found.values()} == {expected()["settlement"][OCTOBER]["bundle_statement_digest"]}


async def test_closing_again_gives_the_same_bytes_and_no_new_record(six):
    """A repeat of an agreed period changes nothing: no digest, no seal, no statement's record."""
    await state_all(six)
    await close_all(six)
    before = await agreed(six)
    await agreed({"p-stamp": six["p-stamp"]}, "A7")
    recorded = {name: await daemon.node.db.read(types(daemon)) for name, daemon in six.items()}
    await close_all(six)
    assert await agreed(six) == before
    for name, daemon in six.items():
        again = await daemon.node.db.read(types(daemon))
        new = [each for each in again[len(recorded[name]) :] if each.startswith(("statement.", "settlement."))]
        assert new == []


async def test_lines_totals_and_positions_are_those_of_the_story(six):
    """Each party's lines and total, with A7 and without counting A5 and A6 twice; net positions sum to zero."""
    await state_all(six)
    await close_all(six)
    await agreed(six)
    for name in ("p-steel", "p-stamp"):
        await reaches(six[name], "A7", State.AGREED)
    figures = expected()["settlement"][OCTOBER]
    for name, daemon in six.items():
        shown = await view(daemon)
        wanted = figures["statements"][name]
        assert shown["total"] == wanted["total_fen"], name
        lines = {(each["kind"], each["ref"], each["amount"]) for each in shown["lines"]}
        assert lines == {(each["kind"], each["ref"], each["fen"]) for each in wanted["lines"]}
        assert sum(each["amount"] for each in shown["positions"]) == 0
        assert all(each["missing"] == [] and each["problems"] == [] for each in shown["statements"])
    steel = {each["party"]: each["amount"] for each in (await view(six["p-steel"]))["positions"]}
    assert steel == {did(name): amount for name, amount in figures["net_positions_fen"].items()}


async def test_november_cites_october_and_has_declared_income(tmp_path):
    """The rounding test: no income statements, a declared net amount, the floor, and October's digest as previous."""
    async with community(tmp_path, *NAMES, test_clock_start=IN_DECEMBER) as found:
        six = dict(zip(NAMES, found, strict=True))
        await conclude(six)
        await sign_all(six)
        for label in (OCTOBER, NOVEMBER):
            await ledgers(six, label)
            await state_all(six, label)
        await close_all(six)
        await agreed(six)
        await state(six["s-zhengshu"], NOVEMBER, BUNDLE, "declaredIncome", 7_333_333)
        await close_all(six, NOVEMBER, [BUNDLE])
        figures = expected()["settlement"][NOVEMBER]
        for kept in (await agreed(six, label=NOVEMBER)).values():
            assert (kept.digest, kept.document) == (figures["bundle_statement_digest"], figures["bundle_statement"])
        record = await six["p-oem"].node.db.read(lambda tx: settlement.newest_input(tx, bundle_digest(), NOVEMBER))
        assert record.digest == figures["period_input_digest"]


async def test_a_period_waits_for_the_one_before(tmp_path):
    """November is not computed while October is closed and not signed: it has to cite it."""
    async with community(tmp_path, *NAMES, test_clock_start=IN_DECEMBER) as found:
        six = dict(zip(NAMES, found, strict=True))
        await conclude(six, ["A7", "A6"])
        await sign_all(six)
        await closing.close(six["p-seat"].node, OCTOBER, ["A6"])
        await closing.close(six["p-seat"].node, NOVEMBER, ["A6"])
        (shown,) = [each for each in (await view(six["p-seat"], NOVEMBER))["statements"] if each["ref"] == "A6"]
        assert (shown["state"], [each["code"] for each in shown["problems"]]) == ("closed", ["previous-open"])


async def test_where_nothing_is_charged_there_is_no_statement(tmp_path):
    """A7 is due once, in October: November is closed by both, and there is nothing to propose or to sign."""
    async with community(tmp_path, "p-steel", "p-stamp", test_clock_start=IN_DECEMBER) as found:
        both = dict(zip(("p-steel", "p-stamp"), found, strict=True))
        await conclude(both, ["A7"])
        await close_all(both, NOVEMBER)
        for daemon in found:
            await reaches(daemon, "A7", State.EMPTY, label=NOVEMBER)
            (shown,) = (await view(daemon, NOVEMBER))["statements"]
            assert (shown["state"], shown["missing"], shown["document"]) == ("empty", [], None)


async def test_a_renewed_agreement_is_the_same_account(tmp_path):
    """Two agreements under the same terms are charged once, and both stand in the seals; after their end nothing is charged."""
    async with community(tmp_path, "p-steel", "p-stamp") as found:
        both = dict(zip(("p-steel", "p-stamp"), found, strict=True))
        await conclude(both, ["A7"])
        await conclude(both, ["A7"])
        await close_all(both)
        steel = both["p-steel"]
        kept = await reaches(steel, "A7", State.AGREED)
        assert kept.digest == expected()["settlement"][OCTOBER]["bilateral_statements"]["A7"]["digest"]
        seals = await steel.node.db.read(lambda tx: settlement.seals(tx, kept.digest))
        assert [len(seal["document"]["agreements"]) for seal in seals.values()] == [2, 2]
        assert await steel.node.db.read(lambda tx: closing.subjects_of(tx, steel.node, "2026-12"))
        assert await steel.node.db.read(lambda tx: closing.subjects_of(tx, steel.node, "2027-01")) == []


# -- what differs is not signed ----------------------------------------------------------------------------------------


async def test_a_member_whose_books_differ_sees_the_rows_and_does_not_sign(six):
    """p-logistics has stated another grade: it and the operator see the row, nobody signs; put right, all agree."""
    await state_all(six)
    await state(six["p-logistics"], OCTOBER, "A4", "quality", "B")
    await close_all(six)
    differing = await reaches(six["p-logistics"], BUNDLE, State.DIVERGED)
    await reaches(six["s-zhengshu"], BUNDLE, State.DIVERGED)
    row = {"participant": did("p-logistics"), "ref": "A4", "member": "quality", "recorded": "C", "own": "B"}
    for name in ("p-logistics", "s-zhengshu"):
        (shown,) = [each for each in (await view(six[name]))["statements"] if each["ref"] == BUNDLE]
        assert shown["differences"] == [row]
        assert shown["problems"][0]["message"]["zh"]
    assert await six["s-zhengshu"].node.db.read(lambda tx: settlement.seals(tx, differing.digest)) == {}
    await state(six["p-logistics"], OCTOBER, "A4", "quality", "C")
    assert len({each.digest for each in (await agreed(six)).values()}) == 1


async def test_the_operator_replaces_a_wrong_record_and_only_one_is_agreed(six):
    """The operator had the grade wrong: it states the right one and closes again; the new record cites the old one."""
    await state_all(six)
    await state(six["s-zhengshu"], OCTOBER, "A4", "quality", "A")
    await close_all(six)
    await reaches(six["s-zhengshu"], BUNDLE, State.DIVERGED)
    wrong = await six["p-oem"].node.db.read(lambda tx: settlement.newest_input(tx, bundle_digest(), OCTOBER))
    await state(six["s-zhengshu"], OCTOBER, "A4", "quality", "C")
    await closing.close(six["s-zhengshu"].node, OCTOBER)
    found = await agreed(six)
    assert len({each.digest for each in found.values()}) == 1
    for daemon in six.values():
        record = await daemon.node.db.read(lambda tx: settlement.newest_input(tx, bundle_digest(), OCTOBER))
        assert record.document["replaces"] == wrong.digest
        assert found["p-oem"].document["input"] == record.digest


async def test_two_parties_that_differ_do_not_sign_and_the_bundle_waits(six):
    """p-oem states no outage, the provider two days: two digests, no seal, and the operator has no record to sign."""
    await state_all(six)
    await state(six["p-oem"], OCTOBER, "A5", "fullDaysWithoutService", [])
    await close_all(six)
    ours = await reaches(six["p-oem"], "A5", State.DIVERGED)
    theirs = await reaches(six["s-zhengshu"], "A5", State.DIVERGED)
    assert ours.digest != theirs.digest
    (shown,) = [each for each in (await view(six["p-oem"]))["statements"] if each["ref"] == "A5"]
    assert shown["digests"] == {did("p-oem"): ours.digest, did("s-zhengshu"): theirs.digest}
    assert [each["code"] for each in shown["problems"]] == ["statement-differs"]
    waiting = await six["s-zhengshu"].node.db.read(lambda tx: settlement.newest_input(tx, bundle_digest(), OCTOBER))
    assert waiting is None
    await state(six["p-oem"], OCTOBER, "A5", "fullDaysWithoutService", ["2026-10-14", "2026-10-22"])
    await agreed(six)


async def test_a_ledger_that_differs_at_one_member_is_named(tmp_path):
    """p-stamp imports another file: its rows do not count, the operator sees who lacks which ledger, and signs nothing."""
    other = tmp_path / "other.csv"
    lines = scenario(f"data/metering_{OCTOBER}.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    number = next(place for place, line in enumerate(lines) if ",A2," in line)
    cells = lines[number].split(",")
    lines[number] = ",".join([*cells[:7], str(int(cells[7]) + 1), cells[8]])
    other.write_text("".join(lines), encoding="utf-8")
    async with community(tmp_path, *NAMES) as found:
        six = dict(zip(NAMES, found, strict=True))
        await conclude(six)
        await sign_all(six)
        await ledgers(six, paths={"p-stamp": other})
        await state_all(six)
        await close_all(six)
        for name in ("p-stamp", "s-zhengshu"):
            await reaches(six[name], BUNDLE, State.CLOSED)
        await reaches(six["s-zhengshu"], "A6", State.AGREED)
        (shown,) = [each for each in (await view(six["s-zhengshu"]))["statements"] if each["ref"] == BUNDLE]
        facts = [each["facts"] for each in shown["problems"] if each["code"] == "ledger-lacking"]
        assert [(each["ref"], each["participant"]) for each in facts] == [("A2", did("p-stamp"))]


async def test_nothing_is_added_to_a_period_that_is_signed(six, tmp_path):
    """A ledger row for an agreed period is refused, with its row."""
    await state_all(six)
    await close_all(six)
    await agreed(six)
    late = tmp_path / "late.csv"
    header, row, *_ = scenario(f"data/metering_{OCTOBER}.csv").read_text(encoding="utf-8").splitlines()
    late.write_text(f"{header}\n{row.replace(row.partition(',')[0], 'late-row')}\n", encoding="utf-8")
    with pytest.raises(RefusedError) as caught:
        await ledgers({"p-oem": six["p-oem"]}, paths={"p-oem": late})
    assert caught.value.code == "period-closed"


async def test_who_has_not_closed_is_named_to_the_operator(six):
    """Five have closed: the operator waits for the sixth alone, and the others for the operator."""
    await state_all(six)
    await close_all({name: six[name] for name in NAMES if name != "p-steel"})
    await reaches(six["s-zhengshu"], BUNDLE, State.PROPOSED)
    told = ("p-stamp", "p-seat", "p-logistics", "p-oem")
    for name in told:
        await reaches(six[name], BUNDLE, State.PROPOSED)
    key = Key(bundle_digest(), BUNDLE, OCTOBER)
    operator = six["s-zhengshu"].node
    await eventually(lambda: operator.db.read(lambda tx: len(settlement.opinions(tx, key)) == len(NAMES) - 1))
    for name, waits_for, code in (
        ("s-zhengshu", did("p-steel"), "not-closed"),
        ("p-oem", did("s-zhengshu"), "operator-waits"),
    ):
        (shown,) = [each for each in (await view(six[name]))["statements"] if each["ref"] == BUNDLE]
        assert shown["missing"] == [waits_for]
        assert [(each["code"], each["facts"]["participant"]) for each in shown["problems"]] == [(code, waits_for)]
    await closing.close(six["p-steel"].node, OCTOBER)
    for daemon in six.values():
        await reaches(daemon, BUNDLE, State.AGREED)
        (shown,) = [each for each in (await view(daemon))["statements"] if each["ref"] == BUNDLE]
        assert set(shown["digests"]) == {did(name) for name in NAMES}
        assert len(set(shown["digests"].values())) == 1


# -- records and seals that are wrong ----------------------------------------------------------------------------------


@pytest.fixture
async def recorded(six):
    """p-oem, which has not closed, with the operator's record: (six, p-oem, the record as it was signed)."""
    await state_all(six)
    for ref in ("A5", "A6"):
        await closing.close(six["s-zhengshu"].node, OCTOBER, [ref])
    await closing.close(six["p-oem"].node, OCTOBER, ["A5"])
    await closing.close(six["p-seat"].node, OCTOBER, ["A6"])
    for ref in ("A5", "A6"):
        await reaches(six["s-zhengshu"], ref, State.AGREED)
    await closing.close(six["s-zhengshu"].node, OCTOBER)
    record = await six["s-zhengshu"].node.db.read(lambda tx: settlement.newest_input(tx, bundle_digest(), OCTOBER))
    return six, six["p-oem"], record.signed


async def refused_record(daemon, document, label=OCTOBER):
    with pytest.raises(InputError) as caught:
        await given(
            daemon,
            lambda tx, node, now: closing.receive_period(
                tx, node, did("s-zhengshu"), bundle_digest(), label, document, now
            ),
        )
    return caught.value.member


async def test_a_record_of_the_wrong_signer_is_refused(recorded):
    six, oem, record = recorded
    assert await refused_record(oem, signed(six["p-steel"], record["document"])) == "jws"


async def test_a_record_that_was_changed_after_signing_is_refused(recorded):
    _, oem, record = recorded
    changed = json.loads(json.dumps(record))
    changed["document"]["contributions"][0]["accepted"] += 1
    assert await refused_record(oem, changed) == "jws"


@pytest.mark.parametrize(
    ("member", "change"),
    [
        ("terms", {"terms": f"sha-256:{'0' * 64}"}),
        ("operator", {"operator": did("p-steel")}),
        ("period", {"period": NOVEMBER, "from": "2026-11-01T00:00:00+08:00", "to": "2026-12-01T00:00:00+08:00"}),
        ("netIncome", {"netIncome": 1}),
        ("replaces", {"replaces": f"sha-256:{'0' * 64}"}),
    ],
)
async def test_a_record_about_something_else_is_refused_with_its_member(recorded, member, change):
    """Signed by the operator itself, and still not the record of this bundle and period."""
    six, oem, record = recorded
    assert await refused_record(oem, signed(six["s-zhengshu"], record["document"] | change)) == member


async def test_a_second_record_after_signing_is_refused(six):
    """Once a member has sealed, no other record of that period is taken."""
    await state_all(six)
    await close_all(six)
    await agreed(six)
    known = await six["p-oem"].node.db.read(lambda tx: settlement.newest_input(tx, bundle_digest(), OCTOBER))
    other = signed(six["s-zhengshu"], known.document | {"replaces": known.digest})
    assert await refused_record(six["p-oem"], other) == "replaces"


async def test_a_stranger_learns_nothing_about_a_bundle(recorded):
    """Whoever is no signatory is told that there is no such bundle."""
    _, oem, record = recorded
    with pytest.raises(RefusedError) as caught:
        await given(
            oem,
            lambda tx, node, now: closing.receive_period(
                tx, node, did("p-stranger"), bundle_digest(), OCTOBER, record, now
            ),
        )
    assert caught.value.code == "bundle-unknown"
    with pytest.raises(RefusedError):
        await oem.node.db.read(lambda tx: closing.record_for(tx, bundle_digest(), OCTOBER, did("p-stranger")))


async def test_signatories_read_the_record_and_all_signatures(recorded):
    """`GET` gives a signatory the signed record and every signature; before there is a record, and to strangers, there is none."""
    six, oem, record = recorded
    base = f"{six['s-zhengshu'].node.base}/bundles/{bundle_digest()}"
    status, body = await documents.get(oem.node, did("s-zhengshu"), f"{base}/periods/{OCTOBER}")
    assert (status, json.loads(body)) == (200, record)
    status, body = await documents.get(oem.node, did("s-zhengshu"), f"{base}/seals")
    assert (status, len(json.loads(body)["seals"])) == (200, len(NAMES))
    status, _ = await documents.get(oem.node, did("s-zhengshu"), f"{base}/periods/{NOVEMBER}")
    assert status == 404
    unknown = f"{six['s-zhengshu'].node.base}/bundles/sha-256:{'0' * 64}/seals"
    assert (await documents.get(oem.node, did("s-zhengshu"), unknown))[0] == 404


@pytest.mark.parametrize(
    ("path", "document", "status"),
    [
        (f"bundles/{{bundle}}/periods/{OCTOBER}", {"state": "AGREED"}, 400),
        ("bundles/{bundle}/periods/2026-02", {"state": "OPEN"}, 400),
        ("bundles/{bundle}/seals", {"document": {}}, 400),
        ("bundles/RISK-2026/seals", {}, 400),
        (f"agreements/sha-256:{'0' * 64}/statements/{OCTOBER}", {}, 400),
    ],
)
async def test_what_makes_no_sense_on_the_wire_is_refused_and_on_record(recorded, path, document, status):
    """A member's nonsense gets a reason, changes nothing, and stands in the log of who refused it."""
    six, oem, _ = recorded
    operator = six["s-zhengshu"]
    answer = await oem.node.transport.request(
        "POST",
        f"{operator.node.base}/{path.format(bundle=bundle_digest())}",
        participant=did("s-zhengshu"),
        headers={
            "Authorization": await oem.node.identity.authorisation(did("s-zhengshu")),
            "Content-Type": "application/json",
        },
        body=json.dumps(document).encode(),
        limit_bytes=10_000,
        timeout_s=5,
    )
    assert answer.status == status
    assert json.loads(answer.body)["reason"]
    recorded_types = await operator.node.db.read(types(operator))
    assert ("message.refused" in recorded_types) == ("RISK-2026" not in path)


async def test_a_seal_on_another_statement_is_refused(six):
    """p-seat signs a digest that is not the operator's: the seal is refused, naming the member that differs."""
    await state_all(six)
    await closing.close(six["s-zhengshu"].node, OCTOBER, ["A6"])
    await closing.close(six["p-seat"].node, OCTOBER, ["A6"])
    kept = await reaches(six["s-zhengshu"], "A6", State.AGREED)
    seal = statement_seal(
        f"sha-256:{'0' * 64}",
        agreements=[kept.agreement],
        signatory=did("p-seat"),
        checkpoint=f"sha-256:{'1' * 64}",
        signed_at="2026-11-10T01:00:00Z",
    )
    with pytest.raises(BrokenRuleError) as caught:
        await given(
            six["s-zhengshu"],
            lambda tx, node, now: closing.receive_statement_seal(
                tx, node, did("p-seat"), kept.agreement, OCTOBER, signed(six["p-seat"], seal), now
            ),
        )
    assert caught.value.facts["member"] == "statement"


async def test_a_digest_for_an_agreement_of_others_is_refused(six):
    """Only its two parties speak about an agreement, and only about periods that its terms have."""
    kept = next(iter((await view(six["p-stamp"]))["statements"]))
    said = {"usageRoot": f"sha-256:{'0' * 64}", "statement": ""}

    def receive(sender, label, document):
        return lambda tx, node, now: closing.receive_statement(
            tx, node, sender, kept["agreement"], label, document, now
        )

    with pytest.raises(RefusedError) as caught:
        await given(six["p-stamp"], receive(did("p-oem"), OCTOBER, said))
    assert caught.value.code == "agreement-unknown"
    with pytest.raises(PeriodError):
        await given(six["p-stamp"], receive(did("p-steel"), "2026-02", said))
    with pytest.raises(RefusedError) as caught:
        await given(six["p-stamp"], receive(did("p-steel"), OCTOBER, {"usageRoot": "x", "statement": ""}))
    assert (caught.value.code, caught.value.facts["path"]) == ("message-invalid", "usageRoot")
    assert await given(six["p-stamp"], receive(did("p-steel"), OCTOBER, said)) == {}


async def test_an_answer_about_a_replaced_record_counts_for_nothing(recorded):
    """An answer that comes late, about the record before, is no word on the one that counts."""
    six, oem, _ = recorded
    operator = six["s-zhengshu"]
    key = Key(bundle_digest(), BUNDLE, OCTOBER)
    late = {"statement": f"sha-256:{'0' * 64}", "input": f"sha-256:{'1' * 64}"}
    party = oem.node.participant

    def hear(tx, _node, now):
        before = settlement.opinions(tx, key).get(party)
        pool.hear(tx, key, party, late, now)
        return before, settlement.opinions(tx, key).get(party)

    before, after = await given(operator, hear)
    assert before == after


def test_the_grades_of_the_story_are_those_stated_here():
    """The inputs that the tests state are the scenario's."""
    record = read_input(expected()["settlement"][OCTOBER]["period_input"])
    assert {each.ref: each.quality for each in record.contributions} == GRADES


# -- a bad network, a partner without Weft -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_faulty_network_leaves_one_digest(tmp_path, seed):
    """A third of all requests about settlement is lost, answered into the void, doubled or held back: the end is the same."""
    luck = random.Random(seed)

    def script(method, url):
        if method == "GET" or not any(part in url for part in ("/bundles/", "/statements/", "/ledgers/")):
            return Fault.NONE
        draw = luck.random()
        if draw < 0.1:
            return Fault.LOSE_REQUEST
        if draw < 0.2:
            return Fault.LOSE_ANSWER
        if draw < 0.3:
            return Fault.DUPLICATE
        return Delay(luck.random() * 0.02) if draw < 0.5 else Fault.NONE

    async with community(tmp_path, *NAMES, script=script) as found:
        six = dict(zip(NAMES, found, strict=True))
        await conclude(six)
        await sign_all(six)
        await ledgers(six)
        await state_all(six)
        await close_all(six)
        kept = await agreed(six)
        assert {each.digest for each in kept.values()} == {expected()["settlement"][OCTOBER]["bundle_statement_digest"]}
        for name in ("p-oem", "s-zhengshu"):
            await reaches(six[name], "A5", State.AGREED)


async def test_a_partner_without_weft_gets_nothing_and_that_is_shown(six):
    """p-stamp's document lists no extensions: nothing is sent to it, and the statement says so in words."""
    stamp = did("p-stamp")
    steel = six["p-steel"]
    known = {"participant": stamp, "document": "{}", "fetched": "2026-11-10T01:00:00.000000Z"}
    await steel.node.db.transact(lambda tx: tx.run("fact.set_peer", **known))
    steel.dispatcher._peers._known.clear()
    await closing.close(steel.node, OCTOBER, ["A7"])

    def unheard(tx):
        return "statement.unheard" in types(steel)(tx)

    await until(steel, "audit", unheard)
    (shown,) = [each for each in (await view(steel))["statements"] if each["ref"] == "A7"]
    assert (shown["state"], shown["missing"]) == ("proposed", [stamp])
    assert [each["code"] for each in shown["problems"]] == ["peer-without-weft"]
    assert (await view(six["p-stamp"]))["closed"] == {}
