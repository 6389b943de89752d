"""TLS by certificate settings: the whole way from the catalog to the verified file, encrypted, with a private authority."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from connector.authority import space
from connector.daemon import Daemon
from connector.dataplane.publication import Publication
from connector.dataplane.publish import publish
from connector.errors import SettingsError
from connector.exchange import command
from connector.identity.setup import initialise
from connector.store import delivery as deliveries
from connector.store import negotiation as negotiations
from connector.store import transfer as transfers
from contracts.negotiation.table import State
from contracts.transfer.table import State as TransferState
from tests.certificates import authority, issue
from tests.offers import OFFER, free_offer
from tests.pair import did, free_ports, settings, until

pytestmark = pytest.mark.slow

STEEL = did("p-steel")


def found(root: Path) -> dict[str, Path]:
    """A space of two members that are listed with https addresses."""
    ca, key = authority(root)
    space_key = space.create_space(root / "space", "tls-space")
    ports = free_ports(4)
    valid_from = datetime(2026, 1, 1, tzinfo=UTC)
    for index, name in enumerate(("p-steel", "s-zhengshu")):
        member = initialise(
            root / name,
            participant=did(name),
            names={"zh": name, "en": name},
            region="CN-32",
            dsp=f"https://127.0.0.1:{ports[2 * index]}/dsp/2025-1",
            space_key=space_key,
            members=str(root / "space" / "members.json"),
            now=valid_from,
            protocol_port=ports[2 * index],
            management_port=ports[2 * index + 1],
        )
        issue(root / name, ca, key)
        space.add_member(root / "space", member.read_bytes(), valid_from)
    space.sign(root / "space", "P3650D", valid_from)
    return {"tls_ca": root / "ca.pem"}


def secured(root: Path, name: str, **changes):
    folder = root / name
    return settings(
        root, name, tls_cert=folder / "tls.pem", tls_key=folder / "tls.key", tls_ca=root / "ca.pem", **changes
    )


async def test_a_file_arrives_verified_over_tls(tmp_path):
    """Negotiation, transfer and data run over https; the file on the other side is the one that was published."""
    found(tmp_path)
    content = ("number,square\n" + "".join(f"{n},{n * n}\n" for n in range(200_000))).encode()
    source = tmp_path / "squares.csv"
    source.write_bytes(content)
    async with Daemon(secured(tmp_path, "p-steel")) as steel, Daemon(secured(tmp_path, "s-zhengshu")) as zhengshu:
        publication = Publication(path=source, id="squares", title={"en": "Squares"}, offers=(free_offer(OFFER),))
        await publish(steel.node, publication)
        pid = await command.request(zhengshu.node, provider=STEEL, dataset="squares", offer=OFFER)
        agreed = await until(
            zhengshu,
            f"negotiation:{pid}",
            lambda tx: n if (n := negotiations.get(tx, pid)).state is State.FINALIZED else None,
        )
        transfer = await command.start(zhengshu.node, agreement=agreed.agreement, purpose="")
        await until(
            zhengshu, f"transfer:{transfer}", lambda tx: transfers.get(tx, transfer).state is TransferState.STARTED
        )
        delivery = await zhengshu.receiver.start(transfer)
        received = await until(
            zhengshu,
            f"delivery:{delivery}",
            lambda tx: d if (d := deliveries.get(tx, delivery)).finished else None,
            timeout_s=30,
        )
        assert received.state is deliveries.State.RECEIVED, received.reason
        assert Path(received.path).read_bytes() == content


async def test_a_certificate_that_cannot_be_used_stops_the_start(tmp_path):
    """A certificate and a key that do not belong together are named before anything is served."""
    found(tmp_path)
    (tmp_path / "p-steel" / "tls.pem").write_bytes((tmp_path / "s-zhengshu" / "tls.pem").read_bytes())
    with pytest.raises(SettingsError) as caught:
        await Daemon(secured(tmp_path, "p-steel")).open()
    assert caught.value.code == "tls-unusable"
    assert caught.value.facts["name"] == "tls_cert"


async def test_an_unknown_authority_is_not_talked_to(tmp_path):
    """Without the private authority in our settings, the partner's certificate is not believed and nothing is sent."""
    found(tmp_path)
    folder = tmp_path / "s-zhengshu"
    bare = settings(tmp_path, "s-zhengshu", tls_cert=folder / "tls.pem", tls_key=folder / "tls.key")
    async with Daemon(secured(tmp_path, "p-steel")), Daemon(bare) as zhengshu:
        outcome = (await zhengshu.crawler.refresh(STEEL))[0]
        assert (outcome.result, outcome.reason) == ("failed", "unreachable")
