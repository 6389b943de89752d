"""Somebody who is in no member list, with tools of its own: it needs none of ours to make a token and to ask."""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt

from connector.scenario.acts.founding import DSP
from connector.scenario.stage import Stage
from connector.scenario.steps import Intrude

LIFETIME = timedelta(minutes=5)
OK = 200
QUESTION: Mapping[str, Any] = {
    "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
    "@type": "CatalogRequestMessage",
}


async def intrude(stage: Stage, step: Intrude) -> None:
    """Its two answers are one and the same, to the byte; the true member's is another."""
    wanted = stage.package.refusals[step.refusal]
    outsider, member = stage.package.outsiders[step.outsider], stage.package.participants[step.posing_as]
    own, true = stage.folder(step.outsider), stage.folder(step.posing_as)
    known = _key_id(true)
    name = stage.tell.text(outsider.name)
    for target in step.at:
        itself = await _ask(stage, target, outsider.id, _key_id(own), own)
        posing = await _ask(stage, target, member.id, known, own)
        honest = await _ask(stage, target, member.id, known, true)
        stage.tell.line("knocked", outsider=name, at=stage.name(target), status=itself[0])
        offered = sum(dataset.id.encode() in itself[2] + posing[2] for dataset in stage.package.datasets.values())
        # Its own log knows the reason; the world hears one answer.
        records = await stage.clients[target].audit(type="authentication.refused").all(limit=10)
        reasons = {str(record.reason) for record in records}
        logged = wanted.reason if wanted.reason in reasons else ", ".join(sorted(reasons))
        same = "same" if itself[1:] == posing[1:] else "other"
        # Without the honest one a broken request would look like a closed door.
        stage.check(
            "stranger",
            f"{wanted.http}, {wanted.http}, same answer, 0 datasets, {wanted.reason}; {OK}",
            f"{itself[0]}, {posing[0]}, {same} answer, {offered} datasets, {logged}; {honest[0]}",
            at=stage.name(target),
            posing=stage.name(step.posing_as),
        )


async def _ask(stage: Stage, target: str, issuer: str, kid: str, keys: Path) -> tuple[int, str, bytes]:
    """Status, content type and body of a catalog request, signed with the token key of a folder."""
    issued = stage.now()
    claims = {
        "iss": issuer,
        "sub": issuer,
        "aud": stage.package.participants[target].id,
        "iat": int(issued.timestamp()),
        "exp": int((issued + LIFETIME).timestamp()),
        "jti": hashlib.sha256(f"{issuer}{keys}{target}{issued}".encode()).hexdigest(),
    }
    private = (keys / "keys" / "token.pem").read_bytes()
    token = jwt.encode(claims, private, algorithm="ES256", headers={"kid": kid, "typ": "JWT"})
    url = f"{stage.taps[target].address}{DSP}/catalog/request"
    async with stage.http.post(url, json=QUESTION, headers={"Authorization": f"Bearer {token}"}) as answer:
        return answer.status, answer.headers.get("Content-Type", ""), await answer.read()


def _key_id(folder: Path) -> str:
    """The name of a folder's token key, as its member entry says it: public for members, and for its owner."""
    entry = json.loads((folder / "member.json").read_text(encoding="utf-8"))
    return next(str(key["kid"]) for key in entry["keys"] if key["use"] == "token")
