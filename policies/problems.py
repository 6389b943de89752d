"""Something wrong with a policy that can be said before anybody asks under it: where, what, and what to do next."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.phrases import required, term
from policies.sentences import sentence


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem: `path` of the member, `code` of the broken rule (a sentence `problem.<code>`), `facts` to fill it in.

    `facts` are strings by name: `operand`, `operator`, `expected`, `actual`, `name`, `problem`, `reason`, where they apply.
    """

    path: str
    code: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def sentence(self, lang: str) -> str:
        """The problem for a person, with what to do next."""
        values: dict[str, str] = {"path": self.path or "policy", **self.facts}
        operand = self.facts.get("operand")
        if operand:
            values["operand"] = term(operand, lang)
        values["required"] = required(self.facts.get("operator"), self.facts.get("expected"), operand, lang)
        return sentence(f"problem.{self.code}", lang, **values)
