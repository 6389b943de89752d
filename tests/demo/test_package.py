"""The demo's package is the scenario: its files are copies, and its figures are those that the scenario asserts."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from connector.scenario.errors import PackageError
from connector.scenario.package import Package
from policies.compare import policy_digest
from tests.shared import shared

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "supply-chain-control"
SCENARIO = "scenarios/supply-chain-control"
COPIES = sorted(
    str(path.relative_to(FOLDER))
    for part in ("data", "contracts")
    for path in (FOLDER / part).rglob("*")
    if path.is_file() and path.name != "onward.json"  # the offer that must be refused is ours
)


@pytest.fixture(scope="module")
def package():
    return Package.read(FOLDER)


@pytest.fixture(scope="module")
def expected():
    return json.loads(shared(f"{SCENARIO}/expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", COPIES)
def test_copied_file_equals_the_original(name):
    assert (FOLDER / name).read_bytes() == shared(f"{SCENARIO}/{name}").read_bytes()


def test_every_copy_is_used(package):
    used = {package.data(name) for name in package.datasets}
    used |= {package.folder / each.ledger for each in package.settlements.values()}
    for dataset in package.datasets.values():
        used |= {
            package.contract(kind, name)
            for kind in ("offers", "terms", "transforms")
            for name in getattr(dataset, kind)
        }
    used |= {package.contract("terms", each.wish.terms) for each in package.agreements.values() if each.wish}
    assert {str(path.relative_to(FOLDER)) for path in used} == set(COPIES)


def test_nobody_and_nothing_of_the_scenario_is_left_out(package, expected):
    assert set(package.participants) == set(expected["participants"])
    assert set(package.datasets) == set(expected["products"])
    assert set(package.agreements) == {each["id"] for each in expected["agreements"]}
    # Told by dry runs and tests: an allowed pull, a product without a licence or with a laxer offer, the mill that is down.
    told = {each["id"] for each in expected["refusals"]} - {"A-R3b", "A-R9", "A-R10", "A-E1"}
    assert set(package.refusals) == told


def test_participants_and_products(package, expected):
    for name, participant in package.participants.items():
        listed = expected["participants"][name]
        assert (participant.id, participant.connector_id, participant.region) == (
            listed["participant_id"], listed["connector_id"], listed["region"],
        )  # fmt: skip
    for name, dataset in package.datasets.items():
        assert {"owner": dataset.owner, "product_id": dataset.id} == expected["products"][name]


def test_agreements_are_those_of_the_scenario(package, expected):
    listed = {each["id"]: each for each in expected["agreements"]}
    for name, agreement in package.agreements.items():
        assert (package.provider(name), agreement.consumer) == (listed[name]["provider"], listed[name]["consumer"])
        document, facts = package.offer(name), expected["contracts"]["agreements"][name]
        assert document["@id"] == facts["offer"]
        assert package.datasets[agreement.dataset].id == facts["target"]
        assert set(facts["terms"]) <= set(package.datasets[agreement.dataset].terms)
        assert policy_digest(document).startswith("sha-256:")


def test_contract_documents_have_their_digests(package, expected):
    for dataset in package.datasets.values():
        for kind in ("terms", "transforms"):
            for name in getattr(dataset, kind):
                digest = hashlib.sha256(package.contract(kind, name).read_bytes()).hexdigest()
                assert f"sha-256:{digest}" == expected["contracts"][kind][name]


def test_deliveries(package, expected):
    for name, agreement in package.agreements.items():
        delivery, facts = agreement.delivery, expected["deliveries"][name]
        assert (delivery.rows, delivery.bytes, delivery.sha256) == (facts["rows"], facts["bytes"], facts["sha256"])
        assert list(delivery.columns) == expected["transforms"]["delivered_columns"][name]
        assert list(delivery.dropped) == expected["transforms"]["dropped_columns"].get(agreement.dataset, [])


def test_golden_values(package, expected):
    transforms = expected["transforms"]
    pseudonym, rounded = transforms["keyed_pseudonym"], transforms["round_to_0.05"]
    hundreds = {given: str(shown) for given, shown in transforms["round_qty_to_100"].items()}
    for name, agreement in package.agreements.items():
        for golden in agreement.delivery.golden:
            if golden.column in agreement.delivery.replaced:
                assert (golden.given, golden.delivered) == (pseudonym["value"], pseudonym[name]["out"])
            elif golden.given in hundreds:
                assert golden.delivered == hundreds[golden.given]
            else:
                [coil] = golden.row.values()
                assert {"in": golden.given, "out": golden.delivered} == rounded[coil][golden.column]


def test_a_product_is_made_of_what_the_scenario_says(package, expected):
    for name, lineage in expected["lineage"].items():
        derived = package.datasets[name].derived
        assert list(derived.agreements) == lineage["agreements"]
        assert [package.agreements[each].dataset for each in derived.agreements] == lineage["derived_from"]


def test_the_wish_is_the_one_of_the_scenario(package, expected):
    told = expected["story_order"]["counter_offer"]
    wishes = {name: each.wish for name, each in package.agreements.items() if each.wish}
    assert {name: (wish.terms, wish.instead_of) for name, wish in wishes.items()} == {
        told["agreement"]: (told["asked"], told["answered"])
    }


@pytest.mark.parametrize("label", ["2026-10", "2026-11"])
def test_settlements(package, expected, label):
    """Digests, documents, lines and net positions are those of the scenario, and what is stated is what it gives."""
    facts, outcome, settlement = expected["settlement"][label], package.outcome(label), package.settlements[label]
    bilateral = facts.get("bilateral_statements", {})
    assert outcome.digests == {
        **{ref: each["digest"] for ref, each in bilateral.items()},
        settlement.bundle: facts["bundle_statement_digest"],
        "input": facts["period_input_digest"],
    }
    assert outcome.documents == {
        **{ref: each["statement"] for ref, each in bilateral.items()},
        settlement.bundle: facts["bundle_statement"],
        "input": facts["period_input"],
    }
    for name, statement in facts.get("statements", {}).items():
        wanted = [(line["kind"], line["ref"], line["fen"]) for line in statement["lines"]]
        assert [(line.kind, line.ref, line.amount) for line in outcome.lines[name]] == wanted
    if "net_positions_fen" in facts:
        assert outcome.positions == facts["net_positions_fen"]
    given = json.loads(shared(f"{SCENARIO}/data/settlement_inputs.json").read_text(encoding="utf-8"))["periods"][label]
    assert {package.provider(ref): grade for ref, grade in settlement.quality.items()} == given["quality"]
    days = {ref: [day.isoformat() for day in each] for ref, each in settlement.without_service.items()}
    assert days == given.get("outage_full_days", {})
    assert settlement.declared_income == (given["net_income_fen"] if not bilateral else None)


def test_test_keys(package, expected):
    for participant in package.participants.values():
        for offer, key in participant.pseudonym_keys.items():
            [name] = [each for each, facts in expected["contracts"]["agreements"].items() if facts["offer"] == offer]
            assert key == expected["deliveries"][name]["test_key"]


def test_choice_of_columns(package, expected):
    facts = expected["column_choice"]
    choice = package.agreements[facts["agreement"]].choice
    assert facts["query"] == f"columns={','.join(choice.asked)}"
    assert (list(choice.columns), choice.rows, choice.bytes, choice.sha256) == (
        facts["columns"], facts["rows"], facts["bytes"], facts["sha256"],
    )  # fmt: skip


def test_refusals(package, expected):
    listed = {each["id"]: each for each in expected["refusals"]}
    for name, refusal in package.refusals.items():
        facts = listed[name].get("expected_facts", listed[name])
        assert (refusal.reason, refusal.left_operand) == (facts["reason"], facts.get("left_operand"))
        # A dry run has no status of its own.
        assert refusal.http == (None if "dry_run" in listed[name] else facts.get("http"))


def test_counted_pulls_are_those_of_the_scenario(package, expected):
    """The chapters count as often as the story does, under each agreement with a count."""
    told = [pull for day in expected["story_order"]["counted_pulls_of_the_day"] for pull in day["counts"]]
    played = []
    for step in (step for chapter in package.chapters for step in chapter.steps):
        if step.play == "fetch" and not set(step.agreements) - {"A1", "A2", "A3", "A4"}:
            played += [name for name in step.agreements if name not in step.failing]
        elif step.play in ("stop", "suspend", "interrupt"):
            played.append(step.agreement)
    assert sorted(played) == sorted(told)


def test_a_name_that_nothing_has_is_an_error(tmp_path):
    copy = shutil.copytree(FOLDER, tmp_path / "copy")
    text = (copy / "package.toml").read_text(encoding="utf-8")
    (copy / "package.toml").write_text(text.replace('with = "p-logistics"', 'with = "p-nobody"'), encoding="utf-8")
    with pytest.raises(PackageError, match="no participant is called p-nobody"):
        Package.read(copy)


def test_a_missing_file_is_an_error(tmp_path):
    copy = shutil.copytree(FOLDER, tmp_path / "copy")
    (copy / "contracts" / "offers" / "A4.json").unlink()
    with pytest.raises(PackageError, match=r"A4\.json: the file is missing"):
        Package.read(copy)
