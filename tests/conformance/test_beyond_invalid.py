"""Every payload that the specification's own tests refuse, posted where it belongs: 400, the member by name, no change, no fault."""

import json
from itertools import product

import pytest
from jsonschema import ValidationError

from connector.store import negotiation as negotiations
from connector.store import transfer as transfers
from tests.conformance.bodies import fresh
from tests.conformance.driven import ERRORS, driven
from tests.conformance.reading import schema_of
from tests.dspschema import validate
from tests.shared import shared

FOLDER = "data/dsp/invalid"
# A valid DataAddress, as its note says: the specification's test tries it against another schema.
VALID = "transfer/data-address_no-endpoint.json"
# What stands in a file's name, as the member it is about.
MEMBERS = {
    "callback": "callbackAddress",
    "no-callback-no-consumer-pid": "callbackAddress",
    "consumer-id": "consumerPid",
    "provider-id": "providerPid",
    "context": "@context",
    "type": "@type",
    "id": "@id",
    "event-type": "eventType",
    "unknown-event-type": "eventType",
    "agreement-id": "agreementId",
    "da-endpoint-type": "endpointType",
    "da-type": "@type",
    "endpoint-type": "endpointType",
    "action": "action",
    "left-operand": "leftOperand",
    "operator": "operator",
    "right-operand": "rightOperand",
    "just-id": "offer",
    "rules": "permission",
    "logical-content-nesting": "constraint",
    "multiplicity-constraint": "constraint",
}
PROVIDING = ("ContractRequest", "ContractAgreementVerification", "TransferRequest")


def payloads(*folders):
    """The invalid payloads of these folders, by path: the document, and the members that are wrong."""
    found = {}
    for case in json.loads(shared(f"{FOLDER}/manifest.json").read_text(encoding="utf-8"))["cases"]:
        name = case["file"]
        if name.startswith(folders) and name != VALID:
            listed = {one.get("property", one["at"].rpartition("/")[2]) for one in case["violations"]}
            document = json.loads(shared(f"{FOLDER}/{name}").read_text(encoding="utf-8"))
            found[name] = document, (listed | {member(name)}) - {""}
    return found


def kind(name):
    return name.partition("/")[2].partition("_")[0]


def member(name):
    """The member that is wrong in a payload, by the name of its file."""
    fault = name.partition("_")[2].removesuffix(".json")
    return MEMBERS.get(fault) or MEMBERS.get(fault.removeprefix("no-")) or fault.removeprefix("no-")


ANSWERS = {"contract-negotiation", "contract-negotiation-error", "transfer-process", "transfer-error"}
PLACES = {
    "agreement": ("asking", "agreement"),
    "policy": ("none", "negotiations/request"),
    "contract-agreement-message": ("asking", "agreement"),
    "contract-agreement-verification-message": ("agreed", "agreement/verification"),
    "contract-negotiation-event-message": ("offered", "events"),
    "contract-negotiation-termination-message": ("offered", "termination"),
    "contract-offer-message": ("asking", "offers"),
    "contract-request-message": ("none", "negotiations/request"),
    "data-address": ("waiting", "start"),
    "transfer-completion-message": ("started", "completion"),
    "transfer-request-message": ("none", "transfers/request"),
    "transfer-start-message": ("waiting", "start"),
    "transfer-suspension-message": ("started", "suspension"),
    "transfer-termination-message": ("started", "termination"),
}


async def processes(weft):
    """One process for each kind of payload, in the state in which a valid one would be taken."""
    return {
        "asking": await weft.drive(
            "CN_C",
            "expect request, webhook negotiation, wait REQUESTED",
            dataset="ACNC0201",
            offer="offerACNC0201",
        ),
        "agreed": await weft.drive(
            "CN", "expect agreement, send request, wait AGREED", dataset="ACN0203", offer="CD123:ACN0203:456"
        ),
        "offered": await weft.drive(
            "CN", "expect offer, send request, wait OFFERED", dataset="ACN0204", offer="CD123:ACN0204:456"
        ),
        "waiting": await weft.drive("TP_C", "expect request, webhook transfer, wait REQUESTED", agreement="ATPC0301"),
        "started": await weft.drive("TP", "expect start, send request, wait STARTED", agreement="ATP0201"),
    }


def said(weft, known, name, document):
    """Address and body for a payload: a part of a message stands in a message that is right, and pids are those of the process."""
    process, place = PLACES[kind(name)]
    if kind(name) == "policy":
        body = weft.words(known["offered"], "request") | {"consumerPid": fresh()}
        ours = {"@id": "CD123:ACN0202:456", "target": "ACN0202"}
        return f"{weft.under_test.dsp}/{place}", body | {
            "offer": document | {k: ours[k] for k in ours if k in document}
        }
    if process == "none":
        # Our own address, so that the payload has no other fault than its own.
        mended = {"callbackAddress": weft.callbacks.address} if "callbackAddress" in document else {}
        return f"{weft.under_test.dsp}/{place}", document | mended
    target = known[process]
    folder = "negotiations" if target.negotiates else "transfers"
    url = f"{target.base}/{folder}/{target.peer_pid}/{place}"
    if kind(name) == "agreement":
        return url, weft.words(target, "agreement") | {"agreement": document}
    if kind(name) == "data-address":
        return url, weft.words(target, "start") | {"dataAddress": document}
    return url, document | {pid: value for pid, value in target.facts.pids.items() if pid in document}


async def pictured(weft, known):
    """Everything that a wrong message could have changed."""
    states = {name: await weft.state(process) for name, process in known.items()}
    database = weft.under_test.daemon.node.db
    counts = [len(await database.read(table.page)) for table in (negotiations, transfers)]
    return states, counts


@pytest.mark.slow
async def test_every_invalid_message_is_refused_by_the_member_and_changes_nothing(tmp_path):
    """What is posted at a process in the state for it, and is wrong, is 400; the error is valid and names a member that is wrong."""
    wrong = {}
    async with driven(tmp_path) as weft:
        known = await processes(weft)
        before = await pictured(weft, known)
        for name, (document, members) in payloads("negotiation/", "transfer/").items():
            if kind(name) in ANSWERS:
                continue
            url, body = said(weft, known, name, document)
            status, answer = await weft.post(url, body)
            after = await pictured(weft, known)
            if status != 400 or after != before or not any(member in answer["reason"][0] for member in members):
                wrong[name] = status, answer.get("reason"), "changed" if after != before else ""
            else:
                validate(answer, ERRORS["/transfers/" not in url])
            before = after
    assert wrong == {}


# The messages that a state takes, and the members that each must have, as paths.
PIDS = [("providerPid",), ("consumerPid",)]
RULED = [("@id",), ("@type",), ("target",), ("permission",), ("permission", 0), ("permission", 0, "action")]
REQUIRED = {
    ("asking", "offer"): [*PIDS, ("offer",), *[("offer", *path) for path in RULED]],
    ("asking", "agreement"): [
        *PIDS,
        ("agreement",),
        *[("agreement", *path) for path in [*RULED, ("assigner",), ("assignee",), ("timestamp",)]],
    ],
    ("asking", "termination"): PIDS,
    ("offered", "accepted"): [*PIDS, ("eventType",)],
    ("offered", "counter-request"): [*PIDS, ("offer",), *[("offer", *path) for path in RULED]],
    ("offered", "termination"): PIDS,
    ("agreed", "verification"): PIDS,
    ("waiting", "start"): [*PIDS, ("dataAddress", "@type"), ("dataAddress", "endpointType")],
    ("waiting", "termination"): PIDS,
    ("started", "completion"): PIDS,
    ("started", "suspension"): PIDS,
    ("started", "termination"): PIDS,
    ("offered", "request"): [("consumerPid",), ("callbackAddress",), ("offer",), *[("offer", *path) for path in RULED]],
    ("started", "request"): [("consumerPid",), ("agreementId",), ("format",), ("callbackAddress",)],
}
OTHERWISE = (None, 7, True, "", [], {}, ["x"], {"@id": "x"})


def with_member(document, path, value):
    """The document with another value at a path."""
    if not path:
        return value
    changed = list(document) if isinstance(document, list) else dict(document)
    changed[path[0]] = with_member(document[path[0]], path[1:], value)
    return changed


def is_valid(body, schema):
    """Whether the official schema takes a message."""
    try:
        validate(body, schema)
    except ValidationError:
        return False
    return True


@pytest.mark.slow
async def test_a_required_member_of_another_kind_is_refused(tmp_path):
    """Null, number, truth value, text, array, object in place of a required member: 400 wherever the schema refuses it, no change."""
    wrong, sent = [], 0
    async with driven(tmp_path) as weft:
        known = await processes(weft)
        before = await pictured(weft, known)
        for (process, message), paths in REQUIRED.items():
            right = weft.words(known[process], message)
            url, schema = weft.place(known[process], message), schema_of(right["@type"])
            for path, value in product([("@context",), ("@context", 0), ("@type",), *paths], OTHERWISE):
                body = with_member(right, path, value) | {"@id": fresh()}
                if message == "request" and path != ("consumerPid",):
                    body["consumerPid"] = fresh()
                if is_valid(body, schema):
                    continue
                status, answer = await weft.post(url, body)
                if status == 400:
                    validate(answer, ERRORS[known[process].negotiates])
                else:
                    wrong.append((process, message, path, value, status))
                sent += 1
        assert wrong == []
        assert await pictured(weft, known) == before
    assert sent > 500
