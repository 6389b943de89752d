"""Every error of the catalog package.

    CatalogFault                root; `code` names the broken rule, `facts` say where and what
    ├── UnreadableCatalogError  what a peer sent is no catalog at all
    ├── UnreadableVersionsError a peer's version document cannot be used
    ├── UnreadableServiceError  a service of a DID document is misspelt
    ├── FilterError             a filter of a catalog request is not understood
    ├── CursorError             the place in a catalog that a link names is none
    ├── NotPublishableError     a dataset breaks rules of publishing; `problems` lists every one
    ├── InvalidGraphError       Turtle or JSON-LD that cannot be read as datasets
    └── RemoteContextError      an RDF library wanted to fetch a context: never allowed

One unreadable dataset inside a readable catalog is no error but an `Unreadable` of its page (`reader.py`).
The sentence for people is `error.<code>` in the message table, with the facts as its values.
"""

from collections.abc import Sequence
from typing import ClassVar


class CatalogFault(Exception):  # noqa: N818  CatalogError is the name of a DSP message
    """A broken rule: `code` is its name, `facts` are strings fit for a person and a log."""

    code: ClassVar[str] = "catalog-fault"

    def __init__(self, **facts: str) -> None:
        super().__init__(facts)
        self.facts = facts

    def __str__(self) -> str:
        return f"{self.code}: {', '.join(f'{name}={value}' for name, value in self.facts.items())}"


class UnreadableCatalogError(CatalogFault):
    """What a peer sent is no catalog."""

    code = "catalog-unreadable"

    def __init__(self, problem: str) -> None:
        super().__init__(problem=problem)
        self.problem = problem


class UnreadableVersionsError(CatalogFault):
    """A version document that offers nothing readable; `problem` begins with the member."""

    code = "versions-unreadable"

    def __init__(self, problem: str) -> None:
        super().__init__(problem=problem)
        self.problem = problem


class UnreadableServiceError(CatalogFault):
    """A service of a DID document that says it is the protocol's and is misspelt; `problem` begins with the member."""

    code = "service-unreadable"

    def __init__(self, problem: str) -> None:
        super().__init__(problem=problem)
        self.problem = problem


class FilterError(CatalogFault):
    """A filter that is not understood, so that it must be refused (DSP 2025-1, Catalog Protocol); `member` is where."""

    code = "filter-unsupported"

    def __init__(self, member: str, problem: str) -> None:
        super().__init__(member=member, problem=problem)


class CursorError(CatalogFault):
    """A query parameter that names no place in a catalog."""

    code = "page-invalid"

    def __init__(self, parameter: str, problem: str) -> None:
        super().__init__(parameter=parameter, problem=problem)


class NotPublishableError(CatalogFault):
    """A dataset breaks rules of publishing; `problems` are `publish.Problem`s, all of them."""

    code = "not-publishable"

    def __init__(self, dataset: str, problems: Sequence[object]) -> None:
        super().__init__(dataset=dataset, problems="; ".join(str(problem) for problem in problems))
        self.dataset = dataset
        self.problems = tuple(problems)


class InvalidGraphError(CatalogFault):
    """A text is not RDF, or its datasets lack what a record needs."""

    code = "graph-invalid"

    def __init__(self, problem: str, where: str = "") -> None:
        super().__init__(problem=problem, where=where)
        self.problem = problem
        self.where = where


class RemoteContextError(CatalogFault):
    """An RDF library wanted to fetch a JSON-LD context: nothing is ever fetched."""

    code = "remote-context"

    def __init__(self, address: str) -> None:
        super().__init__(address=address)
        self.address = address
