"""Instants as people type them: RFC 3339, or a date or time of day in their own zone."""

from datetime import datetime

from connector.cli.exits import UsageError
from connector.cli.shell import Shell


def moment(typed: str, shell: Shell) -> datetime:
    """The instant; a text without an offset is in the zone of this machine. Raises UsageError."""
    try:
        parsed = datetime.fromisoformat(typed)
    except ValueError as error:
        raise UsageError(shell.word("usage.moment", typed=typed)) from error
    return parsed if parsed.tzinfo is not None else parsed.astimezone()
