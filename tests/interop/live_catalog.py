"""Catalogs between Weft and a live EDC, who may read them, and what an EDC says to a wrong token."""

import json

import aiohttp
import pytest

from tests.interop.conftest import WEFT, quickly
from tests.offers import free_offer, publish

MESSAGE = {
    "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
    "@type": "CatalogRequestMessage",
}
SIXTY = 60


async def asked(url, header, body=MESSAGE):
    headers = {} if header is None else {"Authorization": header}
    async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=headers) as answer:
        return answer.status, await answer.read()


async def test_an_edcs_user_reads_our_catalog_as_we_wrote_it(weft, edc):
    async with quickly():
        for number in range(3):
            await publish(weft, free_offer(f"urn:uuid:offer-{number}"), dataset=f"dataset-{number}")
        shown = await edc.catalog(WEFT, weft.node.base)
        assert [each["@id"] for each in shown["dataset"]] == [f"dataset-{number}" for number in range(3)]
        assert shown["participantId"] == WEFT


async def test_an_edcs_user_turns_the_pages_of_our_catalog(weft, edc):
    """Its query says offset and limit; without one it gets the first page."""
    async with quickly():
        for number in range(SIXTY):
            await publish(weft, free_offer(f"urn:uuid:offer-{number}"), dataset=f"dataset-{number:02}")
        first = await edc.catalog(WEFT, weft.node.base, query={"@type": "QuerySpec", "offset": 0, "limit": 40})
        rest = await edc.catalog(WEFT, weft.node.base, query={"@type": "QuerySpec", "offset": 40, "limit": 40})
        seen = [each["@id"] for page in (first, rest) for each in page["dataset"]]
        assert seen == [f"dataset-{number:02}" for number in range(SIXTY)]


async def test_an_edcs_user_finds_one_dataset_by_its_id(weft, edc):
    async with quickly():
        for number in range(3):
            await publish(weft, free_offer(f"urn:uuid:offer-{number}"), dataset=f"dataset-{number}")
        rule = {"operandLeft": "https://w3id.org/edc/v0.0.1/ns/id", "operator": "=", "operandRight": "dataset-1"}
        shown = await edc.catalog(WEFT, weft.node.base, query={"@type": "QuerySpec", "filterExpression": [rule]})
        assert [each["@id"] for each in shown["dataset"]] == ["dataset-1"]


async def test_we_read_every_page_of_an_edcs_catalog(weft, edc):
    async with quickly(120):
        for _ in range(SIXTY):
            await edc.offer()
        (outcome,) = await weft.crawler.refresh(edc.participant)
        assert (outcome.result, outcome.unreadable) == ("ok", 0)
        assert outcome.datasets >= SIXTY  # an EDC's page has fifty


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("Bearer abc", 401),
        ('{"region": "eu", "audience": "x", "clientId": "somebody-else"}', 401),
    ],
)
async def test_we_refuse_who_is_no_member_of_the_list(weft, edc, header, status):
    answered, body = await asked(f"{weft.node.base}/catalog/request", header)
    assert (answered, json.loads(body)["@type"]) == (status, "CatalogError")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("Bearer abc", 500),
        ('{"audience": "x", "clientId": "weft"}', 500),
        ('{"region": "eu", "clientId": "faultyClientId"}', 401),
    ],
)
async def test_what_an_edc_says_to_a_header_that_it_does_not_take(edc, header, status):
    """Why we write `region` and no scheme: what 0.15.1 answers to anything else."""
    answered, _ = await asked(f"{edc.dsp}/catalog/request", header)
    assert answered == status
