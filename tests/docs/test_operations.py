"""OPERATIONS.md lists every setting, command, exit code, metric and error code, as the code has them."""

import re
from pathlib import Path

import pytest

from connector.cli.exits import Exit
from connector.errors import TABLE
from connector.settings import Settings
from policies.sentences import has_sentence
from tests.docs.pages import block, page
from tests.docs.tables import TABLES, first_clause

TEXT = page("OPERATIONS.md")


@pytest.mark.parametrize("name", TABLES)
def test_the_table_is_the_one_of_the_code(name):
    assert block(TEXT, name) == TABLES[name](), "run `python -m tests.docs.tables --write`"


def test_every_setting_that_weft_config_shows_is_listed():
    shown = Settings.of(
        Path(),
        {
            "participant": "did:web:a.example",
            "space_key": "ed25519:" + "A" * 43,
            "members": "m",
            "dsp": "http://127.0.0.1",
        },
    )
    listed = re.findall(r"^\| `(\w+)` \|", block(TEXT, "settings"), re.MULTILINE)
    assert [each.name for each in shown.sources() if each.name != "directory"] == listed


def test_every_exit_code_is_listed():
    listed = re.findall(r"^\| (\d+) \| (\w+) \|", block(TEXT, "exits"), re.MULTILINE)
    assert [(int(code), name) for code, name in listed] == [(code.value, code.name.lower()) for code in Exit]


@pytest.mark.parametrize("code", sorted(TABLE))
def test_every_error_code_has_its_sentence(code):
    assert has_sentence(f"error.{code}")


def test_the_first_clause_ends_before_the_reason_and_hides_values():
    assert first_clause("The key {kid} is retired. Use another.") == "The key … is retired"
    assert first_clause("{url} cannot be reached: {cause}. Try again.") == "… cannot be reached"
    assert first_clause("It was refused") == "It was refused"
