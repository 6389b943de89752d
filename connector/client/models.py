"""What the client gives back: frozen, typed, complete. Unknown members are kept, so that a newer daemon breaks nothing.

`model.to_dict()` is what came, word for word: it is what the command line prints with `--json`.
Times are aware; titles and other texts are by language (`{"en": …, "zh": …}`).
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from connector.client.errors import ProtocolError

Words = Mapping[str, str]


def in_language(words: Words, lang: str) -> str:
    """A text in this language, else in the other, else whatever there is."""
    for wanted in (lang, "zh", "en", ""):
        if words.get(wanted):
            return words[wanted]
    return next(iter(words.values()), "")


class Model(BaseModel):
    """A frozen view of one JSON object."""

    # Built at the first use: a program that imports the client does not wait for thirty models it may never see.
    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    _raw: Mapping[str, Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def read(cls, raw: Any) -> Self:
        """The view of what the daemon sent; raises ProtocolError, with the path of the member that makes no sense."""
        try:
            model = cls.model_validate(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            path = ".".join(str(part) for part in first["loc"])
            raise ProtocolError("answer-unexpected", model=cls.__name__, path=path, problem=first["msg"]) from error
        object.__setattr__(model, "_raw", raw)
        return model

    @property
    def raw(self) -> Mapping[str, Any]:
        return self._raw

    @property
    def extra(self) -> Mapping[str, Any]:
        return self.model_extra or {}

    def to_dict(self) -> dict[str, Any]:
        return dict(self._raw) if self._raw else self.model_dump(mode="json")


class Price(Model):
    """What an offer costs at first sight: the model of its terms (`Free`, `PerUnit`, …) and its first rate, if any."""

    kind: str
    amount: Decimal | None = None
    currency: str | None = None

    @property
    def free(self) -> bool:
        return self.kind.casefold() == "free"


class Column(Model):
    """One column of a table; `type` is an XML Schema name without prefix."""

    name: str
    type: str = "string"


class Offer(Model):
    """An offer of a dataset: `policy` is the DSP Offer as it stands in the catalog, `digest` its policy digest.

    `sentences` say each rule in words, `enforcement` its class (`enforced`, `attested`, `refused`). What is not
    `acceptable` has a rule that the daemon can neither enforce nor promise.
    """

    id: str
    policy: Mapping[str, Any]
    digest: str
    dataset: str = ""
    provider: str = ""
    sentences: Mapping[str, tuple[str, ...]] = {}
    enforcement: tuple[Mapping[str, Any], ...] = ()
    price: Price | None = None
    terms: tuple[str, ...] = ()
    transforms: tuple[str, ...] = ()
    acceptable: bool = True

    def summary(self, lang: str = "en") -> tuple[str, ...]:
        """One sentence per rule: what to show before consenting."""
        return self.sentences.get(lang) or next(iter(self.sentences.values()), ())


class Document(Model):
    """Terms or a transform. `sentences` say each clause of terms in words; they are empty for anything else."""

    digest: str
    kind: str
    document: Mapping[str, Any]
    sentences: Mapping[str, tuple[str, ...]] = {}


class MoneyDifference(Model):
    """What the payer owes for a period at a `volume` (and `days` without service) under our terms and under theirs.

    Amounts are minor units, `exponent` decimals of `currency`; `difference` is theirs minus ours.
    """

    terms: str = ""
    volume: int
    unit: str = ""
    days: int = 0
    ours: int
    theirs: int
    difference: int
    currency: str
    exponent: int


class Difference(Model):
    """What separates both sides of a negotiation; `problems` name terms that could not be read."""

    differs: bool
    sentences: Mapping[str, tuple[str, ...]] = {}
    money: tuple[MoneyDifference, ...] = ()
    offers: Mapping[str, Any] = {}
    problems: tuple[Mapping[str, Any], ...] = ()


class Freshness(Model):
    """How old what we know of one member's catalog is. `state` is fresh, stale or never."""

    participant: str
    as_of: datetime | None = None
    state: str = "never"
    datasets: int = 0
    problem: str = ""
    name: Words = {}


class Dataset(Model):
    """A dataset as its provider describes it; `offers` are filled where the answer held them."""

    id: str
    provider: str
    title: Words = {}
    description: Words = {}
    keywords: tuple[Mapping[str, str], ...] = ()
    columns: tuple[Column, ...] = ()
    rows: int | None = None
    bytes: int | None = None
    sha256: str | None = None
    version: str | None = None
    media_type: str | None = None
    modified: datetime | None = None
    prices: tuple[Price, ...] = ()
    offers: tuple[Offer, ...] = ()
    provider_name: Words = {}
    freshness: Freshness | None = None


class Published(Dataset):
    """A dataset of ours. `state` is published, withdrawn or changed (the file is not what the catalog says)."""

    state: str = "published"
    path: str = ""
    visible_to: Literal["all"] | tuple[str, ...] = "all"
    unchanged: bool = False


class LineageInput(Model):
    """A dataset that a product was made from, under an `agreement` (None: of the same owner), with what it was made from.

    For a product of ours `version`, `delivery`, `manifest` and `received` tell of the delivery that was used, and `missing` that
    the day's did not come.
    """

    dataset: str
    provider: str
    provider_name: Words = {}
    title: Words = {}
    agreement: str | None = None
    version: str = ""
    delivery: str | None = None
    manifest: str | None = None
    received: datetime | None = None
    missing: bool = False
    inputs: tuple["LineageInput", ...] = ()


class Derived(Model):
    """A dataset that its catalog says was made from another one, with what was made from it."""

    dataset: str
    provider: str
    provider_name: Words = {}
    title: Words = {}
    agreement: str | None = None
    partial: bool = False
    derived: tuple["Derived", ...] = ()


class Sale(Model):
    """An agreement about a product of ours; `shares` are the inputs that its bundle pays: bundle, ref, provider, dataset."""

    agreement: str
    consumer: str
    consumer_name: Words = {}
    since: datetime
    deliveries: int = 0
    rows: int = 0
    shares: tuple[Mapping[str, Any], ...] = ()


class Lineage(Model):
    """Where a dataset came from (`inputs`), what came of it (`derived`), and, of ours, who gets it (`sales`)."""

    dataset: str
    provider: str
    provider_name: Words = {}
    title: Words = {}
    version: str = ""
    partial: bool = False
    missing_inputs: tuple[str, ...] = ()
    ours: bool = False
    inputs: tuple[LineageInput, ...] = ()
    derived: tuple[Derived, ...] = ()
    sales: tuple[Sale, ...] = ()


class Preview(Model):
    """What would become public: `dataset` as others would see it, `problems` that would stop it."""

    dataset: Published | None = None
    viewers: Literal["all"] | tuple[str, ...] = "all"
    problems: tuple[Mapping[str, Any], ...] = ()

    @property
    def publishable(self) -> bool:
        return not self.problems


class Member(Model):
    """A member of the space, as its operator lists it."""

    participant: str
    connector: str = ""
    name: Words = {}
    dsp: str = ""
    roles: tuple[str, ...] = ()
    region: str | None = None
    ours: bool = False
    keys: tuple[Mapping[str, Any], ...] = ()


class Event(Model):
    """One event: a record of the audit log (with its `seq`), or a passing remark without one, such as progress."""

    type: str
    seq: int | None = None
    time: datetime | None = None
    peer: str | None = None
    agreement: str | None = None
    decision: str | None = None
    reason: str | None = None
    details: Mapping[str, Any] = {}


class AuditRecord(Model):
    """One record of the audit log. `refs` are `kind:sha-256:…` of messages, agreements, manifests, receipts."""

    seq: int
    time: datetime
    type: str
    actor: str | None = None
    peer: str | None = None
    agreement: str | None = None
    policy: str | None = None
    decision: str | None = None
    reason: str | None = None
    refs: tuple[str, ...] = ()
    details: Mapping[str, Any] = {}
    trace: str | None = None


class DryRun(Model):
    """What a policy would say: `outcome` is allow, conditional, deny or default deny; nothing is counted."""

    outcome: str
    allowed: bool
    reason: str | None = None
    left_operand: str | None = None
    sentence: Words = {}
    explanation: Mapping[str, tuple[str, ...]] = {}
    at: datetime | None = None


class Status(Model):
    """What the daemon says about itself; more members than these stand in `extra`."""

    version: str
    participant: str
    now: datetime
    started: datetime
    clock_offset_s: float = 0
    test_settings: tuple[str, ...] = ()
    members: Mapping[str, Any] = {}
    outbox: Mapping[str, Any] = {}
    counts: Mapping[str, Any] = {}
    audit: Mapping[str, Any] = {}
    catalogs: tuple[Freshness, ...] = ()
    stops: tuple[Mapping[str, str], ...] = ()
    holds: tuple[Mapping[str, str], ...] = ()


class Bundle(Model):
    """A contract of many parties: in force `since` its anchor once `missing` is empty. `terms` is the digest all have signed.

    `agreements` are its slots, each with the digest of our agreement that fills it, if there is one.
    """

    id: str
    terms: str
    operator: str = ""
    signatories: tuple[Mapping[str, Any], ...] = ()
    missing: tuple[str, ...] = ()
    in_force: bool = False
    since: str | None = None
    agreements: tuple[Mapping[str, Any], ...] = ()

    @property
    def signed(self) -> Mapping[str, str | None]:
        """When each signatory signed, None where a signature is missing."""
        return {str(each["participant"]): each.get("signed_at") for each in self.signatories}


class Settlement(Model):
    """A period: every statement we take part in with its state, and what they come to for us, in minor units.

    `lines`, `total` and `positions` are of one currency; `others` are those of further ones. Before closing this is a preview.
    """

    period: str
    participant: str = ""
    closed: Mapping[str, str] = {}
    statements: tuple[Mapping[str, Any], ...] = ()
    inputs: tuple[Mapping[str, Any], ...] = ()
    lines: tuple[Mapping[str, Any], ...] = ()
    total: int = 0
    positions: tuple[Mapping[str, Any], ...] = ()
    currency: str | None = None
    exponent: int = 0
    others: tuple[Mapping[str, Any], ...] = ()

    @property
    def documents(self) -> tuple[Mapping[str, Any], ...]:
        """The statements themselves, as far as they are computed."""
        return tuple(each["document"] for each in self.statements if each.get("document"))

    @property
    def purses(self) -> tuple[Mapping[str, Any], ...]:
        """Lines, total and positions for each currency."""
        if self.currency is None:
            return ()
        names = ("lines", "total", "positions", "currency", "exponent")
        return ({name: getattr(self, name) for name in names}, *self.others)

    @property
    def agreed(self) -> bool:
        """Whether every statement of the period has all its signatures; where nothing is charged there is none."""
        return all(each["state"] in ("agreed", "empty") for each in self.statements)
