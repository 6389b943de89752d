"""Consent to terms: what a person said yes to, and what an offer wants beyond that.

A consent judges an offer and answers with its objections: every burden in the offer that nobody agreed to, and every right
that is wanted but not granted. No objection, accepted. Whatever is not understood is an objection (client-sdk.md 6).
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from connector.client.models import Offer, Price
from policies import vocabulary
from policies.columns import parse_list
from policies.compare import differences
from policies.errors import ListFormError, PolicyError
from policies.identifiers import local, short
from policies.model import Condition, Constraint, Duty, LogicalConstraint, Permission, Policy, Prohibition
from policies.parse import parse_policy
from policies.sentences import sentence


class Objection(Protocol):
    """Why an offer is not what was consented to; a `policies.compare.Difference` is one too."""

    def sentence(self, lang: str) -> str: ...


class Consent(Protocol):
    """What was said yes to. `participant` is who asks: a constraint on the recipient is judged with it."""

    def judge(self, offer: Offer, participant: str) -> Sequence[Objection]: ...


@dataclass(frozen=True, slots=True)
class Money:
    """An amount, exact, with its currency."""

    amount: Decimal
    currency: str

    @classmethod
    def of(cls, amount: Decimal | str | int, currency: str) -> "Money":
        return cls(Decimal(amount), currency)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


@dataclass(frozen=True, slots=True)
class Said:
    """An objection of the client's own: a sentence of the table by its id, with its values."""

    identifier: str
    path: str = ""
    values: Mapping[str, object] = field(default_factory=dict)

    def sentence(self, lang: str) -> str:
        return sentence(f"client.{self.identifier}", lang, path=self.path, **self.values)


def _limit(path: str, facts: Mapping[str, object], wanted: object) -> Said:
    """A limit that does not cover what is wanted, or that the caller's terms say nothing about."""
    return Said("constraint", path, {**facts, "wanted": wanted}) if wanted else Said("constraint-unasked", path, facts)


@dataclass(frozen=True, slots=True)
class Rejection:
    """An offer that was not accepted, and why. The best of several consents speaks: the one with the fewest objections."""

    offer: Offer
    objections: tuple[Objection, ...]

    def sentence(self, lang: str) -> str:
        head = sentence("client.rejected-offer", lang, offer=self.offer.id)
        return "\n".join([head, *(f"  - {objection.sentence(lang)}" for objection in self.objections)])


@dataclass(frozen=True, slots=True)
class Exactly:
    """Exactly these terms, by meaning: an offer that wants more is refused, one that wants less is fine."""

    document: Mapping[str, Any]

    def judge(self, offer: Offer, participant: str) -> Sequence[Objection]:
        del participant
        return differences(offer.policy, self.document)


@dataclass(frozen=True, slots=True)
class Digest:
    """The policy with this digest: what a person approved elsewhere."""

    digest: str

    def judge(self, offer: Offer, participant: str) -> Sequence[Objection]:
        del participant
        if offer.digest == self.digest:
            return ()
        return (Said("other-digest", values={"offered": offer.digest, "wanted": self.digest}),)


@dataclass(frozen=True, slots=True)
class Judged:
    """A predicate of the program: True accepts, False refuses, a text refuses and says why."""

    predicate: Callable[[Offer], bool | str]

    def judge(self, offer: Offer, participant: str) -> Sequence[Objection]:
        del participant
        verdict = self.predicate(offer)
        if verdict is True:
            return ()
        return (Said("predicate", values={"reason": verdict or "-"}),)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Any one of several consents."""

    consents: tuple[Consent, ...]

    def judge(self, offer: Offer, participant: str) -> Sequence[Objection]:
        answers = [consent.judge(offer, participant) for consent in self.consents]
        return min(answers, key=len) if answers else (Said("nothing-accepted"),)


@dataclass(frozen=True, slots=True)
class Anything:
    """Whatever is offered, as long as the daemon itself can hold it. For tests."""

    def judge(self, offer: Offer, participant: str) -> Sequence[Objection]:
        del offer, participant
        return ()


@dataclass(frozen=True, slots=True)
class Conditions:
    """Terms within limits. What is not mentioned is not consented to; with nothing mentioned only free, unconditional use is.

    `purpose`, `region`, `columns`: what we need, all of it must be granted. `count`: deliveries needed per window.
    `until`: how long we need it. `allow_duties`, `allow_prohibitions`: names such as `delete` or `derive`;
    `settle` without a `max_price` is consent to any price.
    """

    purpose: frozenset[str] = frozenset()
    region: frozenset[str] = frozenset()
    columns: frozenset[str] = frozenset()
    count: int | None = None
    until: datetime | None = None
    max_price: Money | None = None
    allow_duties: frozenset[str] = frozenset()
    allow_prohibitions: frozenset[str] = frozenset()

    def judge(self, offer: Offer, participant: str) -> Sequence[Objection]:
        try:
            policy = parse_policy(offer.policy)
        except PolicyError as error:
            return (Said("unreadable", values={"problem": str(error)}),)
        return (
            *_unread(policy),
            *self._permissions(policy, participant, offer.price),
            *(each for rule in policy.prohibitions for each in self._prohibition(rule)),
            *(each for duty in policy.obligations for each in self._duty(duty, offer.price)),
            *self._price(offer.price),
        )

    def _permissions(self, policy: Policy, participant: str, price: Price | None) -> Sequence[Objection]:
        """What is asked for is `use`: the permission with the fewest objections speaks, others grant more and are no burden."""
        answers = [
            (
                *(each for condition in rule.constraints for each in self._condition(condition, participant)),
                *(each for duty in rule.duties for each in self._duty(duty, price)),
            )
            for rule in policy.permissions
            if _grants_use(rule) and not rule.unread
        ]
        return min(answers, key=len) if answers else (Said("use-not-granted"),)

    def _condition(self, condition: Condition, participant: str) -> Iterator[Objection]:
        if condition.unread:
            yield Said("unknown-term", condition.path, {"term": condition.unread[0][0]})
        elif isinstance(condition, Constraint):
            yield from self._constraint((condition,), participant)
        elif condition.operand == "and":
            yield from self._window(condition, participant)
        elif condition.operand == "or" and all(isinstance(each, Constraint) for each in condition.conditions):
            yield from self._constraint(
                tuple(each for each in condition.conditions if isinstance(each, Constraint)), participant
            )
        else:
            yield Said("unknown-term", condition.path, {"term": condition.operand})

    def _window(self, group: LogicalConstraint, participant: str) -> Iterator[Objection]:
        """`and`: all must hold. Beside a count, its interval and time zone only say how it is counted."""
        counted = any(isinstance(each, Constraint) and each.left == vocabulary.COUNT for each in group.conditions)
        for each in group.conditions:
            helper = isinstance(each, Constraint) and each.left in (vocabulary.TIME_INTERVAL, vocabulary.TIME_ZONE)
            if not (counted and helper):
                yield from self._condition(each, participant)

    def _constraint(self, alternatives: tuple[Constraint, ...], participant: str) -> Iterator[Objection]:
        """One comparison, or an `or` of comparisons over one operand: the values it permits must cover what we need."""
        first = alternatives[0]
        wanted = self._needed(first.left, participant)
        permitted = _permitted(alternatives)
        offered = " / ".join(each.right for each in alternatives)
        facts = {"term": short(first.left), "offered": offered}
        if len({each.left for each in alternatives}) > 1:
            yield Said("unknown-term", first.path, facts)
        elif first.left == vocabulary.COUNT:
            if self.count is None or not _at_most(first) or int(first.right) < self.count:
                yield _limit(first.path, facts, self.count)
        elif first.left == vocabulary.DATE_TIME:
            if self.until is None or first.operator not in ("lt", "lteq") or _moment(first.right) < self.until:
                yield _limit(first.path, facts, self.until)
        elif permitted is None:
            yield Said("unknown-term", first.path, facts)
        elif not wanted or not wanted <= permitted:
            yield _limit(first.path, facts, ", ".join(sorted(wanted)))

    def _needed(self, left: str, participant: str) -> frozenset[str]:
        return {
            vocabulary.PURPOSE: self.purpose,
            vocabulary.SPATIAL: self.region,
            vocabulary.COLUMNS: self.columns,
            vocabulary.RECIPIENT: frozenset({participant}),
        }.get(left, frozenset())

    def _duty(self, duty: Duty, price: Price | None) -> Iterator[Objection]:
        name = local(duty.action)
        if duty.unread or not vocabulary.known_action(duty.action):
            yield Said("unknown-term", duty.path, {"term": short(duty.action)})
        elif duty.action == vocabulary.SETTLE and price is not None and (price.free or self.max_price is not None):
            return  # a limit on a known price is consent to settle below it
        elif name not in self.allow_duties:
            details = ", ".join(each.right for each in duty.constraints if isinstance(each, Constraint))
            yield Said("duty", duty.path, {"duty": short(duty.action), "details": details or "-"})

    def _prohibition(self, rule: Prohibition) -> Iterator[Objection]:
        if rule.unread or not vocabulary.known_action(rule.action):
            yield Said("unknown-term", rule.path, {"term": short(rule.action)})
        elif local(rule.action) not in self.allow_prohibitions:
            yield Said("prohibition", rule.path, {"action": short(rule.action)})

    def _price(self, price: Price | None) -> Iterator[Objection]:
        if price is None or price.free or (self.max_price is None and "settle" in self.allow_duties):
            return
        offered = f"{price.amount} {price.currency}" if price.amount is not None else price.kind
        limit = self.max_price
        if limit is None:
            yield Said("price", values={"offered": offered})
        elif price.amount is None or price.currency != limit.currency or price.amount > limit.amount:
            yield Said("price-limit", values={"offered": offered, "wanted": str(limit)})


# What is accepted when nothing was said: use without constraints, duties, prohibitions and price.
NOTHING_ASKED = Conditions()


def names(values: Collection[str] | str | None) -> frozenset[str]:
    """A set of names from what a caller writes: one name, several, or none."""
    return frozenset([values] if isinstance(values, str) else values or ())


def _grants_use(rule: Permission) -> bool:
    return rule.action in vocabulary.with_broader(vocabulary.USE)


def _unread(policy: Policy) -> Iterator[Objection]:
    for term, _ in policy.unread:
        yield Said("unknown-term", term, {"term": term})
    for profile in policy.profiles:
        if profile not in vocabulary.PROFILES:
            yield Said("unknown-term", "profile", {"term": profile})


def _permitted(alternatives: tuple[Constraint, ...]) -> frozenset[str] | None:
    """The values that satisfy any of the comparisons; None when that is not a list."""
    values: set[str] = set()
    for each in alternatives:
        if each.unread or not each.plain:
            return None
        if each.operator == "eq":
            values.add(each.right)
        elif each.operator in ("isPartOf", "isAnyOf"):
            try:
                values.update(parse_list(each.right))
            except ListFormError:
                return None
        else:
            return None
    return frozenset(values)


def _at_most(constraint: Constraint) -> bool:
    return constraint.operator == "lteq" and constraint.right.isascii() and constraint.right.isdigit()


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    # A date that cannot be read, or has no zone, grants nothing.
    return moment if moment is not None and moment.tzinfo else datetime.fromisoformat("0001-01-01T00:00:00+00:00")
