"""Case 18: a policy that has no meaning is refused where it is created, by member; what was there before stays listed."""

import json

import pytest

from policies.errors import InvalidPolicyError
from policies.parse import parse_policy
from policies.publishable import check_publishable
from tests.cases.inputs import case
from tests.cli.conftest import weft  # noqa: F401  the fixture
from tests.management.conftest import Caller, http  # noqa: F401  the fixture
from tests.offers import DATASET, free_offer, publish
from tests.pair import community
from tests.speaker import Speaker, message

NAMED = {
    "two_logical_operands": "permission[0].constraint[0]",
    "no_action": "permission[0].action",
    "blank_in_code": "permission[0].action",
}


def as_written(name):
    """The policy of the case, in EDC's spelling."""
    return case("18-19-broken-policies")[name]["policy"]


def as_offer(name):
    """The same fault in an offer of ours: plain names, lists, strings."""

    def plain(value):
        if isinstance(value, dict) and set(value) == {"@id"}:
            return value["@id"]
        if isinstance(value, dict):
            found = {key.removeprefix("odrl:"): plain(member) for key, member in value.items()}
            return {key: [member] if key in ("permission", "constraint") else member for key, member in found.items()}
        return [plain(each) for each in value] if isinstance(value, list) else value

    return {**plain(as_written(name)), "@type": "Offer", "@id": f"urn:uuid:{name}"}


def publication(path, offer):
    title = {"en": "Broken", "zh": "坏"}
    return {"path": str(path), "id": "broken", "title": title, "offers": [offer]}


@pytest.mark.parametrize("name", NAMED)
def test_the_policy_engine_names_the_member(name):
    """The check before publishing and the reader both say where; nothing is guessed."""
    problems = check_publishable(as_offer(name))
    assert NAMED[name] in [problem.path for problem in problems]
    assert all(problem.sentence("en") and problem.sentence("zh") for problem in problems)
    if name != "blank_in_code":  # a name with a blank is a name that nobody knows
        with pytest.raises(InvalidPolicyError) as caught:
            parse_policy(as_written(name))
        assert caught.value.path == NAMED[name]


async def test_the_native_api_refuses_each_and_lists_as_before(tmp_path, http):  # noqa: F811
    """400 that names the member, three times; datasets and catalog are 200 and unchanged afterwards."""
    source = tmp_path / "rows.csv"
    source.write_text("a,b\n1,2\n")
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        caller = Caller(steel, http)
        await publish(steel, free_offer())
        before = await caller.ask("GET", "/v1/datasets")
        for name, member in NAMED.items():
            status, refused = await caller.ask("POST", "/v1/datasets", json=publication(source, as_offer(name)))
            assert status == 400, refused
            assert member in json.dumps(refused, ensure_ascii=False)
        assert await caller.ask("GET", "/v1/datasets") == before
        assert before[0] == 200
        async with Speaker(zhengshu, steel) as speaker:
            status, catalog = await speaker.send("/catalog/request", message("CatalogRequestMessage"))
        assert (status, [each["@id"] for each in catalog["dataset"]]) == (200, [DATASET])


@pytest.mark.parametrize("name", ["two_logical_operands", "no_action"])
async def test_the_command_line_names_the_member(tmp_path, weft, name):  # noqa: F811
    """`weft policy explain` has nothing to explain: it says where, and exits with an error."""
    (tmp_path / "policy.json").write_text(json.dumps(as_written(name)))
    ran = await weft("nobody", "policy", "explain", str(tmp_path / "policy.json"))
    assert ran.code != 0
    assert NAMED[name] in ran.err


async def test_a_request_with_a_broken_policy_does_not_break_the_lists(tmp_path, http):  # noqa: F811
    """The same faults in an offer a consumer sends: refused or kept to be decided, and every list is still shown."""
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        caller = Caller(steel, http)
        await publish(steel, free_offer(), decision="person")
        async with Speaker(zhengshu, steel) as speaker:
            for name in NAMED:
                asked = {**as_offer(name), "@id": free_offer()["@id"], "target": DATASET}
                body = message(
                    "ContractRequestMessage",
                    consumerPid=f"urn:uuid:{name}",
                    offer=asked,
                    callbackAddress=zhengshu.node.base,
                )
                status, answer = await speaker.send("/negotiations/request", body)
                assert status in (201, 400), answer
        for path in ("/v1/negotiations", "/v1/approvals"):
            status, shown = await caller.ask("GET", path)
            assert status == 200, shown
            for each in shown["items"]:
                assert (await caller.ask("GET", f"/v1/negotiations/{each['id']}"))[0] == 200
                assert (await caller.ask("GET", f"/v1/negotiations/{each['id']}/difference"))[0] in (200, 400)


def test_the_management_api_of_edc_refuses_them():
    pytest.skip("needs the EDC Management API")


def test_weft_policy_check_refuses_them():
    pytest.skip("needs the command `weft policy check`: publishing and `weft policy explain` refuse them today")
