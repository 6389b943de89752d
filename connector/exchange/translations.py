"""What a refusal means: the words of other connectors, translated for the person who has to act upon them.

A peer's reason is a text of its own making. Those of Eclipse EDC are known (edc-peer.md 4 and 7); those of another Weft are
sentences of our own table and can be read back, so that they are shown in the reader's language. What is known by neither is
shown as it came. A meaning is the id of a sentence, `show.peer.<key>` or `error.<code>`, and its values.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from string import Formatter

from policies.decision import REASONS
from policies.sentences import LANGUAGES, has_sentence, sentence, table

Facts = Mapping[str, str]
_LONGEST = 1000  # as much as is kept of what a peer says


@dataclass(frozen=True, slots=True)
class Meaning:
    """The sentence that says what a refusal means, and its values."""

    sentence: str
    facts: Facts = field(default_factory=dict)


# What an EDC writes, most telling first: the key of the sentence, and the text it is known by.
_TEXTS: tuple[tuple[str, str], ...] = (
    ("terms-differ", r"Policy in the contract agreement is not equal to the one in the contract offer"),
    ("provider-differs", r"Invalid provider credentials"),
    ("dataset-gone", r"Contract offer is not valid: Invalid target: (?P<dataset>.+)"),
    ("offer-invalid", r"Contract offer is not valid: (?P<problem>.+)"),
    ("party-differs", r"Invalid client credentials: (?P<problem>.+)"),
    ("no-data-plane", r"No dataplane found"),
    ("no-data-plane", r"No Endpoint generator function registered for transfer type destination"),
    ("no-data-plane", r"Cannot find a transfer Service that can handle"),
    ("data-plane-failed", r"Data flow controller throws an exception"),
    ("agreement-unknown", r"agreement not found or not valid"),
    ("resume-without-address", r"Cannot resume transfer without a DataAddress"),
    ("not-in-state", r"Cannot process (?P<message>\w+) because (?:negotiation|transfer) cannot be \w+"),
    ("process-unknown", r"No (?:negotiation|transfer process) with id \S+ found"),
    ("dataset-gone", r"Dataset (?P<dataset>.+) does not exist"),
    ("address-invalid", r"DataAddress of type \S+ must contain a valid baseUrl"),
    ("callback-failed", r"Failed to send (?P<message>\w+) to (?:provider|consumer)"),
    ("terms-unbound", r"is not bound to any (?:scopes|functions)"),
    ("bad-request", r"^Bad request\.?$"),
    ("identity", r"^Unauthori[sz]ed\.?$"),
)
_PATTERNS = tuple((key, re.compile(pattern)) for key, pattern in _TEXTS)
# Where the text says nothing: the status alone, as an EDC means it and most others do.
_STATUSES: Mapping[int, str] = {
    401: "identity",
    403: "identity",
    404: "process-unknown",
    409: "not-in-state",
    413: "too-large",
    415: "content-type",
    500: "failed",
}
# What is most likely missing or malformed when a peer says no more than that a message is bad.
_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "negotiation.request": ("callbackAddress", "consumerPid", "offer.@id", "offer.@type", "offer.target"),
    "negotiation.offer": ("callbackAddress", "providerPid", "offer.@id", "offer.@type", "offer.target"),
    "negotiation.agreement": (
        *("agreement.@id", "agreement.@type", "agreement.target", "agreement.assigner", "agreement.assignee"),
        "agreement.timestamp",
    ),
    "negotiation.accepted": ("eventType", "consumerPid", "providerPid"),
    "negotiation.finalized": ("eventType", "consumerPid", "providerPid"),
    "transfer.request": ("agreementId", "callbackAddress", "consumerPid", "format", "dataAddress.endpointType"),
    "transfer.start": ("dataAddress.endpointType", "dataAddress.endpointProperties"),
}
_PIDS = ("consumerPid", "providerPid")


def translate(status: int, code: str, text: str, *, message: str = "") -> Meaning | None:
    """What a refusal means, None where nothing better can be said than what it says itself.

    `code` and `text` are as the peer gave them, `message` is what was refused, such as `negotiation.request`.
    """
    ours = read_back(code, text)
    if ours is not None:
        return ours
    for key, pattern in _PATTERNS:
        found = pattern.search(text)
        if found is not None:
            return _meaning(key, message, found.groupdict())
    # A code that is no status is of another make, which says with it what it means.
    numbered = not code or code.removeprefix("http-").isdigit()
    key = _STATUSES.get(status, "") if numbered and (status or not text) else ""
    return _meaning(key, message, {}) if key else None


def members_of(message: str) -> tuple[str, ...]:
    """The members that are looked at first when a message of this kind is called bad."""
    return _MEMBERS.get(message, _PIDS)


def read_back(code: str, text: str) -> Meaning | None:
    """The values in a sentence of another Weft, found by the table both have; None when the text is not that sentence."""
    if not has_sentence(f"error.{code}") or len(text) > _LONGEST:
        return None
    found = _values(text, f"error.{code}")
    return Meaning(f"error.{code}", found) if found is not None else None


def read_decision(code: str, text: str) -> Mapping[str, str] | None:
    """What another Weft's policy said about a request, in every language: `code` is the reason of the decision.

    None when the text is not what `Decision.sentence` says for this reason.
    """
    if code not in REASONS or len(text) > _LONGEST:
        return None
    for why in _kinds(f"reason.{code}"):
        for advice in _kinds(f"advice.{code}"):
            found = _values(text, "decision.refused", why, advice)
            if found is not None:
                return {lang: _decided(lang, why, advice, found) for lang in LANGUAGES} | {"en": text}
    return None


def _kinds(general: str) -> list[str]:
    """A sentence and its versions for one operand, those first."""
    return sorted((each for each in table() if each == general or each.startswith(f"{general}.")), reverse=True)


def _decided(lang: str, why: str, advice: str, facts: Mapping[str, str]) -> str:
    values: dict[str, str] = dict(facts)
    values["action"] = _word("term.", facts["action"], lang)
    if "operand" in facts:
        values["operand"] = _word("term.", facts["operand"], lang)
    if "required" in facts:
        values["required"] = _word("must.", facts["required"], lang)
    if "actual" in facts:
        values["actual"] = _word("term.nothing", facts["actual"], lang)
    said = {"why": sentence(why, lang, **values), "advice": sentence(advice, lang, **values)}
    return sentence("decision.refused", lang, action=values["action"], **said)


def _word(family: str, english: str, lang: str) -> str:
    """A piece of a sentence of ours in another language; as it is where the table does not have it."""
    for identifier in table():
        if identifier.startswith(family):
            for written in (english, english[:1].lower() + english[1:]):
                found = _values(written, identifier)
                if found is not None:
                    return sentence(identifier, lang, **found)
    return english


def _values(text: str, *identifiers: str) -> dict[str, str] | None:
    """The values in an English sentence of the table; None when the text is not that sentence.

    Of three sentences, the first has the others as its `why` and `advice`. Each value ends where the next words of the sentence
    begin: one walk over the text, however it was made.
    """
    (begin, _), *rest = _parts(identifiers)
    if not text.startswith(begin):
        return None
    at, values = len(begin), dict[str, str]()
    for position, (literal, name) in enumerate(rest):
        if position == len(rest) - 1:
            end = len(text) - len(literal) if text.endswith(literal) else -1
        elif name == "operand":
            end = at + len(_operand(text[at:]))
            end = end if text.startswith(literal, end) else -1
        else:
            end = text.find(literal, at) if literal else -1
        value = text[at:end]
        if end < at or values.setdefault(name, value) != value:
            return None
        at = end + len(literal)
    return values if at == len(text) else None


@cache
def _parts(identifiers: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The English sentence in pieces: each the value that comes before (`""` at first), and the words up to the next value."""
    parts: list[tuple[str, str]] = [("", "")]
    within = dict(zip(("why", "advice"), identifiers[1:], strict=False))

    def add(identifier: str) -> None:
        for literal, name, _, _ in Formatter().parse(table()[identifier]["en"]):
            words, before = parts[-1]
            parts[-1] = (words + literal, before)
            if name in within:
                add(within[name])
            elif name:
                parts.append(("", name))

    add(identifiers[0])
    return tuple(parts)


def _operand(text: str) -> str:
    """What a text begins with as an operand: a word of the table, which may have blanks, else a short name."""
    begun = text.casefold()
    return text[: max((len(word) for word in _terms() if begun.startswith(word)), default=len(text.partition(" ")[0]))]


@cache
def _terms() -> tuple[str, ...]:
    return tuple(words["en"].casefold() for name, words in table().items() if name.startswith("term."))


def _meaning(key: str, message: str, facts: Mapping[str, str | None]) -> Meaning:
    values = {name: value for name, value in facts.items() if value}
    if key == "bad-request":
        values["members"] = ", ".join(members_of(message))
    return Meaning(f"show.peer.{key}", values)
