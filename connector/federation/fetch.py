"""One page of a member's catalog over HTTP (DSP 2025-1, Catalog Protocol, paging).

The specification does not say how a link is followed: the same message is POSTed to it, and where that is not allowed it is
asked for with GET. Links that leave the member's origin are refused by the guard. An empty filter is not sent (an EDC refuses
it), and a catalog may come compressed: nothing else may.
"""

from http import HTTPStatus
from typing import Final

from connector.errors import RefusedError, UnreachableError
from connector.exchange.node import Node
from connector.exchange.process import to_bytes
from connector.federation.crawler import Fetch, Member, Page
from connector.federation.links import next_link
from contracts.messages import envelope

PAGE_LIMIT_BYTES: Final = 16 * 1024 * 1024


def fetcher(node: Node) -> Fetch:
    """How this node asks a member for its catalog, as the crawler wants it. Links are handed on as whole addresses."""

    async def fetch(member: Member, link: str | None) -> Page:
        participant = member.participant_id
        url = link or f"{await node.bases.of(participant)}/catalog/request"
        body = to_bytes(envelope("CatalogRequestMessage", node.new_id()))
        for method, content in (("POST", body), ("GET", None)):
            headers = {
                "Authorization": await node.identity.authorisation(participant),
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
            }
            if content is not None:
                headers["Content-Type"] = "application/json"
            answer = await node.transport.request(
                method,
                url,
                participant=participant,
                headers=headers,
                body=content,
                limit_bytes=PAGE_LIMIT_BYTES,
                timeout_s=node.settings.send_timeout_s,
            )
            if answer.status == HTTPStatus.OK:
                return answer.body, _following(answer.headers.get("link", ""), url)
            if answer.status != HTTPStatus.METHOD_NOT_ALLOWED or link is None:
                break
        raise UnreachableError("catalog-refused", participant=participant, status=answer.status)

    return fetch


def _following(header: str, url: str) -> str | None:
    try:
        return next_link(header, url)
    except ValueError as error:
        raise RefusedError("address-malformed", url=header[:200], problem=str(error)) from error
