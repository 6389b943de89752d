"""No floating-point number on any path that touches money: looked for in the syntax tree of every module there."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = (
    "contracts/settlement/*.py",
    "connector/exchange/accounts.py",
    "connector/exchange/bilateral.py",
    "connector/exchange/books.py",
    "connector/exchange/bundles.py",
    "connector/exchange/metering.py",
    "connector/exchange/pool.py",
    "connector/exchange/settlement.py",
    "connector/exchange/standing.py",
    "connector/exchange/stated.py",
    "connector/exchange/statements.py",
    "connector/store/metering.py",
    "connector/store/settlement.py",
    "connector/dsp/settlement.py",
    "connector/management/native/settlement.py",
    "connector/management/native/statement_views.py",
    "connector/management/native/ledgers.py",
    "connector/cli/settling.py",
    "connector/cli/booking.py",
)
MODULES = sorted(path for place in PLACES for path in ROOT.glob(place))
# Quotients of rationals, which are exact: the left side is a Fraction in each.
EXACT = {"abs(total) * weight / whole", "parts[part.id] * by[part.id][ref] / sum(by[part.id].values())"}
FLOATING = {"float", "round", "fsum", "sqrt", "Decimal"}


def found_in(source):
    """What would compute with floating-point numbers, as (line, text); `/` is one of them, exact only between rationals."""
    for node in ast.walk(ast.parse(source)):
        if _floats(node):
            yield node.lineno, ast.unparse(node)


def _floats(node):
    match node:
        case ast.Constant(value=float()) | ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in FLOATING
        case ast.Attribute(attr=name):
            return name in {"total_seconds", "timestamp"}
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return any(each.name in {"math", "decimal"} for each in names)
        case _:
            return False


def test_every_place_is_there():
    missing = [place for place in PLACES if not list(ROOT.glob(place))]
    assert missing == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_floats(path):
    assert [text for _, text in found_in(path.read_text(encoding="utf-8")) if text not in EXACT] == []


@pytest.mark.parametrize("source", ["x = 1.5", "x = float(y)", "x = a / b", "x /= b", "x = round(y)", "import math"])
def test_the_rule_finds_what_it_looks_for(source):
    assert list(found_in(source))
