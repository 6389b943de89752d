"""The steps that a package can ask for: one record per verb, with what the verb needs to know."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Step(BaseModel):
    """One step. `REFERS` says what the text members name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    REFERS: ClassVar[Mapping[str, str]] = {
        "agreement": "agreement",
        "by": "participant",
        "dataset": "dataset",
        "outsider": "outsider",
        "posing_as": "participant",
        "refusal": "refusal",
        "with_": "participant",
    }

    def names(self) -> Iterator[tuple[str, str]]:
        """What is named here: kind and name."""
        for member, kind in self.REFERS.items():
            name = getattr(self, member, None)
            if name is not None:
                yield kind, name


class Found(Step):
    """Keys and a signed member list."""

    play: Literal["found"]


class Serve(Step):
    """One process each."""

    play: Literal["serve"]


class Publish(Step):
    """Every dataset of the package."""

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


class Terms(Step):
    """The terms of an offer, in sentences."""

    play: Literal["terms"]
    agreement: str


class Silence(Step):
    """A fetch without consent, which must be refused."""

    play: Literal["silence"]
    agreement: str


class Fetch(Step):
    """A delivery; the first one negotiates. `used` is how many are counted then."""

    play: Literal["fetch"]
    agreement: str
    used: int = 1


class Interrupt(Step):
    """A delivery in small chunks at a slow pace, whose provider is killed when so many chunks are verified."""

    play: Literal["interrupt"]
    agreement: str
    chunk_bytes: int
    rate_bytes_s: int
    after_chunks: int
    used: int


class Refuse(Step):
    """A transfer request that must be refused, and counts nothing."""

    play: Literal["refuse"]
    refusal: str
    agreement: str
    purpose: str
    used: int


class Columns(Step):
    """Columns that must be refused at the gate; the transfer stays open for `suspend`."""

    play: Literal["columns"]
    refusal: str
    agreement: str
    columns: tuple[str, ...]
    used: int


class Suspend(Step):
    """The provider pauses the open transfer; what is asked meanwhile must be refused, and works again afterwards."""

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
    | Fetch
    | Interrupt
    | Refuse
    | Columns
    | Suspend
    | Intrude
    | Foresee
    | Prove
    | Tamper
)
