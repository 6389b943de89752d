"""The recipe that runs the official kit is the one that was tried, and asks for every test."""

import filecmp
import re

import pytest

from tests.conformance.__main__ import HERE, wanted
from tests.interop import edc
from tests.shared import shared


@pytest.mark.parametrize("name", ["tck.py", "pom.xml", "dsp.properties"])
def test_the_recipe_of_the_kit_is_the_shared_one(name):
    assert filecmp.cmp(HERE / "kit" / name, shared(f"conformance/{name}"), shallow=False)


@pytest.mark.parametrize("name", ["edc_peer.py", "pom.xml", "connector.properties"])
def test_the_recipe_of_the_peer_is_the_shared_one(name):
    (folder,) = edc.__path__
    assert filecmp.cmp(f"{folder}/{name}", shared(f"conformance/edc/{name}"), shallow=False)


def test_a_run_asks_for_the_tests_that_the_kit_has_not_disabled():
    assert len(wanted()) == 65


def test_every_scenario_has_its_own_dataset_or_agreement_in_the_properties():
    text = (HERE / "kit" / "dsp.properties").read_text()
    asked = dict(re.findall(r"^([A-Z_0-9]+)_(?:DATASETID|AGREEMENTID)=(\S+)$", text, re.MULTILINE))
    assert len(set(asked.values())) == len(asked) == 66
