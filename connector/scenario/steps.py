"""The steps that a package can ask for: one record per verb, with what the verb needs to know."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Step(BaseModel):
    """One step. `REFERS` says what the text members name, `FILES` which of them are files under `contracts`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    REFERS: ClassVar[Mapping[str, str]] = {
        "agreement": "agreement",
        "agreements": "agreement",
        "at": "participant",
        "by": "participant",
        "dataset": "dataset",
        "failing": "agreement",
        "missing": "agreement",
        "outsider": "outsider",
        "participant": "participant",
        "posing_as": "participant",
        "refusal": "refusal",
        "settlement": "settlement",
        "with_": "participant",
    }
    FILES: ClassVar[Mapping[str, str]] = {"bundle": "terms", "offer": "offers"}

    def names(self) -> Iterator[tuple[str, str]]:
        """What is named here: kind and name."""
        yield from self._members(self.REFERS)

    def documents(self) -> Iterator[tuple[str, str]]:
        """The files under `contracts` that are named here: kind and name."""
        yield from self._members(self.FILES)

    def _members(self, kinds: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        for member, kind in kinds.items():
            named = getattr(self, member, None)
            if isinstance(named, str):
                yield kind, named
            elif isinstance(named, tuple):
                yield from ((kind, each) for each in named)


# -- the space, and what is offered ------------------------------------------------------------------------------------


class Found(Step):
    """Keys and a signed member list."""

    play: Literal["found"]


class Serve(Step):
    """One process each."""

    play: Literal["serve"]


class Publish(Step):
    """Every dataset of the package that is not derived."""

    play: Literal["publish"]


class Crawl(Step):
    """Everybody reads everybody's catalog."""

    play: Literal["crawl"]


class Find(Step):
    """A search, which must find this dataset first."""

    play: Literal["find"]
    by: str
    words: str
    dataset: str


# -- contracts -----------------------------------------------------------------------------------------------------------


class Terms(Step):
    """The terms of an offer, in sentences."""

    play: Literal["terms"]
    agreement: str


class Silence(Step):
    """A fetch without consent, which must be refused."""

    play: Literal["silence"]
    agreement: str


class Negotiate(Step):
    """Agreements that are made all at once; who asks for other terms is answered with the offer, and accepts it."""

    play: Literal["negotiate"]
    agreements: tuple[str, ...]


class Sign(Step):
    """A contract of many parties, signed by these in turn."""

    play: Literal["sign"]
    bundle: str
    by: tuple[str, ...]


# -- deliveries ------------------------------------------------------------------------------------------------------------


class Fetch(Step):
    """A delivery under each agreement, all at once; the first one negotiates where nobody has. `used` is how many are counted then.

    Those of `failing` must fail because their provider is down, and must not disturb the others.
    """

    play: Literal["fetch"]
    agreements: tuple[str, ...]
    used: int = 1
    failing: tuple[str, ...] = ()


class Interrupt(Step):
    """A delivery in small chunks at a slow pace, whose provider is killed when so many chunks are verified."""

    play: Literal["interrupt"]
    agreement: str
    chunk_bytes: int
    rate_bytes_s: int
    after_chunks: int
    used: int


class Kill(Step):
    """SIGKILL for a connector."""

    play: Literal["kill"]
    participant: str


class Revive(Step):
    """A killed connector starts again, and has lost nothing."""

    play: Literal["revive"]
    participant: str


class Stop(Step):
    """The provider cuts a running delivery off and lets nothing through until it allows it again."""

    play: Literal["stop"]
    refusal: str
    agreement: str
    chunk_bytes: int
    rate_bytes_s: int
    within_s: int
    because: Mapping[str, str]


class Owed(Step):
    """What one owes after its deliveries: so many `open` duties with a deadline, so many that the receipts have `fulfilled`."""

    play: Literal["owed"]
    by: str
    open: int
    fulfilled: int


# -- derived products ------------------------------------------------------------------------------------------------------


class Derive(Step):
    """A product is computed from the files received, by the program of the package; its result is compared cell by cell."""

    play: Literal["derive"]
    dataset: str


class Release(Step):
    """A derived product is published with its lineage; without the day's delivery under `missing` it is partial."""

    play: Literal["release"]
    dataset: str
    missing: tuple[str, ...] = ()


class Trace(Step):
    """A product is traced: to its inputs, from each input to it, and from its sales to those who get a share."""

    play: Literal["trace"]
    dataset: str


class Reoffer(Step):
    """Who received a product offers it on: the same content, then as derived from it. Both must be refused."""

    play: Literal["reoffer"]
    refusal: str
    agreement: str
    offer: str
    dataset_id: str


# -- refusals ----------------------------------------------------------------------------------------------------------------


class Refuse(Step):
    """A transfer request that must be refused, and counts nothing; with `restart` the provider starts anew before it."""

    play: Literal["refuse"]
    refusal: str
    agreement: str
    purpose: str
    used: int
    restart: bool = False


class Columns(Step):
    """Columns that must be refused at the gate."""

    play: Literal["columns"]
    refusal: str
    agreement: str
    columns: tuple[str, ...]
    used: int


class Suspend(Step):
    """The provider pauses a transfer; what is asked meanwhile must be refused, and works again afterwards."""

    play: Literal["suspend"]
    refusal: str
    agreement: str
    because: Mapping[str, str]
    used: int


class Intrude(Step):
    """An outsider asks for catalogs, as itself and as somebody else."""

    play: Literal["intrude"]
    refusal: str
    outsider: str
    posing_as: str
    at: tuple[str, ...]


class Foresee(Step):
    """A dry run at a stated time."""

    play: Literal["foresee"]
    agreement: str
    at: AwareDatetime
    allowed: bool
    refusal: str | None = None


# -- settlement ---------------------------------------------------------------------------------------------------------------


class Premature(Step):
    """A period that one tries to close although signatures of its bundle are missing."""

    play: Literal["premature"]
    refusal: str
    settlement: str
    by: str


class Book(Step):
    """The ledger of a period is imported by everybody, and what has to be stated is stated."""

    play: Literal["book"]
    settlement: str


class Close(Step):
    """Everybody closes the period; statements, lines and net positions must be those of the package."""

    play: Literal["close"]
    settlement: str


class Statement(Step):
    """A period as one of them reads it, and exports it."""

    play: Literal["statement"]
    settlement: str
    by: str


# -- proof -------------------------------------------------------------------------------------------------------------------


class Prove(Step):
    """All logs, exported and verified."""

    play: Literal["prove"]


class Tamper(Step):
    """One byte of an exported log is changed; the change must be found and named."""

    play: Literal["tamper"]
    with_: str = Field(alias="with")


AnyStep: TypeAlias = (
    Found
    | Serve
    | Publish
    | Crawl
    | Find
    | Terms
    | Silence
    | Negotiate
    | Fetch
    | Interrupt
    | Kill
    | Revive
    | Stop
    | Owed
    | Derive
    | Release
    | Trace
    | Reoffer
    | Refuse
    | Columns
    | Suspend
    | Intrude
    | Foresee
    | Sign
    | Premature
    | Book
    | Close
    | Statement
    | Prove
    | Tamper
)
