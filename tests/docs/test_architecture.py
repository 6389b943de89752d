"""ARCHITECTURE.md names what is there: its tree, its floors and its state machines are those of the code."""

import re
import tomllib
from pathlib import Path

import pytest

from contracts.negotiation.table import MACHINE as NEGOTIATION
from contracts.transfer.table import MACHINE as TRANSFER
from tests.docs.pages import ROOT, block, code, page

TEXT = page("ARCHITECTURE.md")
PACKAGES = ("policies", "contracts", "catalog", "connector")


def named() -> list[tuple[str, list[Path]]]:
    """Each name in the tree with the places it may mean: a folder of the line above, or the folder the line begins with."""
    found = []
    folders: dict[int, Path] = {}
    for line in code(block(TEXT, "tree")).splitlines():
        indent = len(line) - len(line.lstrip())
        names = re.findall(r"(?<![\w/.-])(?:[\w-]+/)+(?!\w)|(?<![\w/.-])\w+\.py\b", line)
        above = [folder for depth, folder in folders.items() if depth < indent]
        if line.strip() and indent <= 4:
            above = above or [ROOT]
            first = re.match(r"[\w-]+/", line.strip())
            if first:
                folders = {depth: folder for depth, folder in folders.items() if depth < indent}
                folders[indent] = above[-1] / first[0]
        places = [*folders.values(), ROOT]
        found += [
            (name, [place / name for place in (places if name != f"{line.split('/')[0]}/" else [ROOT])])
            for name in names
        ]
    return found


def test_the_tree_names_only_what_exists():
    missing = [name for name, places in named() if not any(place.exists() for place in places)]
    assert named()
    assert not missing


@pytest.mark.parametrize("package", PACKAGES)
def test_the_tree_names_every_module_and_folder_of_a_package(package):
    known = {place for _, places in named() for place in places if place.exists()}
    there = {path for path in (ROOT / package).glob("*.py") if not path.name.startswith("__")}
    there |= {path.parent for path in (ROOT / package).rglob("*.py") if "__pycache__" not in path.parts}
    assert not sorted(str(path.relative_to(ROOT)) for path in there - known)


@pytest.mark.parametrize("machine", [NEGOTIATION, TRANSFER], ids=lambda machine: machine.name)
def test_the_pictures_are_the_tables(machine):
    assert code(block(TEXT, f"machine: {machine.name}")) == machine.mermaid()


def test_the_floors_are_those_that_import_linter_holds():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (floors,) = (each["layers"] for each in contracts if each["name"].startswith("the floors inside connector"))
    assert [floor.replace("connector.", "") for floor in floors] == code(block(TEXT, "floors")).splitlines()


def test_every_room_of_the_connector_stands_on_a_floor():
    floors = set(re.findall(r"\w+", code(block(TEXT, "floors"))))
    there = (ROOT / "connector").iterdir()
    rooms = {path.stem for path in there if not path.name.startswith("__") and path.suffix in ("", ".py")}
    assert rooms - floors == {"client", "rdf_worker", "version"}  # each has its sentence in the page
