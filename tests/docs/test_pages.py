"""The documents speak of what is there: files, commands, error codes; and of nothing but Weft."""

import re
from itertools import pairwise

import pytest

from connector.cli.commands import COMMANDS
from connector.errors import TABLE
from policies.sentences import table
from tests.docs.pages import PAGES, ROOT, outside_code, page

# Where a module that a page names may lie: a page may leave out the package that it is about.
PLACES = ("", "connector", "contracts", "policies", "catalog", "contracts/negotiation")
# Words that stand for a choice of the reader, not for a command.
_COMMAND = re.compile(r"`(?:\.venv/bin/)?weft ((?:[a-z]+ ?)+)")


@pytest.mark.parametrize("name", PAGES)
def test_every_file_that_a_page_names_exists(name):
    named = re.findall(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|sql|toml|md|lock))(?::[^`]*)?`", page(name))
    missing = [path for path in named if not any((ROOT / place / path).exists() for place in PLACES)]
    written_by_weft = {"weft.toml", "package.toml"}
    assert not set(missing) - written_by_weft


@pytest.mark.parametrize("name", PAGES)
def test_every_command_that_a_page_names_exists(name):
    assert not unknown_commands(page(name))


@pytest.mark.parametrize("identifier", sorted(each for each, said in table().items() if "weft " in said["en"]))
def test_every_command_that_a_sentence_names_exists(identifier):
    assert not [line for said in table()[identifier].values() for line in unknown_commands(said)]


@pytest.mark.parametrize("name", PAGES)
def test_lines_of_prose_are_not_wider_than_132(name):
    wide = [line for line in page(name).splitlines() if len(line) > 132 and not line.startswith("|")]
    assert not wide


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_one_title_and_no_level_left_out(name):
    levels = [len(marks) for marks in re.findall(r"^(#+) ", outside_code(page(name)), re.MULTILINE)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_pages_say_status_only_of_codes_that_exist():
    named = {code for name in PAGES for code in re.findall(r"`([a-z]+(?:-[a-z]+)+)`", page(name))}
    codes = {
        code
        for code in named
        if code.startswith(("token-", "database-", "member-list-", "key-", "source-", "store-", "address-", "offer-"))
    }
    assert codes <= TABLE.keys()


def unknown_commands(text: str) -> list[str]:
    """The lines `weft …` that begin with no command; a group word alone (`weft db`) is none."""
    groups = {name.split()[0] for name in COMMANDS if " " in name}
    named = [found.split() for found in _COMMAND.findall(text)]
    return [
        " ".join(words)
        for words in named
        if " ".join(words[:2]) not in COMMANDS
        and words[0] not in COMMANDS
        and not (len(words) == 1 and words[0] in groups)
    ]
