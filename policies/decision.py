"""The result of evaluating a policy: an outcome, and for a denial why, in codes, values and words.

A `Decision` is a pure function of plan, request and state. It is kept in the audit log as canonical JSON, so that it can be
replayed and compared by digest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from policies.canonical import JsonValue, digest_of
from policies.counters import CounterWindow
from policies.identifiers import local
from policies.phrases import required, term, tree_lines
from policies.sentences import has_sentence, sentence

# The closed list of reasons (policies.md 6.1).
REASONS = (
    *(
        "constraint-not-satisfied",
        "unsupported-operand",
        "unsupported-operator",
        "unsupported-action",
        "unknown-profile",
    ),
    *(
        "value-missing",
        "value-incomparable",
        "source-timeout",
        "counter-exhausted",
        "duty-unfulfilled",
        "duty-violated",
    ),
    *("prohibited", "not-in-collection", "refinement-failed", "policy-void", "outside-validity", "no-permission"),
)

Tree: TypeAlias = Mapping[str, JsonValue]


class Outcome(Enum):
    """`conditional` allows while duties that may be fulfilled later are open; `default deny` says that no rule permits it."""

    ALLOW = "allow"
    CONDITIONAL = "conditional"
    DENY = "deny"
    DEFAULT_DENY = "default deny"


@dataclass(frozen=True, slots=True)
class Owed:
    """A duty that goes with an allowed request: a pre-duty the gate applies, or an obligation that follows."""

    role: str
    action: str
    rule: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about `action`.

    reason, left_operand    why it was refused (REASONS), and the operand of the constraint that refused; None when allowed
    rule                    digest of the rule that decided; None when no rule applies
    operator, expected      how the constraint compares and with what, as text; alternatives are `or`
    actual                  what was found, as text; None when it is missing
    reserve                 the counters to increment by one, in the transaction that records this decision
    duties                  what the gate applies first (role `duty`) and what follows (role `obligation`)
    tree                    every rule looked at with actual values; for a denial, or when asked for
    """

    outcome: Outcome
    action: str
    reason: str | None = None
    left_operand: str | None = None
    rule: str | None = None
    operator: str | None = None
    expected: str | None = None
    actual: str | None = None
    reserve: tuple[CounterWindow, ...] = ()
    duties: tuple[Owed, ...] = ()
    tree: Tree | None = None

    @property
    def allowed(self) -> bool:
        """Whether the data may leave."""
        return self.outcome in (Outcome.ALLOW, Outcome.CONDITIONAL)

    def to_dict(self) -> dict[str, JsonValue]:
        """The decision as canonical JSON can hold it; absent values are absent members."""
        members: dict[str, JsonValue | None] = {
            "outcome": self.outcome.value,
            "action": self.action,
            "reason": self.reason,
            "leftOperand": self.left_operand,
            "rule": self.rule,
            "operator": self.operator,
            "expected": self.expected,
            "actual": self.actual,
            "reserve": [{"key": each.key, "window": each.window, "limit": each.limit} for each in self.reserve] or None,
            "duties": [_owed(each) for each in self.duties] or None,
            "tree": self.tree,
        }
        return {name: value for name, value in members.items() if value is not None}

    @property
    def digest(self) -> str:
        """The digest of the decision: equal for a replay with the same plan, request and state."""
        return digest_of(self.to_dict())

    def sentence(self, lang: str) -> str:
        """One sentence: what was decided, why with the values compared, and what to do next."""
        action = term(self.action, lang)
        if self.reason is None:
            return sentence(f"decision.{self.outcome.value}", lang, action=action)
        why = self._specific("reason", lang)
        return sentence("decision.refused", lang, action=action, why=why, advice=self._specific("advice", lang))

    def explain(self, lang: str) -> list[str]:
        """The sentence, then one line for every rule, constraint and duty that was looked at."""
        return [self.sentence(lang), *tree_lines(self.tree or {}, lang)]

    def _specific(self, area: str, lang: str) -> str:
        """The sentence of the reason, in its version for the operand or else the general one."""
        specific = f"{area}.{self.reason}.{local(self.left_operand or '')}"
        text = sentence(
            specific if has_sentence(specific) else f"{area}.{self.reason}",
            lang,
            action=term(self.action, lang),
            operand=term(self.left_operand, lang) if self.left_operand else sentence("term.condition", lang),
            expected=self.expected or "",
            required=required(self.operator, self.expected, self.left_operand, lang),
            actual=self.actual or sentence("term.nothing", lang),
        )
        return text[0].upper() + text[1:]


def _owed(owed: Owed) -> dict[str, JsonValue]:
    members = {"role": owed.role, "action": owed.action, "rule": owed.rule, "value": owed.value}
    return {name: value for name, value in members.items() if value is not None}
