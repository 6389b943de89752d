"""What a process is told to hang on, where no pair of daemons on one machine can show it: addresses, and an EDC's own words."""

from datetime import UTC, datetime, timedelta

import pytest

from connector.exchange import story
from connector.exchange.told import LANGUAGES, Around, in_words
from connector.store.audit import KeptRecord
from connector.store.story import Pending, Records
from contracts.machine import Role
from contracts.negotiation.model import Negotiation
from contracts.negotiation.table import State
from contracts.transfer.model import Transfer
from contracts.transfer.table import State as TransferState
from policies.decision import Decision, Outcome

NOW = datetime(2026, 11, 10, 1, 0, tzinfo=UTC)
WE, THEY = "did:web:s-zhengshu.example", "did:web:p-steel.example"
OUTSIDE, HERE = "https://steel.example/dsp/2025-1", "http://localhost:29194/protocol"


def around(callback=OUTSIDE):
    return Around(WE, callback, NOW, 86400, lambda _: {})


def negotiation(**members):
    return Negotiation(
        **{
            "pid": "urn:uuid:1",
            "role": Role.CONSUMER,
            "counterparty": THEY,
            "peer_pid": "urn:uuid:2",
            "address": OUTSIDE,
            "state": State.REQUESTED,
            "dataset": "coil-17",
            "offer": {},
            "offered_by": Role.CONSUMER,
            "updated": "2026-11-10T00:59:00.000000Z",
        }
        | members
    )


def transfer(**members):
    return Transfer(
        **{
            "pid": "urn:uuid:1",
            "role": Role.CONSUMER,
            "counterparty": THEY,
            "peer_pid": "urn:uuid:2",
            "address": OUTSIDE,
            "state": TransferState.REQUESTED,
            "agreement": "sha-256:1",
            "dataset": "coil-17",
            "format": "HttpData-PULL",
            "updated": "2026-11-10T00:59:00.000000Z",
        }
        | members
    )


def record(type_, actor=THEY, reason=None, **details):
    return KeptRecord(
        1, {"type": type_, "ts": "2026-11-10T00:59:00.000000Z", "actor": actor, "reason": reason}, details
    )


def pending(trigger, url, **members):
    values = {"attempts": 3, "since": NOW - timedelta(minutes=5), "next": NOW + timedelta(minutes=1), "problem": ""}
    return Pending(
        message="urn:uuid:m", process="urn:uuid:1", trigger=trigger, destination=THEY, url=url, **values | members
    )


def told(process, *records, waiting=(), callback=OUTSIDE):
    """The codes of the causes, and their sentences in both languages, every placeholder of which has its value."""
    found = story.tell(around(callback), story.kind_of(process), process, Records(records, 0), waiting)
    words = {lang: [in_words(each.sentence, each.facts, lang) for each in found.causes] for lang in LANGUAGES}
    assert "{" not in "".join(words["en"] + words["zh"])
    return [each.code for each in found.causes], words


@pytest.mark.parametrize("process", [negotiation(), transfer()], ids=["negotiation", "transfer"])
def test_a_callback_on_our_own_machine_is_named_while_a_partner_elsewhere_is_silent(process):
    codes, words = told(process, callback=HERE)
    assert codes[-1] == "callback-suspect"
    assert "points to your own machine" in words["en"][-1]
    assert HERE in words["zh"][-1]
    assert "callback-suspect" not in told(process)[0]


def test_on_one_machine_a_loopback_callback_is_as_good_as_any():
    assert told(negotiation(address="http://127.0.0.1:8282/dsp"), callback="http://127.0.0.1:9/dsp")[0] == [
        "waiting-answer"
    ]


def test_a_provider_sees_that_the_callback_it_was_given_leads_to_itself():
    lost = pending(
        "agreement",
        f"{HERE}/negotiations/1/agreement",
        problem="unreachable: url=http://localhost:29194, cause=refused",
    )
    process = negotiation(role=Role.PROVIDER, agreement="sha-256:1")
    codes, words = told(process, waiting=[lost])
    assert codes == ["unreachable", "callback-unreachable"]
    assert "http://localhost:29194, means this very machine" in words["en"][1]
    assert "refused" in words["zh"][0]


@pytest.mark.parametrize(
    "reason",
    ["No dataplane found", "No Endpoint generator function registered for transfer type destination 'HttpData'"],
)
def test_an_edc_without_a_data_plane_is_recognised_by_its_termination(reason):
    ended = transfer(state=TransferState.TERMINATED, code="ended-by-counterparty", reason=reason)
    codes, words = told(ended, record("transfer.terminated"))
    assert codes == ["terminated-there", "peer.no-data-plane"]
    assert "no data plane there can serve this kind of transfer" in words["en"][1]


def test_an_edc_that_finds_other_terms_in_our_agreement_is_understood():
    text = "Contract agreement received. Validation failed: Policy in the contract agreement is not equal to the one in the contract offer"
    refused = record("message.refused-by-counterparty", reason="400", trigger="agreement", status=400, text=text)
    ended = negotiation(role=Role.PROVIDER, state=State.TERMINATED, code="refused-by-counterparty", reason=text)
    codes, words = told(ended, refused, record("negotiation.terminated", actor=WE))
    assert codes == ["agreement-refused", "peer.terms-differ"]
    assert "is not, word for word, the one of the request" in words["en"][1]


def test_a_callback_that_the_partner_does_not_list_is_named_with_both_addresses():
    text = "not the listed one"
    refused = record(
        "message.refused-by-counterparty", reason="address-outside-list", trigger="request", status=400, text=text
    )
    ended = negotiation(state=State.TERMINATED, code="address-outside-list", reason=text, peer_pid="")
    codes, words = told(ended, refused, record("negotiation.terminated"), callback=HERE)
    assert codes == ["callback-refused"]
    assert HERE in words["en"][0]


def test_erased_details_leave_a_story_that_says_what_is_left():
    refused = KeptRecord(1, record("message.refused-by-counterparty", reason="400").record, None)
    codes, words = told(negotiation(state=State.TERMINATED, code="refused-by-counterparty"), refused)
    assert codes == ["refused-by-counterparty"]
    assert "400" in words["en"][0]


def test_records_without_a_word_of_their_own_stand_under_their_type():
    found = story.tell(around(), "negotiation", negotiation(), Records((record("seal.mended"),), 0), ())
    assert [(line.what, line.facts) for line in found.lines] == [("other", {"type": "seal.mended"})]


DENIAL = Decision(
    Outcome.DENY,
    "odrl:use",
    reason="counter-exhausted",
    left_operand="odrl:count",
    operator="lteq",
    expected="3",
    actual="4",
)


@pytest.mark.parametrize("decision", [DENIAL.to_dict(), None], ids=["kept", "erased"])
def test_a_running_transfer_says_that_the_last_delivery_was_refused_by_our_policy(decision):
    denied = record("policy.decision", reason="counter-exhausted", decision=decision)
    running = transfer(role=Role.PROVIDER, state=TransferState.STARTED)
    codes, words = told(running, record("transfer.started", actor=WE), denied)
    assert codes == ["refused-by-policy" if decision else "terminated-here", "running-provider"]
    assert ("At most 3 deliveries" in words["en"][0]) == (decision is not None)
    # A delivery that went through after it makes it history.
    assert told(running, denied, record("delivery.released", actor=WE))[0] == ["running-provider"]


def test_a_consumer_reads_why_its_delivery_failed_in_its_language():
    failed = record("delivery.failed", reason="counter-exhausted", text=DENIAL.sentence("en"), facts={})
    codes, words = told(transfer(state=TransferState.STARTED), failed)
    assert codes == ["delivery-failed", "running-consumer"]
    assert DENIAL.sentence("zh") in words["zh"][0]
    unknown = record("delivery.failed", reason="http-418", text="short and stout")
    assert "short and stout" in told(transfer(state=TransferState.STARTED), unknown)[1]["zh"][0]


def test_a_code_without_a_text_stands_for_itself():
    refused = record("message.refused", reason="no-such-code", type="TransferStartMessage")
    codes, words = told(transfer(), refused)
    assert codes == ["we-refused", "waiting-counterparty"]
    assert "no-such-code" in words["en"][0]


@pytest.mark.parametrize(
    ("process", "code"),
    [
        (negotiation(role=Role.PROVIDER, state=State.OFFERED), "waiting-person-there"),
        (negotiation(state=State.OFFERED), "waiting-person-here"),
        (negotiation(role=Role.PROVIDER, state=State.ACCEPTED), "waiting-person-here"),
        (negotiation(state=State.ACCEPTED), "waiting-counterparty"),
        (negotiation(role=Role.PROVIDER, state=State.AGREED, agreement="sha-256:1"), "waiting-counterparty"),
        (negotiation(state=State.VERIFIED, agreement="sha-256:1"), "waiting-counterparty"),
        (transfer(role=Role.PROVIDER), "waiting-start-here"),
        (transfer(state=TransferState.SUSPENDED, suspended_by="consumer", reason="lunch"), "suspended-here"),
        (transfer(state=TransferState.COMPLETED), "completed-consumer"),
        (transfer(role=Role.PROVIDER, state=TransferState.COMPLETED), "completed-provider"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whose_turn_it_is_follows_from_state_and_role(process, code):
    assert told(process)[0] == [code]


def test_a_refused_start_leaves_the_transfer_and_says_so():
    refused = record("message.refused-by-counterparty", reason="409", trigger="start", status=409, text="")
    codes, _ = told(transfer(role=Role.PROVIDER), refused)
    assert codes == ["refused-by-counterparty", "peer.not-in-state", "waiting-start-here"]


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        ("", "sending"),
        ("address-private: host=x", "not-sent"),
        ("HTTP 503", "peer-failing"),
        ("HTTP 401 token-x", "identity-refused"),
    ],
)
def test_a_message_that_waits_says_what_holds_it_up(problem, code):
    waiting = pending("verification", f"{OUTSIDE}/negotiations/2", attempts=1 if problem else 0, problem=problem)
    assert told(negotiation(state=State.AGREED), waiting=[waiting])[0][0] == code
