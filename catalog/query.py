"""What a reader may ask of the index."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

HITS_MAX: Final = 200


class Query(BaseModel):
    """A search over all known catalogs. Every stated condition must hold; an empty query finds everything.

    `words` occur as parts of title, description, keywords, column names or ids, in any language; `owner` is a participant
    id; `keyword` is one whole keyword; `price_kind` the model of the terms of an offer (`Free`, `Subscription`, …).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: str = ""
    owner: str | None = None
    keyword: str | None = None
    price_kind: str | None = None
    grade: str | None = None
    scenario: str | None = None
    own: bool = True
    limit: int = Field(default=50, ge=1, le=HITS_MAX)

    @field_validator("words", "owner", "keyword", "price_kind", "grade", "scenario")
    @classmethod
    def _writable(cls, text: str | None) -> str | None:
        """A command line may hold bytes that are no UTF-8: nothing is found by them, and nothing fails."""
        return text and text.encode(errors="replace").decode()
