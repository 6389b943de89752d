"""What a catalog request may ask for: the `filter` of a CatalogRequestMessage (DSP 2025-1 leaves its content to us).

Two forms, of which everything else is refused by name, because a filter that is silently ignored shows what was not asked for:

- ours: objects whose members are operands, each with a text (equal) or a list of texts (any of them); all must hold:
  `[{"keyword": ["coil", "钢卷"], "grade": "2"}]`
- EDC's QuerySpec as the only element, names bare, prefixed with `edc:` or as full IRIs:
  `[{"offset": 0, "limit": 50, "filterExpression": [{"operandLeft": "id", "operator": "like", "operandRight": "lot-%"}]}]`

Operands are `id`, `title`, `keyword`, `grade`, `scenario` (also `theme`, `type`), `version` and `mediaType`; texts are compared
exactly, `like` takes `%` for any characters and `_` for one. An operand with several values (titles in two languages, keywords)
matches when one of them does. `offset` and `limit` count datasets.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, cast

from pydantic import JsonValue

from catalog.errors import FilterError
from catalog.model import Dataset
from catalog.spelling import EDC, Names, as_list, text_of

Operand = Literal["id", "title", "keyword", "grade", "scenario", "version", "mediaType"]
Operator = Literal["=", "in", "like"]

CONDITIONS_MAX: Final = 16
VALUES_MAX: Final = 200
# The filter travels in the links to further pages: it must fit into an address.
TEXT_BYTES_MAX: Final = 4096
LARGEST_COUNT: Final = 2**31 - 1

_OPERANDS: Final[Mapping[str, Operand]] = {
    "id": "id",
    "@id": "id",
    "title": "title",
    "name": "title",
    "keyword": "keyword",
    "grade": "grade",
    "scenario": "scenario",
    "theme": "scenario",
    "type": "scenario",
    "version": "version",
    "mediaType": "mediaType",
    "contenttype": "mediaType",
}
_OPERATORS: Final[Mapping[str, Operator]] = {"=": "=", "in": "in", "like": "like"}
_QUERY: Final = frozenset({"offset", "limit", "filterExpression", "sortOrder", "sortField"})
_NODE: Final = frozenset({"@type", "@id", "@context"})
_PLAIN: Final = Names.of(None)


@dataclass(frozen=True)
class Condition:
    """One operand compared; `values` has one text but for `in`."""

    operand: Operand
    operator: Operator
    values: tuple[str, ...]

    def holds(self, found: str) -> bool:
        """Whether one value of the operand satisfies it."""
        return self._matches(found) if self.operator == "like" else found in self.values

    @property
    def prefix(self) -> str:
        """What every value that a `like` matches begins with."""
        return re.split(r"[%_]", self.values[0], maxsplit=1)[0]

    @cached_property
    def _pieces(self) -> list[re.Pattern[str]]:
        # Between two '%' stands a text in which '_' is any one character: no pattern here backtracks.
        return [
            re.compile("".join("." if char == "_" else re.escape(char) for char in piece), re.DOTALL)
            for piece in self.values[0].split("%")
        ]

    def _matches(self, found: str) -> bool:
        first, *others = self._pieces
        start = first.match(found)
        if start is None or not others:
            return start is not None and start.end() == len(found)
        place = start.end()
        for piece in others[:-1]:
            hit = piece.search(found, place)
            if hit is None:
                return False
            place = hit.end()
        # Every piece matches a fixed number of characters, so the last one has one place only.
        length = len(self.values[0].rpartition("%")[2])
        return len(found) - length >= place and others[-1].match(found, len(found) - length) is not None


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that must all hold; `offset` datasets are passed over first, `limit` None leaves the page size to us."""

    conditions: tuple[Condition, ...] = ()
    offset: int = 0
    limit: int | None = None


def read_filter(value: JsonValue) -> Filter:
    """Read the `filter` member of a request; absent, null and empty ask for everything. Raises FilterError naming what."""
    elements = as_list(value)
    if not elements:
        return Filter()
    objects: list[Mapping[str, JsonValue]] = []
    for position, element in enumerate(elements):
        if not isinstance(element, dict):
            raise FilterError(f"filter.{position}", "is no object")
        objects.append(_named(element, f"filter.{position}"))
    specs = [position for position, element in enumerate(objects) if _is_query(element)]
    if specs and len(objects) > 1:
        raise FilterError(f"filter.{specs[0]}", "is a QuerySpec, which must be the only element")
    if specs:
        found = _query(objects[0])
    else:
        conditions = [item for position, element in enumerate(objects) for item in _ours(element, f"filter.{position}")]
        found = Filter(tuple(conditions))
    if len(found.conditions) > CONDITIONS_MAX:
        raise FilterError("filter", f"has more than {CONDITIONS_MAX} conditions")
    if sum(len(text.encode()) for item in found.conditions for text in item.values) > TEXT_BYTES_MAX:
        raise FilterError("filter", f"has more than {TEXT_BYTES_MAX} bytes of values")
    return found


def terms_of(dataset: Dataset) -> list[tuple[Operand, str]]:
    """The values of a dataset by which it is found, but for its id."""
    found: list[tuple[Operand, str]] = [("title", text) for text in dataset.title.values()]
    found += [("keyword", keyword.text) for keyword in dataset.keywords]
    single: tuple[tuple[Operand, str | None], ...] = (
        ("grade", dataset.grade),
        ("scenario", dataset.scenario),
        ("version", dataset.version),
        ("mediaType", dataset.media_type),
    )
    found += [(operand, text) for operand, text in single if text]
    return list(dict.fromkeys(found))


def _is_query(element: Mapping[str, JsonValue]) -> bool:
    types = [_local(text_of(name)) for name in as_list(element.get("@type"))]
    return "QuerySpec" in types or bool(_QUERY & element.keys())


def _query(element: Mapping[str, JsonValue]) -> Filter:
    for name in element.keys() - _QUERY - _NODE:
        raise FilterError(f"filter.0.{name}", "is no member of a QuerySpec that we know")
    order, field = text_of(element.get("sortOrder")), text_of(element.get("sortField"))
    if order not in ("", "ASC"):
        raise FilterError("filter.0.sortOrder", f"is {order[:40]}; datasets come in ascending order of their id")
    if field and _OPERANDS.get(_local(field)) != "id":
        raise FilterError("filter.0.sortField", f"is {field[:80]}; datasets come in ascending order of their id")
    conditions = [
        _criterion(item, f"filter.0.filterExpression.{position}")
        for position, item in enumerate(as_list(element.get("filterExpression")))
    ]
    offset = _count(element.get("offset"), "filter.0.offset", least=0)
    return Filter(tuple(conditions), offset or 0, _count(element.get("limit"), "filter.0.limit", least=1))


def _criterion(item: JsonValue, where: str) -> Condition:
    if not isinstance(item, dict):
        raise FilterError(where, "is no object")
    given = _named(item, where)
    for name in given.keys() - {"operandLeft", "operator", "operandRight"} - _NODE:
        raise FilterError(f"{where}.{name}", "is no member of a Criterion that we know")
    left = text_of(given.get("operandLeft"))
    operator = _OPERATORS.get(text_of(given.get("operator")))
    if operator is None:
        shown = text_of(given.get("operator"))[:40] or "missing"
        raise FilterError(f"{where}.operator", f"is {shown}; we know =, in and like")
    values = _values(given.get("operandRight"), f"{where}.operandRight")
    if operator != "in" and len(values) != 1:
        raise FilterError(f"{where}.operandRight", f"has {len(values)} values where {operator} wants one")
    return Condition(_operand(left, f"{where}.operandLeft"), operator, values)


def _ours(element: Mapping[str, JsonValue], where: str) -> Iterator[Condition]:
    for name, value in element.items():
        if name in ("@type", "@context"):
            raise FilterError(f"{where}.{name}", "is no operand that we know")
        operand = _operand(name, f"{where}.{name}")
        values = _values(value, f"{where}.{name}")
        yield Condition(operand, "=" if len(values) == 1 else "in", values)


def _operand(name: str, where: str) -> Operand:
    local = _local(name.removeprefix("'").removesuffix("'"))
    operand = _OPERANDS.get(local)
    if operand is None:
        known = ", ".join(dict.fromkeys(_OPERANDS.values()))
        raise FilterError(where, f"is {name[:120] or 'missing'}; we know {known}")
    return operand


def _values(value: JsonValue, where: str) -> tuple[str, ...]:
    items = as_list(value)
    if not items:
        raise FilterError(where, "has no value")
    if len(items) > VALUES_MAX:
        raise FilterError(where, f"has more than {VALUES_MAX} values")
    found = []
    for item in items:
        inner = item.get("@value", item.get("@id")) if isinstance(item, dict) else item
        if isinstance(inner, bool) or not isinstance(inner, str | int | float):
            raise FilterError(where, "is neither a text nor a number")
        text = str(inner)
        if "\x00" in text:
            raise FilterError(where, "has a NUL character")
        found.append(text)
    return tuple(dict.fromkeys(found))


def _count(value: JsonValue, where: str, *, least: int) -> int | None:
    items = as_list(value)
    if not items:
        return None
    item = items[0]
    number = item.get("@value") if isinstance(item, dict) else item
    if len(items) > 1 or isinstance(number, bool) or not isinstance(number, int):
        raise FilterError(where, "is no whole number")
    if not least <= number <= LARGEST_COUNT:
        raise FilterError(where, f"is not between {least} and {LARGEST_COUNT}")
    return number


def _named(element: Mapping[str, JsonValue], where: str) -> dict[str, JsonValue]:
    """The members under their bare names; two spellings of one member are refused, because one would be ignored."""
    found: dict[str, JsonValue] = {}
    for name, value in element.items():
        local = _local(name)
        if local in found:
            raise FilterError(f"{where}.{name}", f"says {local} a second time")
        found[local] = value
    return found


def _local(name: str) -> str:
    for prefix in EDC:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return _PLAIN.local(name)


def to_list(conditions: tuple[Condition, ...]) -> list[JsonValue]:
    """Conditions as JSON, for a cursor."""
    return [[item.operand, item.operator, list(item.values)] for item in conditions]


def from_list(value: JsonValue) -> tuple[Condition, ...]:
    """What `to_list` wrote; raises ValueError for anything else."""
    found: list[Condition] = []
    for item in value if isinstance(value, list) else [None]:
        match item:
            case [str(operand), str(operator), [*values]] if (
                operand in _OPERANDS.values()
                and operator in _OPERATORS
                and values
                and all(isinstance(each, str) for each in values)
            ):
                texts = cast("list[str]", values)
                found.append(Condition(cast("Operand", operand), _OPERATORS[operator], tuple(texts)))
            case _:
                raise ValueError("no conditions")
    return tuple(found)
