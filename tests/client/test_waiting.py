"""Waiting: what is wanted is seen even when overtaken, what ended otherwise is said at once, time is not waited out."""

import asyncio

import pytest
from aiohttp import web

from connector.client import errors
from connector.client.waiting import Goal
from contracts.negotiation import table as negotiation
from contracts.transfer import table as transfer
from tests.client.stub import stubbed
from tests.client.test_session import NEGOTIATION


def goal(until):
    return Goal(negotiation.MACHINE, negotiation.State, until)


@pytest.mark.parametrize(
    ("until", "state", "reached", "missed"),
    [
        ("FINALIZED", None, False, False),
        ("FINALIZED", "REQUESTED", False, False),
        ("FINALIZED", "FINALIZED", True, False),
        ("FINALIZED", "TERMINATED", False, True),
        ("AGREED", "FINALIZED", True, False),
        ("AGREED", "VERIFIED", True, False),
        ("AGREED", "TERMINATED", False, True),
        ("OFFERED", "REQUESTED", False, False),
        ("REQUESTED", "OFFERED", False, False),
        ({"FINALIZED", "OFFERED"}, "AGREED", False, False),
        ({"FINALIZED", "OFFERED"}, "OFFERED", True, False),
        ("TERMINATED", "TERMINATED", True, False),
        ("TERMINATED", "FINALIZED", False, True),
        ("FINALIZED", "A-NEW-STATE", False, False),
    ],
)
def test_reached_and_missed(until, state, reached, missed):
    assert (goal(until).reached(state), goal(until).missed(state)) == (reached, missed)


def test_a_started_transfer_that_is_completed_was_started():
    wanted = Goal(transfer.MACHINE, transfer.State, "STARTED")
    assert wanted.reached("COMPLETED")
    assert not wanted.reached("SUSPENDED")


def test_no_such_state():
    with pytest.raises(ValueError, match="DONE"):
        goal("DONE")


def told(*states, then_close=False, **more):
    """A stream that tells these states one after another and then stays silent, or ends."""

    async def stream(request):
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for state in states:
            body = web.json_response({**NEGOTIATION, "state": state, "waiting_for": "counterparty", **more}).text
            await answer.write(f"event: negotiation.state\ndata: {body}\n\n".encode())
        if not then_close:
            await asyncio.sleep(1)
        return answer

    return stream


async def waited(*states, until="FINALIZED", timeout_s=5, **more):
    async with stubbed() as (stub, client):
        stub.answers["GET", "/v1/negotiations/urn:n"] = NEGOTIATION
        stub.answers["GET", "/v1/events"] = told(*states, **more)
        return await (await client.negotiation("urn:n")).wait(until, timeout_s=timeout_s)


async def test_the_state_that_was_waited_for_is_returned():
    done = await waited("REQUESTED", "AGREED", "FINALIZED", agreement="sha-256:a")
    assert (done.state, done.agreement) == ("FINALIZED", "sha-256:a")


async def test_an_end_that_was_not_asked_for_is_said_at_once_with_who_and_why():
    with pytest.raises(errors.NegotiationTerminatedError, match=r"did:web:b.*no capacity") as caught:
        await waited("REQUESTED", "TERMINATED", code="not-now", reason="no capacity")
    assert (caught.value.peer_code, caught.value.by_policy) == ("not-now", False)
    with pytest.raises(errors.NegotiationTerminatedError) as caught:
        await waited("TERMINATED", code="outside-validity", reason="too late")
    assert caught.value.by_policy


async def test_after_the_time_is_up_the_last_state_and_whose_turn_it_is_are_said():
    with pytest.raises(errors.StillWaitingError, match=r"still REQUESTED.*counterparty") as caught:
        await waited("REQUESTED", timeout_s=0.2)
    assert caught.value.retryable


async def test_a_stream_that_ends_is_begun_anew():
    async with stubbed() as (stub, client):
        stub.answers["GET", "/v1/negotiations/urn:n"] = NEGOTIATION

        def stream(request):
            last = len([each for each in stub.requests if each[1].startswith("/v1/events")])
            return told("REQUESTED" if last == 1 else "FINALIZED", then_close=True)(request)

        stub.answers["GET", "/v1/events"] = stream
        done = await (await client.negotiation("urn:n")).wait(timeout_s=5)
    assert done.state == "FINALIZED"


async def test_cancelling_the_task_cancels_the_waiting_only():
    async with stubbed() as (stub, client):
        stub.answers["GET", "/v1/negotiations/urn:n"] = NEGOTIATION
        stub.answers["GET", "/v1/events"] = told("REQUESTED")
        task = asyncio.create_task((await client.negotiation("urn:n")).wait())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [method for method, _, _, _ in stub.requests if method != "GET"] == []
