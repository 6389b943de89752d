"""Another package, with other names, prices and figures, plays as well: three parties, euros, and a product of their own."""

import json
import re
import shutil
from pathlib import Path

import pytest

from connector.scenario.errors import PackageError
from connector.scenario.package import Package
from connector.scenario.play import cleared, play
from connector.scenario.soundness import problems
from connector.scenario.tell import Teller

FOLDER = Path(__file__).with_name("second")


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_it_plays(tmp_path, capsys):
    code = await play(Package.read(FOLDER), cleared(tmp_path / "build"), Teller("zh"), keep=False)
    checks = json.loads((tmp_path / "build" / "report.json").read_text(encoding="utf-8"))
    told = capsys.readouterr().out
    assert [check for check in checks if not check["ok"]] == [], told
    assert code == 0
    assert "果园" in told


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_what_does_not_come_as_expected_is_said(tmp_path, capsys):
    """A wrong figure in the package is one failed check with both figures, and the exit code says so."""
    copy = shutil.copytree(FOLDER, tmp_path / "package")
    outcome = copy / "expected" / "2027-02.json"
    document = json.loads(outcome.read_text(encoding="utf-8"))
    document["lines"]["orchard"][0]["amount"] += 1
    outcome.write_text(json.dumps(document), encoding="utf-8")
    code = await play(Package.read(copy), cleared(tmp_path / "build"), Teller("en"), keep=False)
    checks = json.loads((tmp_path / "build" / "report.json").read_text(encoding="utf-8"))
    [failed] = [check for check in checks if not check["ok"]]
    assert code == 1
    assert failed["expected"].startswith("60.01 = ")
    assert failed["got"].startswith("60.00 = ")
    assert f"1 of {len(checks)} checks do not hold" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(60)
async def test_a_story_that_breaks_is_a_finding_and_leaves_nothing_running(tmp_path, capsys):
    copy = shutil.copytree(FOLDER, tmp_path / "package")
    (copy / "blend.py").write_text('import sys\nsys.exit("the press is broken")\n', encoding="utf-8")
    code = await play(Package.read(copy), cleared(tmp_path / "build"), Teller("en"), keep=False)
    [failed] = [
        check
        for check in json.loads((tmp_path / "build" / "report.json").read_text(encoding="utf-8"))
        if not check["ok"]
    ]
    assert code == 1
    assert "the press is broken" in failed["got"]
    assert "blend.py" in capsys.readouterr().out


def test_it_is_sound():
    assert problems(FOLDER) == []


def altered(tmp_path, name, old, new):
    """A copy of the package with one text in place of another."""
    copy = shutil.copytree(FOLDER, tmp_path / "copy")
    path = copy / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return copy


@pytest.mark.parametrize(
    ("name", "old", "new", "code", "said"),
    [
        ("package.toml", 'consumer = "shop"', 'consumer = "barn"', "name-unknown", "no participant is called barn"),
        ("package.toml", 'agreements = ["H"], purpose', 'agreements = ["Q"], purpose', "name-unknown", "no agreement"),
        ("package.toml", "quality = { H =", "quality = { Q =", "name-unknown", "no agreement is called Q"),
        ("package.toml", 'settlement = "2027-02"', 'settlement = "2027-03"', "name-unknown", "no settlement"),
        ("package.toml", "data/ledger.csv", "data/nothing.csv", "file-missing", "nothing.csv"),
        ("package.toml", "blend.py", "blend2.py", "file-missing", "blend2.py"),
        ("package.toml", 'bundle = "cider", by', 'bundle = "perry", by', "file-missing", "perry.json"),
        ("package.toml", 'bundle = "cider"\nledger', 'bundle = "juice"\nledger', "no-bundle", "juice.json"),
        ("package.toml", 'play = "prove"', 'play = "prvoe"', "invalid", "chapters.0.steps"),
        ("package.toml", 'name = "cider"', "name = cider", "unreadable", "package.toml"),
        ("package.toml", 'name = "cider"', 'name = "cider"\ncolour = "red"', "invalid", "colour"),
        ("package.toml", 'terms = ["juice", "cider"]', 'terms = ["cider"]', "cited-missing", "J.json"),
        ("package.toml", 'id = "did:web:shop.test"', 'id = "did:web:barn.test"', "signatory-unknown", "shop.test"),
        ("package.toml", 'dataset = "blend"\nconsumer', 'dataset = "harvest"\nconsumer', "offer-elsewhere", "J.json"),
        ("contracts/terms/juice.json", '"rate":"50"', '"rate":"0.5.0"', "unreadable", "juice.json"),
        ("contracts/offers/H.json", '"odrl:use"', '"odrl:use', "unreadable", "H.json"),
        ("data/ledger.csv", "m-2,", "m-1,", "unreadable", "line 2"),
        ("expected/2027-02.json", '"netIncome": 12000,', '"netIncome": 12001,', "digest-differs", "2027-02.json"),
        ("expected/2027-02.json", '"orchard": 6000', '"orchard": 6001', "sum-differs", "sum to 1"),
        ("expected/2027-02.json", '"positions"', '"position"', "invalid", "positions"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path, name, old, new, code, said):
    found = problems(altered(tmp_path, name, old, new))
    assert code in {each.code for each in found}
    for lang in ("en", "zh"):
        assert all("{" not in re.sub(r"\{'.*?\}", "", each.sentence(lang)) for each in found)
    assert any(said in str(each) for each in found if each.code == code)


def test_a_folder_that_is_no_package_is_one_problem(tmp_path):
    [found] = problems(tmp_path)
    assert isinstance(found, PackageError)
    assert "package.toml" in str(found)
