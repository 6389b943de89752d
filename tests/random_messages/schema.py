"""Documents made from the official JSON Schemas: valid by construction, with random members, for a given source of luck.

The keywords are those the protocol's schemas use: type, properties, required, const, enum, items, minItems, contains, pattern,
`$ref`, allOf, anyOf, oneOf over `required` or over shapes, and `not` with `required`.
"""

import json
import random
from functools import cache
from typing import Any

from tests.shared import shared

BASE = "https://w3id.org/dspace/2025/1/"
DEEP = 7
TIMES = ("2026-11-10T01:00:00Z", "2026-11-10T01:00:00.5+08:00", "2026-11-10T24:00:00Z", "0001-01-01T00:00:00+14:00")
WORDS = (
    "",
    "a",
    "urn:uuid:1",
    "odrl:use",
    "采购",
    "\U0001f4a9",
    "x" * 300,
    "a b",
    "a\tb",
    "%2e",
    "http://127.0.0.1:1/x",
)
EXTRAS = ("dct:title", "x", "profile", "assigner", "odrl:conflict", "名")

Schema = dict[str, Any]
Hints = dict[str, tuple[Any, ...]]


@cache
def _documents() -> dict[str, Schema]:
    found = {}
    for path in shared("data/dsp").rglob("*-schema.json"):
        document = json.loads(path.read_text(encoding="utf-8").replace("json#definitions/", "json#/definitions/"))
        found[document["$id"]] = document
    return found


class Maker:
    """Makes documents of one schema after another; `hints` are members by name with values that lead somewhere."""

    def __init__(self, luck: random.Random, hints: Hints | None = None, *, keen: float = 0.85) -> None:
        self._luck = luck
        self._hints = hints or {}
        self._keen = keen

    def document(self, schema: str) -> Any:
        """A valid document of `negotiation/contract-request-message-schema.json` or the like."""
        identifier = BASE + schema
        return self._value(_documents()[identifier], identifier, "", 0)

    def _value(self, schema: Schema, home: str, name: str, depth: int) -> Any:
        flat, home = self._flat(schema, home)
        if "const" in flat:
            return flat["const"]
        if "enum" in flat:
            return self._luck.choice(flat["enum"])
        if "pattern" in flat:
            return self._luck.choice(TIMES)
        match flat.get("type"):
            case "object":
                return self._object(flat, home, depth)
            case "array":
                return self._array(flat, home, name, depth)
            case "string":
                return self._hinted(name, self._luck.choice(WORDS))
        return self._anything(name)

    def _hinted(self, name: str, otherwise: Any) -> Any:
        known = self._hints.get(name)
        return self._luck.choice(known) if known and self._luck.random() < self._keen else otherwise

    def _object(self, flat: Schema, home: str, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        required, excluded = flat.get("required", ()), flat.get("excluded", ())
        for name, (member, where) in flat.get("properties", {}).items():
            wanted = name in required or (depth < DEEP and self._luck.random() < 0.5)
            if name in excluded or not wanted:
                continue
            made[name] = self._value(member, where, name, depth + 1)
        for name in required:
            made.setdefault(name, self._anything(name))
        for _ in range(self._luck.choice((0, 0, 0, 1, 2))):
            name = self._luck.choice(EXTRAS)
            if name not in flat.get("properties", {}) and name not in excluded:
                made[name] = self._anything(name)
        return made

    def _array(self, flat: Schema, home: str, name: str, depth: int) -> list[Any]:
        least = flat.get("minItems", 0)
        length = least if depth >= DEEP else max(least, self._luck.choice((0, 1, 1, 2, 3)))
        item, where = flat.get("items", ({}, home))
        made = [self._value(item, where, name, depth + 1) for _ in range(length)]
        if "contains" in flat:
            made.insert(self._luck.randrange(len(made) + 1), flat["contains"]["const"])
        return made

    def _anything(self, name: str) -> Any:
        plain = (
            None,
            True,
            0,
            -1.5,
            2**60,
            "x",
            [],
            {},
            ["x", {"y": None}],
            {"@id": "x"},
            {"@value": "x", "@language": "zh"},
        )
        return self._hinted(name, self._luck.choice(plain))

    def _flat(self, schema: Schema, home: str) -> tuple[Schema, str]:
        """One schema without references and combinations; members and items remember where their own references start."""
        flat: Schema = {}
        self._merge(flat, schema, home)
        return flat, home

    def _merge(self, flat: Schema, schema: Schema, home: str) -> None:
        for keyword, value in schema.items():
            match keyword:
                case "$ref":
                    self._merge(flat, *self._resolve(value, home))
                case "allOf":
                    for part in value:
                        self._merge(flat, part, home)
                case "properties":
                    members = flat.setdefault("properties", {})
                    members.update({name: (member, home) for name, member in value.items()})
                case "items" if "items" not in flat or value != {}:
                    flat["items"] = (value, home)
                case "required":
                    flat["required"] = (*flat.get("required", ()), *value)
                case "not":
                    flat["excluded"] = (*flat.get("excluded", ()), *value.get("required", ()))
                case "anyOf" | "oneOf":
                    chosen = self._luck.choice(value)
                    self._merge(flat, chosen, home)
                    if keyword == "oneOf":
                        others = [part for part in value if part is not chosen]
                        flat["excluded"] = (
                            *flat.get("excluded", ()),
                            *(name for part in others for name in part.get("required", ())),
                        )
                case "type" | "const" | "enum" | "minItems" | "contains" | "pattern":
                    flat[keyword] = value
                case _:
                    pass

    def _resolve(self, reference: str, home: str) -> tuple[Schema, str]:
        target, _, pointer = reference.partition("#")
        home = target or home
        found = _documents()[home]
        for step in pointer.strip("/").split("/") if pointer.strip("/") else ():
            found = found[step]
        return found, home
