"""What stories are told with: the surroundings of a process, causes, and values that are texts by language."""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from urllib.parse import urlsplit

from connector.store.audit import KeptRecord
from contracts.negotiation.model import Negotiation
from contracts.transfer.model import Transfer
from policies.sentences import has_sentence, sentence

LANGUAGES = ("en", "zh")
Words: TypeAlias = Mapping[str, str]
Fact: TypeAlias = str | int | Words
Process: TypeAlias = Negotiation | Transfer


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason why a process stands where it stands: the sentence `show.<code>` (or the one named), and its values."""

    code: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    named: str = ""

    @property
    def sentence(self) -> str:
        """The id of its sentence."""
        return self.named or f"show.{self.code}"


@dataclass(frozen=True, slots=True)
class Around:
    """What one must know beside the records: who we are, where we take messages, what time it is, how long we try.

    `names` gives what a participant is called, by language.
    """

    participant: str
    callback: str
    now: datetime
    give_up_s: float
    names: Callable[[str], Words]

    def name(self, participant: str) -> Words:
        """What a participant is called in each language, its identifier where it has no name."""
        known = self.names(participant)
        return {lang: known.get(lang) or participant for lang in LANGUAGES}


def loopback(url: str) -> bool:
    """Whether an address, as it is written, means the machine of whoever calls it."""
    host = (urlsplit(url).hostname or "").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def message_of(kind: str, trigger: str) -> Words:
    """What people call a message; its own name for one that has no word."""
    identifier = f"show.message.{kind}.{trigger}"
    return {lang: sentence(identifier, lang) if has_sentence(identifier) else trigger for lang in LANGUAGES}


def in_words(identifier: str, facts: Mapping[str, Fact], lang: str) -> str:
    """A sentence with values in one language."""
    values = {name: value[lang] if isinstance(value, Mapping) else value for name, value in facts.items()}
    return sentence(identifier, lang, **values)


def own_sentence(kept: KeptRecord) -> Words:
    """Why we refused a message, from its record: the sentence of the error, the text that was sent, or the code."""
    code, details = str(kept.record.get("reason") or "-"), kept.details or {}
    facts = details.get("facts")
    values = facts if isinstance(facts, Mapping) else {}
    if has_sentence(f"error.{code}") and (values or not details.get("text")):
        return {lang: sentence(f"error.{code}", lang, **values) for lang in LANGUAGES}
    return dict.fromkeys(LANGUAGES, str(details.get("text") or code))
