"""A data space in memory: an authority, participants with fresh keys, signed member lists. No files, no clock."""

import json
from datetime import datetime, timedelta
from typing import Any

from nacl.signing import SigningKey

from connector.identity.jwk import space_key_text
from connector.identity.keys import KeyRing
from connector.identity.members import MemberList, read_member_list
from contracts.signing import sign_document
from tests.clocks import START

STEEL, STAMP, ZHENGSHU = "did:web:p-steel.example", "did:web:p-stamp.example", "did:web:s-zhengshu.example"
LISTED_SINCE = START - timedelta(days=30)


class Space:
    """The authority and the rings of its participants; `document` and `signed` take changes, so that tests can break them."""

    def __init__(self, *participants: str) -> None:
        self.key = SigningKey.generate()
        self.space_key = space_key_text(bytes(self.key.verify_key))
        self.rings = {participant: KeyRing.generate(participant) for participant in participants or (STEEL, STAMP)}

    def entry(self, participant: str, **changes: Any) -> dict[str, Any]:
        """The entry of a participant, as in member.json."""
        position = list(self.rings).index(participant)
        return {
            "participantId": participant,
            "connectorId": f"connector-{position}",
            "name": {"zh": "锡澄特钢", "en": "Xicheng Special Steel"},
            "dsp": f"http://127.0.0.1:{18282 + position}/dsp/2025-1",
            "roles": ["provider", "consumer"],
            "region": "CN-32",
            "keys": self.rings[participant].member_keys(LISTED_SINCE),
        } | changes

    def document(self, **changes: Any) -> dict[str, Any]:
        """A member list before it is signed."""
        return {
            "typ": "members/1",
            "space": "urn:space:test",
            "seq": 1,
            "issued": "2026-11-01T00:00:00Z",
            "expires": "2026-12-01T00:00:00Z",
            "members": [self.entry(participant) for participant in self.rings],
        } | changes

    def signed(self, document: dict[str, Any] | None = None, **changes: Any) -> bytes:
        """A signed list as its bytes."""
        document = self.document(**changes) if document is None else document
        return json.dumps(sign_document(document, kid="urn:space:test#space", sign=self.sign)).encode()

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data).signature

    def members(self, *, now: datetime = START, **changes: Any) -> MemberList:
        """A verified list."""
        return read_member_list(self.signed(**changes), self.space_key, known_seq=0, now=now)
