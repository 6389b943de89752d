"""What was expected and what came: the list that the final table and `report.json` show."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Check:
    """One check, in the form of the report."""

    check: str
    expected: str
    got: str
    ok: bool


class Checks:
    """All checks of a run, in order."""

    def __init__(self) -> None:
        self._list: list[Check] = []

    def __iter__(self) -> Iterator[Check]:
        return iter(self._list)

    def __len__(self) -> int:
        return len(self._list)

    def add(self, check: str, expected: object, got: object, *, ok: bool | None = None) -> Check:
        """`ok` is for what is no equality; without it both must read the same."""
        made = Check(check, str(expected), str(got), str(expected) == str(got) if ok is None else ok)
        self._list.append(made)
        return made

    @property
    def failed(self) -> int:
        return sum(not each.ok for each in self._list)

    def write(self, path: Path) -> None:
        text = json.dumps([asdict(each) for each in self._list], ensure_ascii=False, indent=2)
        path.write_text(text + "\n", encoding="utf-8")
