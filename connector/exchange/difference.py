"""What separates the two sides of a negotiation: the offer on the table and the one that it answers, rule by rule, in money too.

The same offer id may come with other terms: what counts is the digest, and what stands behind it. Terms of the other side that we
do not hold are fetched from it by digest, checked and kept; what cannot be had is said, and the rest is compared all the same.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from connector.errors import WeftError
from connector.exchange import documents
from connector.exchange.node import Node
from contracts.machine import Role
from contracts.negotiation.model import Negotiation
from contracts.negotiation.rules import equal_terms
from contracts.settlement.compare import MoneyDifference, compare, money_difference
from contracts.settlement.explain import explain
from contracts.settlement.terms import Bundle, Terms, parse_terms
from policies.canonical import JsonValue
from policies.compare import policy_digest
from policies.errors import PolicyError
from policies.explain import rule_sentence
from policies.facts import terms_digests
from policies.model import Duty, Rule
from policies.parse import parse_policy
from policies.sentences import sentence
from policies.vocabulary import SETTLE

Offer: TypeAlias = Mapping[str, Any]
Names: TypeAlias = Callable[[str], str]
Pair: TypeAlias = tuple[Terms | Bundle | None, Terms | Bundle | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """Both proposals of a negotiation, None where a side has made none yet, and the terms that only one of them cites.

    `role` is ours; `offered_last` says that the provider's proposal is the one on the table. A pair of `terms` is (as offered, as
    asked). `problems` say which terms could not be read.
    """

    role: Role
    offered_last: bool
    offered: Offer | None
    asked: Offer | None
    terms: tuple[Pair, ...]
    problems: tuple[WeftError | PolicyError, ...]

    @property
    def ours(self) -> Offer | None:
        return self.offered if self.role is Role.PROVIDER else self.asked

    @property
    def theirs(self) -> Offer | None:
        return self.asked if self.role is Role.PROVIDER else self.offered

    @property
    def differs(self) -> bool:
        """Whether both sides have spoken, and not said the same."""
        return self.offered is not None and self.asked is not None and not equal_terms(self.asked, self.offered)

    def sentences(self, lang: str, names: Names = str) -> list[str]:
        """What a person reads before deciding, in one language."""
        found = list(self._told(lang, names))
        return [*found, *(sentence(f"error.{each.code}", lang, **each.facts) for each in self.problems)]

    def money(self) -> list[tuple[Terms, MoneyDifference]]:
        """Both totals at example volumes, with the terms as offered."""
        return [
            (offered, row)
            for offered, asked in self.terms
            if isinstance(offered, Terms) and asked is not None
            for row in money_difference(offered, asked)
        ]

    def facts(self) -> dict[str, JsonValue]:
        """The difference as the audit log keeps it: digests of both proposals and of their terms, and the money."""
        terms: list[JsonValue] = [
            {
                "offered": offered.digest if offered is not None else "-",
                "asked": asked.digest if asked is not None else "-",
            }
            for offered, asked in self.terms
        ]
        money: list[JsonValue] = [
            {"terms": terms.digest, "volume": row.volume, "days": row.days, "offered": row.offered, "asked": row.asked}
            for terms, row in self.money()
        ]
        sides = {"offered": self.offered, "asked": self.asked}
        digests = {side: policy_digest(offer) for side, offer in sides.items() if offer is not None}
        return {**digests, "terms": terms, "money": money}

    def _told(self, lang: str, names: Names) -> Iterator[str]:
        if self.offered is None or self.asked is None:
            yield sentence("difference.first", lang)
            for found in (each for pair in self.terms for each in pair if each is not None):
                yield from explain(found, lang, names)
            return
        if not self.differs:
            yield sentence("difference.none", lang)
            return
        for offered_rule, asked_rule in _unlike_rules(self.offered, self.asked):
            yield _only(_said(offered_rule, lang), _said(asked_rule, lang), lang)
        for offered, asked in self.terms:
            if offered is not None and asked is not None:
                yield from compare(offered, asked, lang, names)
            else:
                for side, terms in (("offered", offered), ("asked", asked)):
                    told = explain(terms, lang, names) if terms is not None else ()
                    yield from (sentence(f"terms.only-{side}", lang, **{side: each}) for each in told)


async def of(node: Node, negotiation: Negotiation) -> Difference:
    """The difference as it stands: the offer on the table against the one it answers."""
    other = negotiation.answers or None
    offered_last = negotiation.offered_by is Role.PROVIDER
    offered, asked = (negotiation.offer, other) if offered_last else (other, negotiation.offer)
    problems: list[WeftError | PolicyError] = []
    sides = [await _cited(node, negotiation.counterparty, offer, problems) for offer in (offered, asked)]
    return Difference(negotiation.role, offered_last, offered, asked, tuple(_paired(*sides)), tuple(problems))


async def _cited(
    node: Node, counterparty: str, offer: Offer | None, problems: list[WeftError | PolicyError]
) -> list[Terms | Bundle]:
    """The terms that an offer cites, in order; what cannot be had or read is a problem."""
    found: list[Terms | Bundle] = []
    try:
        cited = terms_digests(parse_policy(offer)) if offer is not None else ()
    except PolicyError as error:
        problems.append(error)
        return found
    for name in cited:
        try:
            body = await documents.hold(node, counterparty, "terms", name)
            with documents.refused(name, counterparty):
                found.append(parse_terms(body))
        except WeftError as error:
            problems.append(error)
    return found


def _paired(offered: list[Terms | Bundle], asked: list[Terms | Bundle]) -> Iterator[Pair]:
    """Terms that only one side cites, each beside those it would replace: of the same id, else of the same kind."""
    same = {each.digest for each in offered} & {each.digest for each in asked}
    left = [each for each in asked if each.digest not in same]
    for each in offered:
        if each.digest in same:
            continue
        alike = [other for other in left if isinstance(other, type(each))]
        match = next((other for other in alike if other.id == each.id), alike[0] if alike else None)
        if match is not None:
            left.remove(match)
        yield each, match
    for other in left:
        yield None, other


def _unlike_rules(offered: Offer, asked: Offer) -> Iterator[tuple[Rule | None, Rule | None]]:
    """Rules that only one side has; the duty to settle is told by the terms it names."""
    ours, theirs = _rules(offered), _rules(asked)
    yield from ((rule, None) for name, rule in ours.items() if name not in theirs)
    yield from ((None, rule) for name, rule in theirs.items() if name not in ours)


def _rules(offer: Offer) -> dict[str, Rule]:
    rules = parse_policy(offer).rules
    return {rule.digest: rule for rule in rules if not (isinstance(rule, Duty) and rule.action == SETTLE)}


def _said(rule: Rule | None, lang: str) -> str | None:
    return rule_sentence(rule, lang) if rule is not None else None


def _only(offered: str | None, asked: str | None, lang: str) -> str:
    if offered is not None:
        return sentence("terms.only-offered", lang, offered=offered)
    return sentence("terms.only-asked", lang, asked=asked or "")
