"""The spellings of JSON-LD that peers use for one and the same plain member: names, single values, wrapped values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from catalog.namespaces import DCAT, DCT, DSPACE, ODRL

_PREFIXES: Final[Mapping[str, str]] = {
    "dcat": DCAT,
    "dct": DCT,
    "dcterms": DCT,
    "odrl": ODRL,
    "dspace": DSPACE[0],
}
_NAMESPACES: Final = (DCAT, DCT, ODRL, *DSPACE)
# Names of EDC's own vocabulary stay apart from DCAT's, except the one its users read as the title.
EDC: Final = ("edc:", "https://w3id.org/edc/v0.0.1/ns/")


@dataclass(frozen=True, slots=True)
class Names:
    """How one document spells names: the usual prefixes, and those its inline contexts declare."""

    prefixes: Mapping[str, str]

    @classmethod
    def of(cls, context: JsonValue) -> "Names":
        declared: dict[str, str] = {}
        for part in as_list(context):
            if isinstance(part, dict):
                declared |= {name: value for name, value in part.items() if isinstance(value, str)}
        return cls({**_PREFIXES, **declared})

    def local(self, name: str) -> str:
        """`dcat:dataset` and `http://www.w3.org/ns/dcat#dataset` are `dataset`; names of other vocabularies stay."""
        prefix, colon, rest = name.partition(":")
        if colon and not rest.startswith("//") and prefix in self.prefixes:
            name = self.prefixes[prefix] + rest
        for namespace in _NAMESPACES:
            if name.startswith(namespace):
                return name.removeprefix(namespace)
        return name

    def plain(self, item: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """The members of an object under their plain names; a member that is already plain wins over its variants."""
        members: dict[str, JsonValue] = {}
        for name, value in item.items():
            local = self.local(name)
            if local == name or local not in members:
                members[local] = value
        return members

    def all(self, item: Mapping[str, JsonValue], *wanted: str) -> list[JsonValue]:
        """All values of the members with these plain names, whichever way each is spelt, in the order of `wanted`."""
        found: list[JsonValue] = []
        for want in wanted:
            for name, value in item.items():
                if want in (self.local(name), _edc_local(name)):
                    found.extend(as_list(value))
        return found

    def types(self, item: Mapping[str, JsonValue]) -> list[str]:
        return [self.local(text_of(name)) for name in as_list(item.get("@type"))]


def as_list(value: JsonValue) -> Sequence[JsonValue]:
    """A list as it is, nothing as an empty one, anything else as a list of one; `@set` and `@list` are unwrapped."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        for wrapper in ("@set", "@list"):
            if wrapper in value:
                return as_list(value[wrapper])
    return [] if value is None else [value]


def identifier(value: JsonValue) -> str:
    """The id in a string, in `{"@id": …}` or in a list of one of these; '' if there is none."""
    items = as_list(value)
    if len(items) != 1:
        return ""
    item = items[0]
    if isinstance(item, dict):
        found = item.get("@id", item.get("@value"))
        return found if isinstance(found, str) else ""
    return item if isinstance(item, str) else ""


def text_of(value: JsonValue) -> str:
    """The text in a string, number, `{"@value": …}`, `{"@id": …}` or the first of a list of these; '' if there is none."""
    items = as_list(value)
    if not items:
        return ""
    item = items[0]
    if isinstance(item, dict):
        item = item.get("@value", item.get("@id"))
    return str(item) if isinstance(item, str | int | float) and not isinstance(item, bool) else ""


def texts_of(values: Sequence[JsonValue]) -> dict[str, str]:
    """Texts by language from strings and tagged values; the first of a language counts.

    An untagged text (language '') is only kept when nothing is tagged: beside tagged ones it repeats one of them.
    """
    texts: dict[str, str] = {}
    for value in values:
        lang = value.get("@language", "") if isinstance(value, dict) else ""
        text = text_of(value)
        if text and isinstance(lang, str):
            texts.setdefault(lang, text)
    if len(texts) > 1:
        texts.pop("", None)
    return texts


def _edc_local(name: str) -> str:
    return next((name.removeprefix(prefix) for prefix in EDC if name.startswith(prefix)), name)
