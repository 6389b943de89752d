"""What a check of the doctor found: the state, who must mend it, and the sentence that says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

State: TypeAlias = Literal["ok", "warn", "fail", "skipped"]
Who: TypeAlias = Literal["us", "partner", "authority", "both", "nobody"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `who` must mend it."""

    check: str
    state: State
    code: str
    who: Who = "nobody"
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The id of its sentence."""
        general = self.code in ("skipped", "slow")
        return f"doctor.{self.code}" if general else f"doctor.{self.check}.{self.code}"


def skipped(check: str, because: str) -> Finding:
    """A check that makes no sense after another one (`because`) has failed."""
    return Finding(check, "skipped", "skipped", facts={"why": because})


def texts(facts: Mapping[str, Any]) -> dict[str, str]:
    """The facts of an error as short texts."""
    return {name: str(value)[:500] for name, value in facts.items()}
