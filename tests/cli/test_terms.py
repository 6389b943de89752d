"""`weft terms` without a daemon: faults, sentences and figures from a file."""

import json

import pytest

from connector.cli.exits import Exit
from connector.cli.main import main
from policies.canonical import canonical, digest
from tests.terms import bundle, subscription

SUPPOSED = (
    "--income",
    "90000",
    "--accepted",
    "I1=300",
    "--accepted",
    "I2=300",
    "--quality",
    "I1=X",
    "--quality",
    "I2=Y",
)


@pytest.fixture
def weft(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LANG", "C")

    def run(*words):
        capsys.readouterr()
        code = main(["-C", str(tmp_path), *words])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def written(tmp_path):
    """A document in a file, in canonical form unless it shall not be."""

    def write(document, *, form=canonical):
        path = tmp_path / "terms.json"
        path.write_bytes(form(document))
        return str(path)

    return write


def test_good_terms_are_said_to_be_that_with_their_digest(weft, written):
    file = written(subscription())
    code, shown, _ = weft("terms", "check", file)
    assert code == Exit.DONE
    assert digest(canonical(subscription())) in shown
    assert "can be settled by" in shown
    (row,) = json.loads(weft("terms", "check", file, "--json")[1])["items"]
    assert (row["valid"], row["canonical"], row["problems"]) == (True, True, [])


def test_a_file_in_another_form_has_the_digest_of_the_canonical_one(weft, written):
    """Publishing writes the canonical form; `sha256sum` of this file would be another digest, so that is said."""
    file = written(subscription(), form=lambda document: json.dumps(document, indent=1).encode())
    (row,) = json.loads(weft("terms", "check", file, "--json")[1])["items"]
    assert (row["valid"], row["canonical"], row["digest"]) == (True, False, digest(canonical(subscription())))


def test_every_fault_is_listed_with_its_path(weft, written):
    file = written(subscription(fixed=-5, surprise="x", grace="soon"))
    code, shown, _ = weft("terms", "check", file)
    assert code == Exit.USAGE
    lines = shown.splitlines()[1:]
    assert len(lines) == 3
    for path in ("charges[0].fixed", "surprise", "grace"):
        assert sum(f" {path} " in line for line in lines) == 1


def test_terms_are_explained_in_both_languages(weft, written):
    file = written(subscription())
    assert "base-fee: 300.00 EUR for each month." in weft("terms", "explain", file)[1]
    assert "base-fee：每月 300.00 EUR。" in weft("terms", "explain", file, "--lang", "zh")[1]
    found = json.loads(weft("terms", "explain", file, "--json")[1])
    assert set(found["sentences"]) == {"en", "zh"}


def test_a_simulation_is_a_table_of_what_is_owed(weft, written):
    """The payer and the payee are named once; each volume is a row with every line and the total."""
    file = written(subscription())
    code, shown, told = weft("terms", "simulate", file, "--volume", "3000", "--volume", "500", "--days", "2")
    assert code == Exit.DONE
    heading, *rows = (line.split() for line in shown.splitlines())
    assert heading == ["part", "days", "without", "service", "base-fee", "parts", "outage", "total"]
    assert rows == [
        ["3,000", "2", "300.00", "50.00", "-24.00", "326.00"],
        ["500", "2", "300.00", "0.00", "-24.00", "276.00"],
    ]
    assert "what did:web:s-zhengshu.example owes did:web:p-steel.example, in EUR" in told
    (first, *_) = json.loads(weft("terms", "simulate", file, "--json")[1])["items"]
    assert (first["volume"], first["total"], first["exponent"]) == (750, 30_000, 2)


def test_a_bundle_is_simulated_for_all_its_parties(weft, written):
    file = written(bundle())
    code, shown, _ = weft("terms", "simulate", file, *SUPPOSED)
    assert code == Exit.DONE
    totals = {line.split()[0]: line.split()[-1] for line in shown.splitlines() if " total " in line}
    assert totals == {
        "did:web:p-steel.example": "375.00",
        "did:web:p-stamp.example": "400.00",
        "did:web:s-zhengshu.example": "-775.00",
        "did:web:p-oem.example": "0.00",
    }
    document = json.loads(weft("terms", "simulate", file, *SUPPOSED, "--json")[1])
    assert (document["type"], document["sum"]) == ("BundleStatement", 0)


@pytest.mark.parametrize(
    ("document", "words", "said"),
    [
        (bundle(), ("--volume", "3"), "A bundle is simulated with --income"),
        (bundle(), ("--income", "5", "--accepted", "I1"), "--accepted takes NAME=VALUE"),
        (bundle(), ("--income", "5", "--accepted", "I1=many"), "many is no number"),
        (bundle(), ("--income", "5", "--accepted", "I1=3"), "contributions.I1"),
        (subscription(), ("--income", "5"), "These terms are between two parties"),
        (subscription(), ("--volume", "-1"), "-1 is no number"),
        (subscription(), ("--period", "2026-10"), "2026-10"),
        ({"model": "Auction"}, (), "Auction"),
        ([], (), "does not hold the document"),
    ],
)
def test_what_cannot_be_simulated_says_why(weft, written, document, words, said):
    code, shown, told = weft(
        "terms", "simulate", written(document, form=lambda each: json.dumps(each).encode()), *words
    )
    assert (code, shown) == (Exit.USAGE, "")
    assert said in told
