"""What the answers of a partner say about it: its address, its clock, its identity check, its versions and its catalog."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from connector.dispatch import probes
from connector.dispatch.asked import Asked, Heard
from connector.dispatch.finding import Finding, skipped, texts
from connector.dispatch.transport import Answer
from connector.dispatch.verdict import refusal_in
from connector.errors import UnreachableError, WeftError
from connector.exchange.process import object_in
from connector.exchange.translations import read_back

CERTIFICATE_SOON_DAYS = 14
# A second of the Date header, and what a request may take.
_COARSE_S = 1.0
_CLOCK = frozenset({"token-not-yet", "token-expired"})


async def name(asked: Asked) -> Finding:
    """Whether its host leads somewhere that we may connect to."""
    seen = await asked.looked_up()
    if seen.addresses:
        return Finding("name", "ok", seen.code, facts=seen.facts)
    return Finding("name", "fail", seen.code, "partner" if seen.code == "unknown" else "us", seen.facts)


async def connection(asked: Asked) -> Finding:
    """Whether something listens there; under https also whether its certificate holds, and for how long."""
    seen = await asked.connected()
    if seen is None:
        return skipped("connection", "name")
    if seen.code == "plain":
        here = probes.is_here(seen.addresses[0])
        return Finding("connection", "ok" if here else "warn", seen.code, "partner", seen.facts)
    if seen.code == "tls":
        soon = seen.facts["days"] < CERTIFICATE_SOON_DAYS
        return Finding("connection", "warn" if soon else "ok", "tls-soon" if soon else "tls", "partner", seen.facts)
    return Finding("connection", "fail", seen.code, "partner", seen.facts)


async def clock(asked: Asked) -> Finding:
    """Whether our clocks agree: by a refusal that names a time, else by the Date of an answer, which has whole seconds."""
    heard, leeway = await asked.asked_catalog(), asked.node.settings.clock_leeway_s
    refused = _refusal(heard)
    if refused is not None and refused[0] in _CLOCK:
        said = read_back(*refused)
        return Finding("clock", "fail", refused[0], "both", dict(said.facts) if said else {})
    for each in (heard, await asked.asked_weft()):
        if each is None or each.answer is None:
            continue
        theirs = _date(each.answer)
        if theirs is None:
            continue
        middle = each.sent + (each.came - each.sent) / 2
        off_s = (theirs - middle).total_seconds() + _COARSE_S / 2
        slack = _COARSE_S / 2 + (each.came - each.sent).total_seconds() / 2
        facts = {"seconds": abs(round(off_s)), "leeway": round(leeway, 1)}
        if abs(off_s) <= max(leeway / 2, _COARSE_S) + slack:
            return Finding("clock", "ok", "agrees", facts=facts)
        code = "ahead" if off_s > 0 else "behind"
        return Finding("clock", "fail" if abs(off_s) > leeway + slack else "warn", code, "both", facts)
    return skipped("clock", "connection") if heard is None else Finding("clock", "warn", "unknown")


async def identity(asked: Asked) -> Finding:
    """Whether it accepts us: a catalog request is a read that changes nothing."""
    heard = await asked.asked_catalog()
    if heard is None:
        return skipped("identity", "connection")
    if heard.answer is None:
        return Finding("identity", "fail", "no-answer", "partner", problem(heard))
    status = heard.answer.status
    code, text = refusal_in(status, heard.answer.body)
    facts = {"status": status, "code": code, "text": text or "-"}
    match status:
        case HTTPStatus.OK:
            return Finding("identity", "ok", "accepted")
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN if code in _CLOCK:
            return Finding("identity", "fail", "clock", "both", facts)
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return Finding("identity", "fail", "refused", "partner", facts)
        case HTTPStatus.NOT_FOUND | HTTPStatus.METHOD_NOT_ALLOWED:
            return Finding("identity", "fail", "no-protocol", "partner", facts)
        case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
            return Finding("identity", "warn", "busy", "partner", facts)
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Finding("identity", "fail", "failed", "partner", facts)
        case _:
            return Finding("identity", "fail", "other", "partner", facts)


async def versions(asked: Asked) -> Finding:
    """Whether it speaks our version of the protocol, and where."""
    if not await asked.reached():
        return skipped("versions", "connection")
    try:
        found = await asked.discovered()
    except UnreachableError as error:
        # Peers without a document are known, and spoken to as the list says.
        missing = error.code == "versions-missing"
        code = "missing" if missing else "no-answer"
        return Finding("versions", "warn" if missing else "fail", code, "partner", texts(error.facts))
    except WeftError as error:
        code = "unsupported" if error.code == "version-unsupported" else "unreadable"
        return Finding("versions", "fail", code, "partner", texts(error.facts))
    facts = {"version": found.chosen.version, "base": found.base, "listed": found.listed}
    if not found.agrees:
        return Finding("versions", "warn", "elsewhere", "authority", facts)
    return Finding("versions", "ok", "common", facts=facts)


async def extensions(asked: Asked) -> Finding:
    """What it speaks beside the protocol."""
    heard = await asked.asked_weft()
    if heard is None:
        return skipped("extensions", "connection")
    if heard.answer is None:
        return Finding("extensions", "warn", "no-answer", "partner", problem(heard))
    document = object_in(heard.answer.body) if heard.answer.status == HTTPStatus.OK else {}
    listed = document.get("extensions")
    if document.get("name") != "weft" or not isinstance(listed, dict):
        return Finding("extensions", "ok", "none")
    return Finding("extensions", "ok", "weft", facts={"extensions": ", ".join(sorted(map(str, listed)))})


async def catalog(asked: Asked) -> Finding:
    """Whether its catalog can be read, and how much of it the first page shows us."""
    heard = await asked.asked_catalog()
    if heard is None or heard.answer is None or heard.answer.status != HTTPStatus.OK:
        return skipped("catalog", "connection" if heard is None else "identity")
    document = object_in(heard.answer.body)
    found = document.get("dataset", [])
    number = len(found) if isinstance(found, list) else 1
    facts = {"datasets": number, "participant": str(document.get("participantId", "-"))[:255]}
    if not document:
        return Finding("catalog", "fail", "unreadable", "partner", facts)
    if document.get("participantId") not in (None, asked.participant):
        return Finding("catalog", "warn", "another", "partner", facts)
    if not number and not document.get("catalog"):
        return Finding("catalog", "warn", "empty", "partner", facts)
    more = 'rel="next"' in heard.answer.headers.get("link", "")
    return Finding("catalog", "ok", "more" if more else "read", facts=facts)


def _refusal(heard: Heard | None) -> tuple[str, str] | None:
    if heard is None or heard.answer is None or heard.answer.status < HTTPStatus.BAD_REQUEST:
        return None
    return refusal_in(heard.answer.status, heard.answer.body)


def problem(heard: Heard) -> dict[str, str]:
    """Why there is no answer."""
    error = heard.problem
    facts = error.facts if error is not None else {}
    return {"problem": str(facts.get("cause") or (error.code if error is not None else "-"))}


def _date(answer: Answer) -> datetime | None:
    """The Date of an answer (RFC 9110, 6.6.1); None when it has none that can be read."""
    try:
        found = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)
