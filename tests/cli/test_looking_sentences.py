"""The words of `weft show` and `weft doctor`: every code that the program names has its sentence, and every sentence its code."""

import ast
import string
from pathlib import Path

import pytest

from connector.dispatch import diagnosis, doctor, probes
from connector.exchange import blame, story
from policies.sentences import table


def constants(module):
    """Every text in the source of a module."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def called(module, name):
    """The texts among the arguments of calls of `name`."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name:
            yield [each.value if isinstance(each, ast.Constant) else None for each in node.args]


def fields(template):
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def area(prefix):
    return {name: words for name, words in table().items() if name.startswith(prefix)}


@pytest.mark.parametrize("prefix", ["show.", "doctor."])
def test_both_languages_have_the_same_placeholders(prefix):
    for identifier, words in area(prefix).items():
        assert fields(words["en"]) == fields(words["zh"]), identifier
        assert words["en"] != words["zh"] or identifier == "show.event.other", identifier


def test_every_cause_that_is_named_has_its_sentence():
    named = {arguments[0] for module in (blame, story) for arguments in called(module, "Cause") if arguments[0]}
    assert len(named) > 15
    assert sorted(each for each in named if f"show.{each}" not in table()) == []


def test_every_sentence_of_a_cause_can_be_met():
    said = constants(blame) | constants(story)
    # These two end in the state or the role.
    made = {f"{state}-{role}" for state in ("finalized", "completed", "running") for role in ("consumer", "provider")}
    causes = {name.removeprefix("show.") for name in area("show.") if name.count(".") == 1}
    assert sorted(causes - said - made) == []


def test_every_finding_that_is_named_has_its_sentence_and_every_sentence_its_finding():
    named = {
        f"doctor.{arguments[0]}.{arguments[2]}"
        for module in (doctor, diagnosis)
        for arguments in called(module, "Finding")
        if arguments[0] and arguments[2] not in (None, "slow")
    }
    assert len(named) > 30
    assert sorted(named - set(table())) == []
    said = constants(doctor) | constants(diagnosis) | constants(probes)
    for identifier in area("doctor."):
        assert identifier.rpartition(".")[2] in said | {"skipped"}, identifier
    for seen in ("literal", "found", "unknown", "barred"):
        assert f"doctor.name.{seen}" in table()
    for seen in (
        "plain",
        "tls",
        "refused",
        "silent",
        "failed",
        "tls-expired",
        "tls-not-yet",
        "tls-name",
        "tls-untrusted",
    ):
        assert f"doctor.connection.{seen}" in table()
    for judged in ("fits", "own-machine", "private"):
        assert f"doctor.callback.{judged}" in table()
