"""Policies compared by meaning: whether two say the same, and whether an offer stays within terms that were accepted.

Order, spelling and single objects carry no meaning; values are compared as values. What is not understood is equal only to
itself, so an unknown term that was not accepted literally is always a difference (client-sdk.md 6).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from policies.canonical import JsonValue, canonical, digest_of
from policies.explain import condition_phrase, duty_phrase, rule_sentence
from policies.extent import implies
from policies.model import Condition, Duty, Permission, Policy, Prohibition
from policies.parse import parse_policy
from policies.sentences import sentence
from policies.strategy import reaches, strategy

# Members of an agreement that do not say what its policy is (signed-data.md 2.2).
_NOT_POLICY = frozenset({"@context", "@id", "target", "assigner", "assignee", "timestamp"})

Element: TypeAlias = Condition | Duty | Permission | Prohibition | str


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which an offer leaves the accepted terms.

    `code` says how (`missing-permission`, `stricter-constraint`, `duty`, `prohibition`, `unknown-member`, `profile`, `conflict`),
    `path` and `rule` where in the offer, `severity` whether a right is `missing` or a burden is `added`.
    """

    code: str
    path: str
    rule: str | None
    wanted: Element | None
    offered: Element | None
    severity: str

    def sentence(self, lang: str) -> str:
        """What differs and what to do next."""
        return sentence(
            f"difference.{self.code}", lang, wanted=_phrase(self.wanted, lang), offered=_phrase(self.offered, lang)
        )


def policy_digest(document: Mapping[str, JsonValue]) -> str:
    """The policy digest: of the canonical JSON of an offer or agreement without identity, parties and time.

    The document is taken as it stands (nothing reordered); raises CanonicalError for one that has no canonical form.
    """
    return digest_of({name: value for name, value in document.items() if name not in _NOT_POLICY})


def same_rules(one: Policy | Mapping[str, JsonValue], other: Policy | Mapping[str, JsonValue]) -> bool:
    """Whether two policies say the same, whatever their spelling and order. Raises InvalidPolicyError for a document.

    `profile` may be absent on one side: an EDC never writes it, and a request without it means that of the offer it names
    (policies.md 2.6). Another profile is another policy.
    """
    first, second = _policy(one), _policy(other)
    profiles = not first.profiles or not second.profiles or sorted(first.profiles) == sorted(second.profiles)
    return profiles and _form(first) == _form(second)


def differences(
    offered: Policy | Mapping[str, JsonValue], accepted: Policy | Mapping[str, JsonValue]
) -> tuple[Difference, ...]:
    """What keeps an offer from being covered by accepted terms; empty when it is.

    The offer must grant every accepted permission, and every burden in it must be accepted: a looser offer is fine.
    """
    offer, terms = _policy(offered), _policy(accepted)
    found = [
        Difference("profile", "profile", None, None, name, "added")
        for name in offer.profiles
        if terms.profiles and name not in terms.profiles
    ]
    stated, wanted = strategy(offer), strategy(terms)
    if stated is not wanted and offer.prohibitions:
        found.append(Difference("conflict", "conflict", None, _word(wanted), _word(stated), "added"))
    found.extend(_unread("", None, offer.unread, terms.unread))
    for permission in terms.permissions:
        found.extend(_permission_differences(permission, offer))
    found.extend(
        Difference("prohibition", each.path, each.digest, None, each, "added")
        for each in offer.prohibitions
        if not any(_covers_prohibition(own, each) for own in terms.prohibitions)
    )
    found.extend(_duty_differences(offer.obligations, terms.obligations, None))
    return tuple(found)


def _permission_differences(wanted: Permission, offer: Policy) -> list[Difference]:
    candidates = [each for each in offer.permissions if each.action == wanted.action]
    if not candidates:
        return [Difference("missing-permission", "permission", None, wanted, None, "missing")]
    return min((_burdens(each, wanted) for each in candidates), key=len)


def _burdens(offered: Permission, wanted: Permission) -> list[Difference]:
    found = list(_unread(offered.path, offered.digest, offered.unread, wanted.unread))
    found.extend(
        Difference("stricter-constraint", each.path, offered.digest, None, each, "added")
        for each in offered.constraints
        if not any(implies(own, each) for own in wanted.constraints)
    )
    found.extend(_duty_differences(offered.duties, wanted.duties, offered.digest))
    return found


def _duty_differences(offered: Sequence[Duty], accepted: Sequence[Duty], rule: str | None) -> list[Difference]:
    return [
        Difference("duty", each.path, rule or each.digest, None, each, "added")
        for each in offered
        if not any(_covers_duty(own, each) for own in accepted)
    ]


def _covers_duty(accepted: Duty, offered: Duty) -> bool:
    """Whether whoever accepted one duty has accepted the other: the same, or the same action under a looser constraint."""
    if accepted.digest == offered.digest:
        return True
    if accepted.action != offered.action or accepted.unread or offered.unread:
        return False
    nested = all(any(_covers_duty(own, each) for own in accepted.consequences) for each in offered.consequences)
    # Both must have the constraint: "delete" alone is stricter than "delete within 90 days".
    held = all(any(implies(own, each) for own in accepted.constraints) for each in offered.constraints)
    return nested and held and len(accepted.constraints) == len(offered.constraints)


def _covers_prohibition(accepted: Prohibition, offered: Prohibition) -> bool:
    """Whether the accepted prohibition forbids at least what the offered one forbids."""
    if accepted.unread or offered.unread:
        return accepted.digest == offered.digest
    broader = reaches(accepted.action, offered.action, under_weft=False)
    narrower = all(any(implies(each, own) for each in offered.constraints) for own in accepted.constraints)
    remedies = all(any(_covers_duty(own, each) for own in accepted.remedies) for each in offered.remedies)
    return broader and narrower and remedies


def _unread(
    path: str, rule: str | None, offered: Sequence[tuple[str, str]], accepted: Sequence[tuple[str, str]]
) -> Iterable[Difference]:
    for name, text in offered:
        if (name, text) not in accepted:
            yield Difference("unknown-member", path, rule, None, f"{name}: {text}", "added")


def _form(policy: Policy) -> bytes:
    return canonical(
        {
            "permission": sorted(rule.digest for rule in policy.permissions),
            "prohibition": sorted(rule.digest for rule in policy.prohibitions),
            "obligation": sorted(rule.digest for rule in policy.obligations),
            "conflict": policy.stated_conflict,
            "unread": [list(member) for member in sorted(policy.unread)],
        }
    )


def _policy(policy: Policy | Mapping[str, JsonValue]) -> Policy:
    return policy if isinstance(policy, Policy) else parse_policy(policy)


def _word(conflict: object) -> str:
    return str(getattr(conflict, "value", "unknown"))


def _phrase(element: Element | None, lang: str) -> str:
    match element:
        case None:
            return ""
        case str():
            return element
        case Duty():
            return duty_phrase(element, lang)
        case Permission() | Prohibition():
            return rule_sentence(element, lang)
        case _:
            return condition_phrase(element, lang)
