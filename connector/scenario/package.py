"""A scenario package: `package.toml` as frozen records, with the files that it names.

Names (of participants, datasets, agreements, refusals, periods) are the package's own short ones; everything that goes on the wire
stands under them. Texts are by language. An unknown member, or a name that nothing has, is a PackageError.
"""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from connector.scenario import steps
from connector.scenario.errors import PackageError
from policies.canonical import digest, parse_json
from policies.errors import JsonError

Words: TypeAlias = Mapping[str, str]
FILE = "package.toml"
DOCUMENTS = ("offers", "terms", "transforms")


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


class Derived(Part):
    """How a product is made: a program of the package, and the agreements whose delivered files it reads."""

    program: str
    agreements: tuple[str, ...]
    purpose: str


class Dataset(Part):
    """What one participant offers: `offers`, `terms` and `transforms` are names of files under `contracts`.

    Of a `derived` dataset the file is what must come out of the derivation.
    """

    id: str
    owner: str
    file: str
    title: Words
    description: Words
    keywords: Mapping[str, tuple[str, ...]]
    offers: tuple[str, ...]
    terms: tuple[str, ...]
    transforms: tuple[str, ...] = ()
    visible_to: Literal["all"] | tuple[str, ...] = "all"
    derived: Derived | None = None


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


class Wish(Part):
    """What a consumer asks for first: these terms instead of those of the offer, both names of files."""

    terms: str
    instead_of: str


class Agreement(Part):
    """An agreement to be: the offer of the same name, taken by `consumer`, who may `wish` for other terms first."""

    dataset: str
    consumer: str
    purpose: str
    delivery: Delivery
    choice: Choice | None = None
    wish: Wish | None = None


class Refusal(Part):
    """How something is refused: the reason of the closed list, the constraint that was not met, the HTTP status."""

    reason: str
    left_operand: str | None = None
    http: int | None = None


class Line(Part):
    """One line of a statement as its party sees it; `amount` in minor units."""

    kind: str
    ref: str
    amount: int


class Outcome(Part):
    """What a period must come to: digests and documents by `ref`, bundle and `input`; lines and net positions by participant."""

    digests: Mapping[str, str]
    documents: Mapping[str, Mapping[str, Any]]
    lines: Mapping[str, tuple[Line, ...]]
    positions: Mapping[str, int]


class Settlement(Part):
    """One period: the `ledger` that all import, what is stated by agreement, and the file with its outcome."""

    bundle: str
    ledger: str
    expected: str
    quality: Mapping[str, str] = {}
    without_service: Mapping[str, tuple[date, ...]] = {}
    declared_income: int | None = None


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
    refusals: Mapping[str, Refusal] = {}
    settlements: Mapping[str, Settlement] = {}
    chapters: tuple[Chapter, ...]

    _folder: Path = PrivateAttr(default=Path())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The package in a folder; raises PackageError."""
        path = folder.absolute() / FILE
        try:
            with path.open("rb") as file:
                package = cls.model_validate(tomllib.load(file))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise PackageError("unreadable", path=path, problem=error) from error
        except ValidationError as error:
            raise _invalid(path, error) from error
        object.__setattr__(package, "_folder", path.parent)
        for problem in package.problems():
            raise problem
        return package

    # -- its files -----------------------------------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        return self._folder

    def data(self, dataset: str) -> Path:
        """The owner's file."""
        return self._folder / self.datasets[dataset].file

    def contract(self, kind: str, name: str) -> Path:
        """A file under `contracts`: kind is offers, terms or transforms."""
        return self._folder / "contracts" / kind / f"{name}.json"

    def document(self, kind: str, name: str) -> Mapping[str, Any]:
        """What a file under `contracts` holds; raises PackageError."""
        return _object(self.contract(kind, name))

    def offer(self, name: str) -> Mapping[str, Any]:
        """The offer of an agreement; raises PackageError."""
        return self.document("offers", name)

    def digest(self, terms: str) -> str:
        """The digest of a terms document, by which offers and bundles cite it."""
        return digest(self.contract("terms", terms).read_bytes())

    def outcome(self, settlement: str) -> Outcome:
        """What a period must come to; raises PackageError."""
        path = self._folder / self.settlements[settlement].expected
        try:
            return Outcome.model_validate(_object(path))
        except ValidationError as error:
            raise _invalid(path, error) from error

    # -- who is who ----------------------------------------------------------------------------------------------------

    def provider(self, agreement: str) -> str:
        return self.datasets[self.agreements[agreement].dataset].owner

    def participant(self, identifier: str) -> str:
        """The short name of who has this id."""
        return next(name for name, each in self.participants.items() if each.id == identifier)

    def short_names(self) -> Mapping[str, str]:
        """Ids by the names that a ledger may use for them: of participants, and of datasets."""
        parties = {name: each.id for name, each in self.participants.items()}
        return parties | {name: each.id for name, each in self.datasets.items()}

    # -- what can be wrong ---------------------------------------------------------------------------------------------

    def problems(self) -> Iterator[PackageError]:
        """Every name that names nothing, and every file that is not there."""
        for kind, name, known in self._names():
            if name not in known:
                yield PackageError("name-unknown", path=self._folder / FILE, kind=kind, name=name)
        for path in self._files():
            if not path.is_file():
                yield PackageError("file-missing", path=path)

    def _names(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Every use of a name: what it names, the name, and those there are."""
        tables: Mapping[str, Mapping[str, Any]] = {
            "participant": self.participants,
            "outsider": self.outsiders,
            "dataset": self.datasets,
            "agreement": self.agreements,
            "refusal": self.refusals,
            "settlement": self.settlements,
        }
        yield "participant", self.authority, self.participants
        for dataset in self.datasets.values():
            yield "participant", dataset.owner, self.participants
            for name in dataset.derived.agreements if dataset.derived is not None else ():
                yield "agreement", name, self.agreements
        for agreement in self.agreements.values():
            yield "participant", agreement.consumer, self.participants
            yield "dataset", agreement.dataset, self.datasets
        for settlement in self.settlements.values():
            for name in (*settlement.quality, *settlement.without_service):
                yield "agreement", name, self.agreements
        for chapter in self.chapters:
            for step in chapter.steps:
                for kind, name in step.names():
                    yield kind, name, tables[kind]

    def _files(self) -> Iterator[Path]:
        for name, dataset in self.datasets.items():
            yield self.data(name)
            for kind in DOCUMENTS:
                yield from (self.contract(kind, each) for each in getattr(dataset, kind))
            if dataset.derived is not None:
                yield self._folder / dataset.derived.program
        for name, agreement in self.agreements.items():
            yield self.contract("offers", name)
            if agreement.wish is not None:
                yield from (self.contract("terms", each) for each in (agreement.wish.terms, agreement.wish.instead_of))
        for settlement in self.settlements.values():
            yield from (self._folder / settlement.ledger, self._folder / settlement.expected)
            yield self.contract("terms", settlement.bundle)
        for chapter in self.chapters:
            for step in chapter.steps:
                yield from (self.contract(kind, name) for kind, name in step.documents())


def _object(path: Path) -> Mapping[str, Any]:
    try:
        found = parse_json(path.read_bytes())
    except (OSError, JsonError) as error:
        raise PackageError("unreadable", path=path, problem=error) from error
    if not isinstance(found, dict):
        raise PackageError("no-object", path=path)
    return found


def _invalid(path: Path, error: ValidationError) -> PackageError:
    """The first fault, and where in the file it stands."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return PackageError("invalid", path=path, place=".".join(map(str, first["loc"])), problem=first["msg"])
