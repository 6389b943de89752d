"""Partners by name: a participant id, the first part of its host, or its name in either language."""

from connector.cli.exits import UsageError
from connector.cli.words import say
from connector.client import Client
from connector.client.models import Member


async def partner(client: Client, typed: str, lang: str) -> str:
    """The participant id that a person means; raises UsageError when nobody or several are called so."""
    if typed.startswith("did:"):
        return typed
    members = await client.members().all()
    exact = [member for member in members if typed.casefold() in _names(member)]
    found = exact or [member for member in members if any(typed.casefold() in name for name in _names(member))]
    if len(found) == 1:
        return found[0].participant
    if not found:
        raise UsageError(say("partner-unknown", lang, typed=typed))
    raise UsageError(
        say("partner-ambiguous", lang, typed=typed, candidates=", ".join(member.participant for member in found))
    )


def _names(member: Member) -> set[str]:
    host = member.participant.rsplit(":", 1)[-1]
    return {name.casefold() for name in (*member.name.values(), host, host.split(".", 1)[0], member.participant)}
