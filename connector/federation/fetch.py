"""One page of a member's catalog over HTTP (DSP 2025-1, Catalog Protocol, paging).

The specification does not say how a link is followed: the same message is POSTed to it, and where that is not allowed it is
asked for with GET. Links that leave the member's origin are refused by the guard.
"""

import re
from http import HTTPStatus
from urllib.parse import urljoin

from connector.errors import UnreachableError
from connector.exchange.node import Node
from connector.exchange.process import to_bytes
from connector.federation.crawler import Fetch, Member, Page
from contracts.messages import envelope

PAGE_LIMIT_BYTES = 16 * 1024 * 1024
_LINK = re.compile(r'<(?P<url>[^>]*)>\s*;[^,]*?\brel="?(?P<rel>[a-z]+)"?')


def next_link(header: str) -> str | None:
    """The target of `rel="next"` in a Link header; none is the last page."""
    found = {match["rel"]: match["url"] for match in _LINK.finditer(header)}
    return found.get("next")


def fetcher(node: Node) -> Fetch:
    """How this node asks a member for its catalog, as the crawler wants it."""

    async def fetch(member: Member, link: str | None) -> Page:
        participant = member.participant_id
        base = node.members.current().member(participant).dsp
        start = f"{base}/catalog/request"
        url = urljoin(start, link) if link else start
        body = to_bytes(envelope("CatalogRequestMessage", node.new_id()))
        for method, content in (("POST", body), ("GET", None)):
            headers = {"Authorization": await node.identity.authorisation(participant), "Accept": "application/json"}
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
                return answer.body, next_link(answer.headers.get("link", ""))
            if answer.status != HTTPStatus.METHOD_NOT_ALLOWED or link is None:
                break
        raise UnreachableError("catalog-refused", participant=participant, status=answer.status)

    return fetch
