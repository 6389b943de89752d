"""What a command is given: the person's language, the configuration directory, a client, and how to print.

Data goes to standard output, everything else to standard error. No colour and no moving line unless it is a terminal;
NO_COLOR is respected.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from connector.cli.exits import UsageError
from connector.cli.words import err, say
from policies.canonical import parse_json
from policies.errors import JsonError

if TYPE_CHECKING:
    from connector.client.listing import Listing

Item = Mapping[str, Any]
# A list on a terminal: more is a job for `--jsonl` and a pipe.
LIST_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the id of its heading (`cli.col.<heading>`) and what stands in it."""

    heading: str
    cell: Callable[[Any], object]
    right: bool = False


@dataclass(frozen=True, slots=True)
class Shell:
    """One run of the command line."""

    lang: str
    directory: Path
    json: bool = False
    jsonl: bool = False
    utc: bool = False

    # -- printing --------------------------------------------------------------------------------------------------------

    def tell(self, identifier: str, **values: Any) -> None:
        """A sentence for the person, on standard error."""
        err(say(identifier, self.lang, **values))

    def word(self, identifier: str, **values: Any) -> str:
        return say(identifier, self.lang, **values)

    def data(self, value: Any) -> None:
        """One JSON value on standard output, for a person to read too."""
        sys.stdout.write(
            orjson.dumps(value, default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2).decode()
        )
        sys.stdout.flush()

    def line(self, value: Any) -> None:
        """One JSON value on a line of its own."""
        sys.stdout.write(orjson.dumps(value, default=str, option=orjson.OPT_APPEND_NEWLINE).decode())
        sys.stdout.flush()

    @property
    def machine(self) -> bool:
        """Whether a program reads our output."""
        return self.json or self.jsonl

    def show(self, value: Item, lines: Iterable[tuple[str, object]]) -> None:
        """One object: as JSON, or line by line as heading (`cli.col.…`) and value."""
        if self.machine:
            (self.line if self.jsonl else self.data)(value)
            return
        from connector.cli.tables import facts  # noqa: PLC0415  rich is for who draws something

        facts([(self.word(f"col.{heading}"), text) for heading, text in lines if text not in (None, "", ())])

    def list_(self, items: Sequence[Item], columns: Sequence[Column], *, next_: str | None = None) -> None:
        """Several objects: as one JSON object, one per line, or a table; an empty one says so."""
        if self.jsonl:
            for item in items:
                self.line(item)
        elif self.json:
            self.data({"items": list(items), "next": next_})
        elif not items:
            self.tell("nothing")
        else:
            from connector.cli.tables import table  # noqa: PLC0415  see show

            headings = [(self.word(f"col.{column.heading}"), column.right) for column in columns]
            table(headings, [[column.cell(item) for column in columns] for item in items])
            if next_ is not None:
                self.tell("more", limit=len(items))

    async def listing(self, listing: "Listing[Any]", columns: Sequence[Column], limit: int) -> None:
        """A list of the daemon, up to `limit`."""
        items: list[Item] = []
        async for item in listing:
            if len(items) == limit:
                self.list_(items, columns, next_="-")
                return
            items.append(item.to_dict())
        self.list_(items, columns)

    def time(self, text: str | None) -> str:
        """An instant in the person's zone with its offset, or in UTC with --utc."""
        if not text:
            return ""
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if self.utc else moment.astimezone()
        offset = "Z" if self.utc else moment.strftime("%z")
        offset = offset if self.utc else f" {offset[:3]}:{offset[3:]}"
        return moment.strftime("%Y-%m-%d %H:%M:%S") + offset

    def name(self, words: Mapping[str, str] | None, identifier: str) -> str:
        """The name of somebody in the person's language; the identifier where there is none."""
        for wanted in (self.lang, "zh", "en"):
            if words and words.get(wanted):
                return words[wanted]
        return identifier

    # -- asking ------------------------------------------------------------------------------------------------------------

    def confirm(self, question: str, *, yes: bool, **values: Any) -> None:
        """Ask before something that cannot be undone; without a terminal `--yes` must have been said."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise UsageError(self.word("needs-yes", question=self.word(question, **values)))
        err(self.word(question, **values), end=" [y/N] ")
        if sys.stdin.readline().strip().lower() not in ("y", "yes", "是"):
            raise KeyboardInterrupt

    def pairs(self, given: Sequence[str] | None, option: str) -> dict[str, str]:
        """Words such as `A1=A` as {"A1": "A"}; raises UsageError for another form and for a name that stands there twice."""
        found: dict[str, str] = {}
        for text in given or ():
            left, sign, right = text.partition("=")
            if not (left and sign and right) or left in found:
                raise UsageError(self.word("usage.pair", option=option, found=text))
            found[left] = right
        return found

    def place(self, path: str) -> Path:
        """A path as another program on this machine finds it."""
        return Path(path).absolute()

    def read(self, path: str) -> bytes:
        """The bytes of a file, or of standard input for `-`."""
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()

    def read_json(self, path: str) -> Any:
        """The JSON in a file or on standard input; raises UsageError with the place that is wrong."""
        try:
            return parse_json(self.read(path))
        except JsonError as error:
            raise UsageError(self.word("not-json", path=path, problem=error.problem, where=error.where)) from error
        except OSError as error:
            raise UsageError(self.word("not-readable", path=path, cause=error.strerror or str(error))) from error
