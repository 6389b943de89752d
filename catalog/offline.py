"""Nothing is ever fetched: the lock on rdflib's JSON-LD context loader (catalog.md 10)."""

from typing import Any, NoReturn

from rdflib.plugins.shared.jsonld import context

from catalog.errors import RemoteContextError


def _refuse(source: object = "", *_: Any, **__: Any) -> NoReturn:
    raise RemoteContextError(str(source))


def lock() -> None:
    """Make rdflib refuse every context it would load, by address or from a file, for the rest of this process.

    rdflib GETs `http:` and opens `file:` contexts by itself and has no setting against it; replacing its loader is the
    only stop. Parsing the document itself uses another reference to the same function and goes on working.
    """
    setattr(context, "source_to_json", _refuse)  # noqa: B010  rdflib does not export the name it uses
