"""The double of the conformance kit: lets the smallest right connector pass, and fails every way of being wrong at its place."""

import asyncio
import subprocess
import sys
from itertools import chain
from pathlib import Path

import aiohttp
import pytest

from tests.conformance.callbacks import Callbacks
from tests.conformance.client import FailedError
from tests.conformance.connector import connector_under_test
from tests.conformance.double import Outcome, chosen, play, report, scenarios
from tests.conformance.spoilt import WRONG, Busy, Down, TooBusy
from tests.conformance.stub import Stub
from tests.pair import free_ports

GROUPS = ("MET", "CAT", "CN", "CN_C", "TP", "TP_C")
SOON_S = 0.8
"""How long a wait lasts where something is not going to come."""


async def outcomes(stub_class, *only, wait_s=15, **policies):
    """What the double says about a stub, some of whose policies are others."""
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    stub = stub_class(scenarios())
    stub.policies.update(policies)
    async with stub:
        return await play(stub, scenarios(), only, kit_address=address, wait_s=wait_s)


def failures(found):
    return {outcome.id: outcome.reason for outcome in found if not outcome.passed}


async def test_what_is_played_is_what_the_kit_plays():
    """65 of the 67 scenarios are played, in the kit's order; the two that the kit has disabled only when they are named."""
    everything = [item["id"] for item in scenarios()]
    played = [item["id"] for item in chosen(scenarios())]
    assert (len(everything), len(set(played))) == (67, 65)
    assert set(everything) - set(played) == {"TP:02-04", "TP_C:02-04"}
    assert [item["id"] for item in chosen(scenarios(), ["TP:02-04", "MET"])] == ["MET:01-01", "TP:02-04"]
    assert "TP:02-04" not in {item["id"] for item in chosen(scenarios(), ["TP"])}
    with pytest.raises(ValueError, match="CN:09-09"):
        chosen(scenarios(), ["CN:09-09", "TP"])


def test_the_report_names_what_failed_and_counts():
    """A line for each failure with its reason, then the count."""
    told = report([Outcome("A:1", passed=True, reason=""), Outcome("A:2", passed=False, reason="too late")])
    assert told == ["FAILED A:2: too late", "1 passed, 1 failed"]


@pytest.mark.slow
def test_the_command_plays_what_is_named():
    """The command line ends with the count and exit status 0; a name that nobody knows is status 2 and says which."""

    def run(*names):
        command = [sys.executable, "-m", "tests.conformance.double", *names]
        return subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)

    done = run("MET", "CAT:01-02")
    assert (done.returncode, done.stdout) == (0, "2 passed, 0 failed\n"), done.stderr
    unknown = run("CN:77-77")
    assert (unknown.returncode, unknown.stderr) == (2, "no such test or group: CN:77-77\n")


@pytest.mark.slow
async def test_the_smallest_right_connector_passes_every_test():
    """A connector that only follows the table of policies passes all enabled tests."""
    found = await asyncio.gather(*[outcomes(Stub, name) for name in GROUPS])
    assert failures(chain(*found)) == {}
    assert sorted(outcome.id for outcome in chain(*found)) == sorted(item["id"] for item in chosen(scenarios()))


@pytest.mark.slow
async def test_weft_passes_every_test(tmp_path):
    """Weft, with the reactions of the table of policies, passes all 65; one connector and one kit for each group, side by side."""

    async def played(name):
        address = f"http://127.0.0.1:{free_ports(1)[0]}"
        async with connector_under_test(tmp_path / name, kit_address=address) as under_test:
            return await play(under_test, scenarios(), [name], kit_address=address)

    found = await asyncio.gather(*[played(name) for name in GROUPS])
    assert failures(chain(*found)) == {}
    assert sorted(outcome.id for outcome in chain(*found)) == sorted(item["id"] for item in chosen(scenarios()))


@pytest.mark.slow
async def test_the_two_disabled_tests_can_be_played():
    """Suspend and resume without a data address, which the kit leaves out, work with a connector that bears them."""
    assert failures(await outcomes(Stub, "TP:02-04", "TP_C:02-04")) == {}


# -- one thing is wrong, and its test fails ------------------------------------------------------------------------------

OTHER_POLICIES = {
    "CN:01-01": ({"ACN0101": {}}, "no offer"),
    "CN:01-02": ({"ACN0102": {"REQUESTED": ["offer"]}}, "no termination"),
    "CN:01-03": ({"ACN0103": {"REQUESTED": ["agree"]}}, "no offer"),
    "CN:03-01": ({"ACN0301": {"REQUESTED": ["agree"]}}, "no finalized"),
    "CN_C:01-02": ({"ACNC0102": {"OFFERED": ["accept"]}}, "no counter-request"),
    "CN_C:01-04": ({"ACNC0104": {}}, "no verification"),
    "TP:01-01": ({"ATP0101": {"REQUESTED": ["start"], "STARTED": ["complete"]}}, "no termination"),
    "TP_C:02-03": ({"ATPC0203": {"STARTED": ["terminate"]}}, "no suspension"),
}


@pytest.mark.slow
async def test_a_wrong_action_fails_its_test_and_no_other():
    """One wrong action in the table fails the one test of its data set, and the reason names the missing message."""
    policies = {name: policy for named, _ in OTHER_POLICIES.values() for name, policy in named.items()}
    beside = ("CN:02-02", "CN_C:02-01", "TP:02-05", "TP_C:01-01")
    names = [*OTHER_POLICIES, *beside]
    played = [outcomes(Stub, *names[start::4], wait_s=SOON_S, **policies) for start in range(4)]
    found = failures(chain(*await asyncio.gather(*played)))
    assert set(found) == set(OTHER_POLICIES)
    for test, (_, missing) in OTHER_POLICIES.items():
        assert missing in found[test]


@pytest.mark.slow
async def test_weft_with_another_reaction_fails_that_test(tmp_path):
    """The double sees through to the product: without the reaction in its table, Weft fails the one test."""
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    async with connector_under_test(tmp_path, kit_address=address) as under_test:
        under_test.daemon.node.reactions._table["ACN0201"] = {}
        found = await play(under_test, scenarios(), ["CN:02-01", "CN:02-02"], kit_address=address, wait_s=1)
    assert list(failures(found)) == ["CN:02-01"]


@pytest.mark.slow
async def test_a_wrong_behaviour_fails_the_tests_that_are_about_it():
    """Each way of being wrong fails the tests that look at it, with a reason that says what, and no other."""
    played = [outcomes(wrong, *failing, *passing, wait_s=SOON_S) for wrong, (failing, passing, _) in WRONG.items()]
    found = dict(zip(WRONG, map(failures, await asyncio.gather(*played)), strict=True))
    assert {wrong: set(reasons) for wrong, reasons in found.items()} == {
        wrong: case[0] for wrong, case in WRONG.items()
    }
    unsaid = {
        wrong: found[wrong]
        for wrong, (*_, said) in WRONG.items()
        if not all(said in text for text in found[wrong].values())
    }
    assert unsaid == {}


@pytest.mark.slow
async def test_a_refusal_is_tried_again_twice_and_an_error_is_not():
    """The identical message comes again after a 4xx, twice and no more; after 503 it does not come again."""
    assert failures(await outcomes(Busy, "TP:02-05")) == {}
    for wrong, status in ((TooBusy, 409), (Down, 503)):
        found = failures(await outcomes(wrong, "TP:02-05"))
        assert f"answered with {status}" in found["TP:02-05"]


# -- how the kit is called -----------------------------------------------------------------------------------------------


def taking(body):
    if body == b"bad":
        raise FailedError("a bad message")
    return 200, {"taken": True} if body else None


@pytest.fixture
async def server():
    async with (
        Callbacks(f"http://127.0.0.1:{free_ports(1)[0]}") as callbacks,
        aiohttp.ClientSession(callbacks.address) as session,
    ):
        yield callbacks, session


async def test_a_handler_serves_once_at_its_path(server):
    """A path has a handler only after it was registered; it serves one message, whatever the pid, with a slash or without."""
    callbacks, session = server
    path = "/negotiations/{pid}/request"
    statuses = []
    for place in ("/negotiations/1/request", "/negotiations/2/request/", "/negotiations/request"):
        callbacks.register(path, taking, stays=False)
        for _ in range(2):
            async with session.post(place, data=b"x") as answer:
                statuses.append(answer.status)
                text = await answer.text()
    assert statuses == [200, 404, 200, 404, 404, 404]
    assert text == "No handler registered on this endpoint"
    assert "3 times" not in "".join(callbacks.told())


async def test_some_handlers_stay_until_the_test_ends(server):
    """A handler that stays serves every message until everything is cleared."""
    callbacks, session = server
    callbacks.register("/negotiations/{pid}/offers", taking, stays=True)
    statuses = []
    for clear in (False, True, False):
        async with session.post("/negotiations/1/offers", data=b"x") as answer:
            statuses.append(answer.status)
        if clear:
            callbacks.clear()
    assert statuses == [200, 200, 404]


@pytest.mark.parametrize(("body", "expected"), [(b"x", b'{"taken": true}'), (b"", b"")])
async def test_no_answer_says_what_it_is(server, body, expected):
    """Answers have no Content-Type, and some have no body."""
    callbacks, session = server
    callbacks.register("/transfers/request", taking, stays=False)
    async with session.post("/transfers/request", data=body) as answer:
        assert (answer.status, await answer.read()) == (200, expected)
        assert "Content-Type" not in answer.headers


async def test_a_message_that_the_kit_cannot_take_gets_no_answer(server):
    """The connection is dropped, and the handler is used up: the next message finds none."""
    callbacks, session = server
    callbacks.register("/transfers/request", taking, stays=False)
    with pytest.raises(aiohttp.ClientError):
        await session.post("/transfers/request", data=b"bad")
    async with session.post("/transfers/request", data=b"x") as answer:
        assert answer.status == 404
    assert callbacks.told()[0] == "POST /transfers/request was dropped: a bad message"
