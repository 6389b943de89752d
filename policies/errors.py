"""Every error of the policies package.

    PolicyError                 root; `code` names the broken rule, `facts` say where and what
    ├── JsonError               bytes are not the JSON we accept
    ├── CanonicalError          a value has no canonical form
    ├── InvalidPolicyError      a document is no policy; `path` names the member
    ├── ListFormError           a text is no list of names in the form of `?columns=`
    └── UnknownSentenceError    the message table has no such id

A refusal by policy is no error but a `Decision`; an unknown term is no error either: it is kept and denies.
The sentence for people is `error.<code>` in the message table, with the facts as its values.
"""

from typing import ClassVar


class PolicyError(Exception):
    """A broken rule: `code` is its name, `facts` are strings fit for a person and a log."""

    code: ClassVar[str] = "policy-error"

    def __init__(self, **facts: str) -> None:
        super().__init__(facts)
        self.facts = facts

    def __str__(self) -> str:
        return f"{self.code}: {', '.join(f'{name}={value}' for name, value in self.facts.items())}"


class JsonError(PolicyError):
    """Bytes are not UTF-8 JSON with distinct member names, finite numbers and a bounded depth."""

    code = "json-invalid"

    def __init__(self, problem: str, where: str) -> None:
        super().__init__(problem=problem, where=where)
        self.problem = problem
        self.where = where


class CanonicalError(PolicyError):
    """A value is outside the subset of RFC 8785 that signed documents use."""

    code = "not-canonical"

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path=path, problem=problem)
        self.path = path
        self.problem = problem


class InvalidPolicyError(PolicyError):
    """A document is no ODRL policy: `path` names the member (`permission[0].action`), `problem` the broken rule."""

    code = "policy-invalid"

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path=path, problem=problem)
        self.path = path
        self.problem = problem


class ListFormError(PolicyError):
    """A text is no list of names: an empty or repeated name, an open quote, a blank after a comma."""

    code = "list-invalid"

    def __init__(self, text: str, problem: str) -> None:
        super().__init__(text=text, problem=problem)
        self.text = text
        self.problem = problem


class UnknownSentenceError(PolicyError):
    """The message table has no sentence of this id."""

    code = "sentence-unknown"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier=identifier)
        self.identifier = identifier
