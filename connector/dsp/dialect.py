"""What others write in their own way, said in the words of the specification.

An Eclipse EDC, where a message shows the second context that it adds: before the message is read, and never in an agreement, for
its bytes are what both sides know it by. Serialisers of JSON-LD, who write one value for an array of one and the other way
round: only once the strict reading has failed (DSP 2025-1 demands arrays, dataspace-protocol.md 11.3 has seen them missing).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from connector.exchange.peer import make_of
from contracts.errors import InvalidMessageError
from contracts.messages import M, read
from contracts.negotiation.messages import LOGICAL, RULES

# Operands that its context knows bare. Under the protocol's context alone they would be other names, and the agreement another one.
_NAMES = {"inForceDate": "https://w3id.org/edc/v0.0.1/ns/inForceDate"}
_LIST = '[{"@'
_ARRAYS = frozenset({*RULES, *LOGICAL, "constraint", "reason"})


def said_in(model: type[M], document: Any) -> M:
    """The message in a parsed document, strictly if it can be, else with arrays where they belong.

    Raises InvalidMessageError: what the strict reading has against it.
    """
    plain = in_plain_words(document)
    try:
        return read(model, plain)
    except InvalidMessageError as strict:
        try:
            return read(model, _in_arrays(plain))
        except InvalidMessageError:
            raise strict from None


def _in_arrays(value: Any) -> Any:
    """The same with an array around each single value that belongs into one, and `@type` taken out of an array of one."""
    if isinstance(value, list):
        return [_in_arrays(each) for each in value]
    if not isinstance(value, dict):
        return value
    written = {name: _in_arrays(each) for name, each in value.items()}
    kind = written.get("@type")
    if isinstance(kind, list) and len(kind) == 1:
        written["@type"] = kind[0]
    for name in _ARRAYS & written.keys():
        if not isinstance(written[name], list) and written[name] is not None:
            written[name] = [written[name]]
    return written


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
