"""The table of commands: the help, the dispatcher, the tests and OPERATIONS.md read it. Importing it costs nothing.

A command is a function of `connector.cli.<module>`; the module is imported when the command is called. Help texts are sentences:
`cli.help.<command>`, and per parameter `cli.arg.<command>.<parameter>` or, where several commands share one, `cli.arg.<parameter>`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """`name` is what a person types, `place` is `module:function`, `prints` what `--json` prints (see OPERATIONS.md)."""

    name: str
    place: str
    prints: str

    @property
    def sentence(self) -> str:
        """Id of its line in the help."""
        return f"cli.help.{self.key}"

    @property
    def key(self) -> str:
        return self.name.replace(" ", "-")


# Sections of the help, in the order a newcomer needs them. `prints` names a model of `connector.client.models`, several of them
# (`[Dataset]` is `{"items": [...], "next": ...}`), or says what it is.
SECTIONS: dict[str, tuple[Command, ...]] = {
    "setup": (
        Command("init", "founding:init", "{directory, participant, member, management_key}"),
        Command("space init", "space:init", "{directory, space_key}"),
        Command("space add", "space:add", "[{participant, name, region}]"),
        Command("space remove", "space:remove", "{participant, members}"),
        Command("space sign", "space:sign", "{path, seq, expires, members}"),
        Command("serve", "serving:serve", "log lines"),
        Command("status", "looking:status", "Status"),
        Command("config", "looking:config", "[{name, value, source, description}]"),
        Command("keys add", "keys:add", "{key, label}"),
        Command("keys list", "keys:list_", "[{hash, label, created}]"),
        Command("members", "members:members", "[Member]"),
        Command("members reload", "members:reload", "{seq, expires, members}"),
    ),
    "provide": (
        Command("publish", "providing:publish", "Published, or Preview with --dry-run"),
        Command("withdraw", "providing:withdraw", "{id}"),
        Command("datasets", "providing:datasets", "[Published]"),
        Command("lineage", "lineage:show", "Lineage"),
    ),
    "find": (
        Command("find", "finding:find", "[Dataset]"),
        Command("catalog show", "finding:show", "[Dataset]"),
        Command("catalog check", "finding:check", "{valid, problems}"),
        Command("catalog export", "finding:export", "Turtle or JSON-LD"),
        Command("catalog refresh", "finding:refresh", "[Freshness]"),
        Command("offers", "finding:offers", "[Offer]"),
        Command("get", "getting:get", "Delivery with path, sha256 and trace"),
        Command("deliveries", "getting:deliveries", "[Delivery], one Delivery with an id"),
    ),
    "agree": (
        Command("negotiate", "negotiating:negotiate", "Negotiation"),
        Command(
            "negotiations",
            "negotiating:negotiations",
            "[Negotiation], one Negotiation (while open with difference) with an id",
        ),
        Command("accept", "negotiating:accept", "Negotiation"),
        Command("counter", "negotiating:counter", "Negotiation"),
        Command("agree", "negotiating:agree", "Negotiation"),
        Command("terminate", "negotiating:terminate", "Negotiation"),
        Command("approvals", "approving:approvals", "[Negotiation] with subject"),
        Command("approve", "approving:approve", "Negotiation"),
        Command("reject", "approving:reject", "Negotiation"),
        Command("agreements", "negotiating:agreements", "[Agreement], one Agreement with an id"),
        Command("terms check", "terms:check", "[{file, digest, canonical, valid, problems}]"),
        Command("terms explain", "terms:explain", "{digest, id, model, sentences}"),
        Command(
            "terms simulate", "terms:simulate", "[{period, volume, days, lines, total}], a BundleStatement of a bundle"
        ),
    ),
    "transfer": (
        Command("transfers", "transferring:transfers", "[Transfer], one Transfer with an id"),
        Command("transfer start", "transferring:start", "Transfer"),
        Command("transfer suspend", "transferring:suspend", "Transfer"),
        Command("transfer resume", "transferring:resume", "Transfer"),
        Command("transfer complete", "transferring:complete_", "Transfer"),
        Command("transfer terminate", "transferring:terminate", "Transfer"),
    ),
    "control": (
        Command("stop", "controlling:stop", "{participant, transfers}"),
        Command("resume", "controlling:resume", "{participant, still}"),
        Command("breach", "controlling:breach", "{agreement, remedies}"),
        Command("release", "controlling:release", "{agreement}"),
        Command("duties", "controlling:duties", "[{action, debtor, creditor, deadline, state, ...}]"),
    ),
    "look": (
        Command("show", "showing:show", "Story"),
        Command("doctor", "doctoring:doctor", "[Check]; exit code 1 when one failed"),
    ),
    "settle": (
        Command("bundle sign", "settling:sign", "Bundle"),
        Command("bundle list", "settling:list_", "[Bundle]"),
        Command("bundle show", "settling:show", "Bundle"),
        Command("ledger import", "booking:import_", "{digest, period, rows, added, known}"),
        Command("ledger list", "booking:list_", "[{digest, period, path, rows, at, holders}]"),
        Command("state", "booking:state", "[{terms, ref, name, value, at}]"),
        Command("statement", "settling:statement", "Settlement, or CSV with --csv"),
        Command("statement close", "settling:close", "Settlement"),
    ),
    "prove": (
        Command("policy explain", "policy:explain", "{digest, sentences, enforcement}"),
        Command("policy test", "policy:dry_run", "DryRun"),
        Command("audit search", "audit:search", "[AuditRecord]"),
        Command("audit show", "audit:show", "AuditRecord"),
        Command("audit export", "audit:export", "JSON lines of the log"),
        Command("audit verify", "verifying:verify", "[{file, participant, key, entries, valid, problems}]"),
        Command("events", "events:events", "Event, one per line"),
        Command("db tables", "database:tables", "[{table, rows}]"),
        Command("db rows", "database:rows", "rows of one table"),
        Command("db export", "database:export", "rows of one table, one per line"),
        Command("db sql", "database:sql", "rows of the answer"),
    ),
    "try": (
        Command("demo", "playing:demo", "the story as it is told; report.json has the checks"),
        Command("scenario run", "playing:run", "the story as it is told; report.json has the checks"),
        Command("scenario check", "playing:check", "{valid, problems}"),
    ),
}
COMMANDS: dict[str, Command] = {command.name: command for section in SECTIONS.values() for command in section}


@dataclass(frozen=True, slots=True)
class Common:
    """An option that every command takes, before or after its name."""

    name: str
    flags: tuple[str, ...]
    value: str = ""


COMMON: tuple[Common, ...] = (
    Common("dir", ("-C", "--dir"), "DIR"),
    Common("json", ("--json",)),
    Common("jsonl", ("--jsonl",)),
    Common("lang", ("--lang",), "en|zh"),
    Common("utc", ("--utc",)),
    Common("debug", ("--debug",)),
    Common("help", ("-h", "--help")),
)


def find(words: list[str]) -> tuple[Command | None, int]:
    """The command that a line begins with, and how many of its words name it."""
    for length in (2, 1):
        command = COMMANDS.get(" ".join(words[:length]))
        if command is not None and len(words) >= length:
            return command, length
    return None, 0


def group(word: str) -> tuple[Command, ...]:
    """The commands whose first word this is, when it is no command by itself."""
    return tuple(command for command in COMMANDS.values() if command.name.startswith(f"{word} "))
