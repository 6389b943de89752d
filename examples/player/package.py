"""A scenario package: `package.toml` as frozen records, with the files that it names.

Names (of participants, datasets, agreements, refusals) are the package's own short ones; everything that goes on the wire stands
under them. Texts are by language. An unknown member, or a name that nothing has, is a PackageError.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from examples.player import steps
from policies.canonical import parse_json

Words: TypeAlias = Mapping[str, str]
FILE = "package.toml"


class PackageError(Exception):
    """The package cannot be played; the text says what is wrong with it, and where."""


class Part(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Participant(Part):
    """A company, or a stranger. `pseudonym_keys` are test keys by offer."""

    id: str
    name: Words
    region: str
    connector_id: str = ""
    roles: tuple[str, ...] = ()
    pseudonym_keys: Mapping[str, str] = {}


class Dataset(Part):
    """What one participant offers: `offers`, `terms` and `transforms` are names of files under `contracts`."""

    id: str
    owner: str
    file: str
    title: Words
    description: Words
    keywords: Mapping[str, tuple[str, ...]]
    offers: tuple[str, ...]
    terms: tuple[str, ...]
    transforms: tuple[str, ...]
    visible_to: Literal["all"] | tuple[str, ...]


class Golden(Part):
    """One cell: of the row with these values, `given` in the owner's file, `delivered` in what arrives."""

    row: Mapping[str, str]
    column: str
    given: str
    delivered: str


class Shape(Part):
    """What a delivered file must be: `sha256` in hex, `columns` in order."""

    columns: tuple[str, ...]
    rows: int
    bytes: int
    sha256: str


class Delivery(Shape):
    """A whole delivery. No value of a `dropped` or `replaced` column of the owner's file may ever be on the wire."""

    dropped: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    golden: tuple[Golden, ...] = ()


class Choice(Shape):
    """A delivery of some columns, `asked` for in any order."""

    asked: tuple[str, ...]


class Agreement(Part):
    """An agreement to be: the offer of the same name, taken by `consumer`."""

    dataset: str
    consumer: str
    purpose: str
    delivery: Delivery
    choice: Choice | None = None


class Refusal(Part):
    """How something is refused: the reason of the closed list, the constraint that was not met, the HTTP status."""

    reason: str
    left_operand: str | None = None
    http: int | None = None


class Chapter(Part):
    """A heading, a sentence or two, and what is done."""

    title: Words
    say: Words = {}
    steps: tuple[Annotated[steps.AnyStep, Field(discriminator="play")], ...]


class Package(Part):
    """A whole package, made with `Package.read`."""

    name: str
    clock: AwareDatetime
    authority: str
    space: str
    list_valid_for: str
    title: Words
    say: Words
    participants: Mapping[str, Participant]
    outsiders: Mapping[str, Participant] = {}
    datasets: Mapping[str, Dataset]
    agreements: Mapping[str, Agreement]
    refusals: Mapping[str, Refusal]
    chapters: tuple[Chapter, ...]

    _folder: Path = PrivateAttr(default=Path())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The package in a folder; raises PackageError."""
        try:
            with (folder / FILE).open("rb") as file:
                package = cls.model_validate(tomllib.load(file))
        except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
            raise PackageError(f"{folder / FILE}: {error}") from error
        object.__setattr__(package, "_folder", folder)
        package.check()
        return package

    def data(self, dataset: str) -> Path:
        """The owner's file."""
        return self._folder / self.datasets[dataset].file

    def contract(self, kind: str, name: str) -> Path:
        """A file under `contracts`: kind is offers, terms or transforms."""
        return self._folder / "contracts" / kind / f"{name}.json"

    def offer(self, name: str) -> Mapping[str, Any]:
        """The offer of an agreement; raises PackageError."""
        document = parse_json(self.contract("offers", name).read_bytes())
        if not isinstance(document, dict):
            raise PackageError(f"{self.contract('offers', name)}: is no object")
        return document

    def provider(self, agreement: str) -> str:
        return self.datasets[self.agreements[agreement].dataset].owner

    def check(self) -> None:
        """Every name that is used names something, and every file is there; raises PackageError."""
        for kind, name, known in self._names():
            if name not in known:
                raise PackageError(f"{self._folder / FILE}: no {kind} is called {name}")
        for path in self._files():
            if not path.is_file():
                raise PackageError(f"{path}: the file is missing")

    def _names(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Every use of a name: what it names, the name, and those there are."""
        tables: Mapping[str, Mapping[str, Any]] = {
            "participant": self.participants,
            "outsider": self.outsiders,
            "dataset": self.datasets,
            "agreement": self.agreements,
            "refusal": self.refusals,
        }
        yield "participant", self.authority, self.participants
        for dataset in self.datasets.values():
            yield "participant", dataset.owner, self.participants
        for agreement in self.agreements.values():
            yield "participant", agreement.consumer, self.participants
            yield "dataset", agreement.dataset, self.datasets
        for chapter in self.chapters:
            for step in chapter.steps:
                for kind, name in step.names():
                    yield kind, name, tables[kind]

    def _files(self) -> Iterator[Path]:
        for name, dataset in self.datasets.items():
            yield self.data(name)
            for kind in ("offers", "terms", "transforms"):
                yield from (self.contract(kind, each) for each in getattr(dataset, kind))
        yield from (self.contract("offers", name) for name in self.agreements)
