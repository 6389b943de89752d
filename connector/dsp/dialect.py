"""What an Eclipse EDC writes in its own way, said in the words of the specification before it is read.

Only where a message shows the second context that an EDC adds: every other peer is read strictly. Agreements are left alone,
for their bytes are what both sides know them by.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from connector.exchange.peer import make_of
from contracts.errors import InvalidMessageError
from contracts.negotiation.messages import RULES

# Operands that its context knows bare. Under the protocol's context alone they would be other names, and the agreement another one.
_NAMES = {"inForceDate": "https://w3id.org/edc/v0.0.1/ns/inForceDate"}
_LIST = '[{"@'


def in_plain_words(document: Any) -> Any:
    """The message as the specification has it; the same object where nothing is peculiar.

    Raises InvalidMessageError for an operand that no agreement can repeat: of a list, an EDC writes its JSON as a text, which it
    then takes for another value.
    """
    if not isinstance(document, dict) or make_of(document.get("@context")) != "edc":
        return document
    said = {name: value for name, value in document.items() if name != "reason"}
    if reasons := _reasons(document.get("reason")):
        said["reason"] = reasons
    if document.get("@type") == "ContractRequestMessage" and isinstance(document.get("offer"), dict):
        said["offer"] = _offer(document["offer"])
    return said


def _reasons(value: Any) -> list[Any]:
    """Reasons as an array without gaps; an EDC may write none as an empty one, or as one of null."""
    listed = value if isinstance(value, list) else [value]
    return [each for each in listed if each is not None]


def _offer(offer: Mapping[str, Any]) -> dict[str, Any]:
    written = dict(offer)
    for name in RULES:
        if name in offer:
            written[name] = _full(offer[name])
            for path, operand in _operands(offer[name], f"offer.{name}"):
                if isinstance(operand, str) and operand.startswith(_LIST):
                    problem = "is a list written as a text, which no agreement can repeat; use `or` of single values"
                    raise InvalidMessageError(path, problem)
    return written


def _full(value: Any) -> Any:
    """The same rules with the names of left operands in full."""
    if isinstance(value, list):
        return [_full(each) for each in value]
    if not isinstance(value, dict):
        return value
    written = {name: _full(each) for name, each in value.items()}
    left = written.get("leftOperand")
    return written | {"leftOperand": _NAMES[left]} if isinstance(left, str) and left in _NAMES else written


def _operands(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """All right operands in these rules, each with its place."""
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _operands(each, f"{path}.{index}")
    elif isinstance(value, dict):
        for name, each in value.items():
            if name == "rightOperand":
                yield f"{path}.{name}", each
            else:
                yield from _operands(each, f"{path}.{name}")
