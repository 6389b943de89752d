"""`weft init`: the folder of a new participant, ready to serve once the space authority has listed it.

    weft.toml         at most ten lines; everything else has a default
    keys/             four private keys, mode 0600
    management.key    the first management key, mode 0600
    member.json       our entry for the member list: public keys, address, name, region; goes to the space authority

Nothing that exists is overwritten.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from connector.errors import SettingsError
from connector.identity.address import read_address
from connector.identity.bearer import new_key
from connector.identity.jwk import read_space_key
from connector.identity.keys import KeyRing
from connector.identity.members import read_member
from connector.identity.secretfile import write_private
from connector.settings import FILE_NAME, Settings, is_loopback

KEYS, MANAGEMENT_KEY, MEMBER = "keys", "management.key", "member.json"


def initialise(
    directory: Path,
    *,
    participant: str,
    names: Mapping[str, str],
    region: str,
    dsp: str,
    space_key: str,
    members: str,
    now: datetime,
    roles: Sequence[str] = ("provider", "consumer"),
    connector_id: str | None = None,
    protocol_port: int | None = None,
    management_port: int | None = None,
) -> Path:
    """Write the folder of a new participant; returns the path of `member.json`.

    `dsp` is the public address of the protocol side. The protocol side listens on the port it names when it lies on this
    machine. Raises SettingsError file-exists before anything is written, and VerificationError for a wrong entry.
    """
    for name in (FILE_NAME, KEYS, MANAGEMENT_KEY, MEMBER):
        if (directory / name).exists():
            raise SettingsError("file-exists", path=str(directory / name))
    ring = KeyRing.generate(participant)
    document = member_document(
        ring,
        {
            "participantId": participant,
            "connectorId": connector_id or participant,
            "name": dict(names),
            "dsp": dsp.removesuffix("/"),
            "roles": list(roles),
            "region": region,
        },
        now,
    )
    listen = protocol_port if protocol_port is not None else _listening_port(dsp)
    values = {
        "participant": participant,
        "space_key": space_key,
        "members": members,
        "dsp": document["dsp"],
        "protocol_port": listen,
        "management_port": management_port if management_port is not None else listen + 1,
    }
    read_space_key(space_key)
    Settings.of(directory, values)

    directory.mkdir(parents=True, exist_ok=True)
    ring.write(directory / KEYS)
    write_private(directory / MANAGEMENT_KEY, new_key().encode() + b"\n")
    _write(directory / FILE_NAME, _toml(values))
    _write(directory / MEMBER, json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    return directory / MEMBER


def member_document(ring: KeyRing, entry: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Our entry of the member list with the public keys, checked as the authority will check it."""
    document = {**entry, "keys": ring.member_keys(now)}
    read_member(document)
    return document


def _listening_port(dsp: str) -> int:
    _, host, port = read_address(dsp).origin
    default: int = Settings.model_fields["protocol_port"].default
    return port if is_loopback(host) else default


def _toml(values: Mapping[str, str | int]) -> str:
    # A JSON text or integer is a TOML value too.
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items()]
    return "# Settings of this connector; `weft config` explains all of them.\n" + "".join(lines)


def _write(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
