"""A provider whose data addresses answer slowly, wrongly or with something else: the delivery waits, or fails with the reason."""

import contextlib
from pathlib import Path

import pytest

from connector.daemon import Daemon
from connector.store import delivery as deliveries
from connector.store import usage
from tests.deliveries import agree, ended, offer_file, rows_of, sent, start
from tests.faults.proxy import InsteadError, Point, Proxy
from tests.faults.stub import says
from tests.faults.test_peers import BROKEN, HTML
from tests.pair import eventually, found_space, free_ports, settings

pytestmark = pytest.mark.slow
# What passes by itself is waited out; what does not hold what it claims, or leads elsewhere, ends the delivery.
PASSING = ("silent", "closes-at-once", "closes-in-the-head", "closes-in-the-body", "speaks-no-http", "busy")
FINAL = {
    ("manifest", "html"): "manifest-invalid",
    ("manifest", "redirects"): "redirect-refused",
    ("manifest", "compressed"): "answer-encoded",
    ("manifest", "endless-body"): "answer-too-large",
    ("chunks", "html"): "manifest-invalid",
    ("chunks", "endless-body"): "answer-too-large",
    ("data", "html"): "bytes-missing",
    ("data", "endless-body"): "bytes-extra",
    ("data", "redirects"): "redirect-refused",
}
ANSWERS = {**{name: answer for name, (answer, _) in BROKEN.items()}, "html": says(200, HTML, "text/html")}


@contextlib.asynccontextmanager
async def behind_a_proxy(root):
    """A provider that is reached by a proxy, a consumer, a started transfer of some rows; and the file."""
    outer, inner, management = free_ports(3)
    found_space(root, ["p-steel", "s-zhengshu"], ports={"p-steel": (outer, management)})
    source = root / "source.csv"
    source.write_text(rows_of(5000))
    proxy = Proxy(outer, inner)
    await proxy.open()
    try:
        async with (
            Daemon(settings(root, "p-steel", protocol_port=inner)) as steel,
            Daemon(settings(root, "s-zhengshu", data_timeout_s=0.3, retry_limit_s=0.1)) as zhengshu,
        ):
            await offer_file(steel, source)
            ours, theirs = await start(steel, zhengshu, await agree(steel, zhengshu))
            yield proxy, steel, zhengshu, ours, theirs, source
    finally:
        await proxy.close()


class Hurting:
    """Answers one message with something else for as long as it is there; `times` counts."""

    def __init__(self, label, fault):
        self.label, self.answer, self.times = label, ANSWERS[fault], 0

    async def __call__(self, passing, point):
        if passing.label == self.label and point is Point.ARRIVED:
            self.times += 1
            raise InsteadError(lambda writer: self.answer(None, None, writer))

    async def twice(self):
        return self.times > 1


async def quiet(_passing, _point):
    """Everything passes."""


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("label", ["manifest", "chunks", "data", "receipt"])
async def test_what_passes_is_waited_out(tmp_path, label, fault):
    """While it lasts nothing has failed; afterwards the file is whole and counted once on both sides."""
    async with behind_a_proxy(tmp_path) as (proxy, steel, zhengshu, ours, theirs, source):
        proxy.hook = hurting = Hurting(label, fault)
        identifier = await zhengshu.receiver.start(ours.pid)
        await eventually(hurting.twice)
        under_way = await zhengshu.node.db.read(lambda tx: deliveries.get(tx, identifier))
        assert not under_way.finished
        proxy.hook = quiet
        delivery = await ended(zhengshu, identifier)
        assert (delivery.state, delivery.code) == (deliveries.State.RECEIVED, "")
        assert Path(delivery.path).read_bytes() == source.read_bytes()
        (provided,) = await sent(steel, theirs.pid)
        assert provided.state is deliveries.State.RECEIVED
        (mine,), (their,) = [await each.node.db.read(usage.page) for each in (zhengshu, steel)]
        assert (mine.id, mine.receipt) == (their.id, their.receipt)


@pytest.mark.parametrize(("label", "fault"), FINAL)
async def test_what_does_not_hold_ends_the_delivery_with_the_reason(tmp_path, label, fault):
    """No file is left, the reason is in the store and in the log, and the next attempt of the same transfer succeeds."""
    async with behind_a_proxy(tmp_path) as (proxy, _, zhengshu, ours, _, source):
        proxy.hook = Hurting(label, fault)
        delivery = await ended(zhengshu, await zhengshu.receiver.start(ours.pid))
        assert (delivery.state, delivery.code) == (deliveries.State.FAILED, FINAL[label, fault])
        assert delivery.reason
        left = [path for path in (zhengshu.settings.data_dir / "received").rglob("*") if path.is_file()]
        assert left == []
        proxy.hook = quiet
        again = await ended(zhengshu, await zhengshu.receiver.start(ours.pid))
        assert again.state is deliveries.State.RECEIVED, again.reason
        assert Path(again.path).read_bytes() == source.read_bytes()
