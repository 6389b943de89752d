"""DECISIONS.md: records are numbered, and each dependency that somebody chose has its paragraph."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.pages import ROOT, page

RECORDS, DEPENDENCIES = page("DECISIONS.md").split("\n## Dependencies\n")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NEEDED = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
CHOSEN = [*NEEDED, *(Requirement(text) for text in PROJECT["dependency-groups"]["dev"])]


def test_records_are_numbered_without_a_gap():
    numbers = [int(number) for number in re.findall(r"^\*\*(\d+)\. ", RECORDS, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("number", range(1, len(re.findall(r"^\*\*\d+\. ", RECORDS, re.MULTILINE)) + 1))
def test_every_record_says_why(number):
    (record,) = re.findall(rf"^\*\*{number}\. .*?(?=^\*\*|^## |\Z)", RECORDS, re.MULTILINE | re.DOTALL)
    assert re.search(r"\*Why:\*|: ", record)


@pytest.mark.parametrize("dependency", CHOSEN, ids=str)
def test_every_dependency_has_its_paragraph(dependency):
    named = {canonicalize_name(name.partition("[")[0]) for name in re.findall(r"\*\*([\w\[\]-]+)\*\*", DEPENDENCIES)}
    assert canonicalize_name(dependency.name) in named


@pytest.mark.parametrize("dependency", NEEDED, ids=str)
def test_a_dependency_of_the_daemon_says_what_it_costs(dependency):
    extras = f"[{','.join(sorted(dependency.extras))}]" if dependency.extras else ""
    (paragraph,) = re.findall(
        rf"^\*\*{re.escape(dependency.name + extras)}\*\* .*?(?=^$|\Z)", DEPENDENCIES, re.MULTILINE | re.DOTALL
    )
    assert re.search(r"\d\sMB", paragraph)
    assert re.search(r"\d\ss\b|no import", paragraph)
