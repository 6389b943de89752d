"""The demo's package is the scenario: its files are copies, and its figures are those that the scenario asserts."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from examples.player.package import Package, PackageError
from policies.compare import policy_digest
from tests.shared import shared

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "supply-chain-control"
SCENARIO = "scenarios/supply-chain-control"
COPIES = sorted(
    str(path.relative_to(FOLDER))
    for part in ("data", "contracts")
    for path in (FOLDER / part).rglob("*")
    if path.is_file()
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
    for dataset in package.datasets.values():
        used |= {
            package.contract(kind, name)
            for kind in ("offers", "terms", "transforms")
            for name in getattr(dataset, kind)
        }
    assert {str(path.relative_to(FOLDER)) for path in used} == set(COPIES)


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
        assert list(delivery.dropped) == expected["transforms"]["dropped_columns"][agreement.dataset]


def test_golden_values(package, expected):
    pseudonym, rounded = expected["transforms"]["keyed_pseudonym"], expected["transforms"]["round_to_0.05"]
    for name, agreement in package.agreements.items():
        for golden in agreement.delivery.golden:
            if golden.column in agreement.delivery.replaced:
                assert (golden.given, golden.delivered) == (pseudonym["value"], pseudonym[name]["out"])
            else:
                [coil] = golden.row.values()
                assert {"in": golden.given, "out": golden.delivered} == rounded[coil][golden.column]


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
        assert (refusal.reason, refusal.left_operand) == (listed[name]["reason"], listed[name]["left_operand"])
        # A dry run has no status of its own.
        assert refusal.http == (None if "dry_run" in listed[name] else listed[name]["http"])


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
