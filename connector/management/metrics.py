"""`/metrics` for Prometheus: the totals that the daemon counts as it goes, and gauges read from the store when asked.

`HELP` names every figure: OPERATIONS.md lists the same names, and a test compares them.
"""

from collections.abc import Iterator, Mapping

from aiohttp import web

from connector.errors import WeftError
from connector.health import HELP as TOTALS
from connector.management.desk import Desk
from connector.store import audit
from connector.store import management as listed
from connector.store.database import Tx
from connector.version import version

GAUGES: Mapping[str, str] = {
    "weft_build_info": "Always 1; the labels say version and participant.",
    "weft_clock_offset_seconds": "Test-only offset of the clock; 0 in production.",
    "weft_outbox_messages": "Protocol messages that wait to be sent.",
    "weft_negotiations": "Negotiations, by our role and state.",
    "weft_transfers": "Transfers, by our role and state.",
    "weft_deliveries": "Deliveries, by our role and state.",
    "weft_agreements": "Agreements in force, by our role.",
    "weft_datasets": "Datasets of ours, by state.",
    "weft_audit_records": "Records of the audit log under its last checkpoint.",
    "weft_member_list_expires_seconds": "Seconds until the member list expires; 0 without one in force.",
    "weft_members": "Members of the list in force.",
    "weft_catalog_age_seconds": "Seconds since the catalog of a member was last read completely.",
    "weft_catalog_datasets": "Datasets of a member's catalog in the index.",
    "weft_event_streams": "Open event streams.",
}
STORE_TOTALS: Mapping[str, str] = {
    "weft_store_commits_total": "Commits of the store: one for a group of transactions.",
    "weft_store_transactions_total": "Transactions in these commits; divided by the commits it says how large a group is.",
}
HELP: Mapping[str, str] = {**TOTALS, **STORE_TOTALS, **GAUGES}

Figure = tuple[str, Mapping[str, str], float]


def routes(desk: Desk) -> list[web.RouteDef]:
    async def metrics(request: web.Request) -> web.Response:
        del request
        figures = [*await _gauges(desk), *desk.node.counters, *_store(desk)]
        return web.Response(
            body=render(figures).encode(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    return [web.get("/metrics", metrics)]


def render(figures: list[Figure]) -> str:
    """The text form: HELP and TYPE once per name, then its samples; names without a sample are left out."""
    lines: list[str] = []
    for name, text in HELP.items():
        samples = [(labels, value) for known, labels, value in figures if known == name]
        if samples:
            kind = "gauge" if name in GAUGES else "counter"
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
            lines += [f"{name}{_labels(labels)} {value:g}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + pairs + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _store(desk: Desk) -> Iterator[Figure]:
    yield "weft_store_commits_total", {}, desk.node.db.groups
    yield "weft_store_transactions_total", {}, desk.node.db.functions


async def _gauges(desk: Desk) -> list[Figure]:
    node = desk.node
    now = node.clock.now()
    figures: list[Figure] = [
        ("weft_build_info", {"version": version(), "participant": node.participant}, 1),
        ("weft_clock_offset_seconds", {}, node.clock.offset.total_seconds()),
        ("weft_event_streams", {}, len(desk.streams)),
        *await node.db.read(_counted),
    ]
    try:
        current = node.members.current()
        figures.append(("weft_members", {}, len(current.members)))
        figures.append(("weft_member_list_expires_seconds", {}, max((current.expires - now).total_seconds(), 0)))
    except WeftError:
        figures.append(("weft_member_list_expires_seconds", {}, 0))
    for known in await desk.index.known():
        label = {"participant": known.participant}
        figures.append(("weft_catalog_datasets", label, known.datasets))
        if known.freshness.as_of is not None:
            figures.append(("weft_catalog_age_seconds", label, (now - known.freshness.as_of).total_seconds()))
    return figures


def _counted(tx: Tx) -> list[Figure]:
    figures: list[Figure] = [
        ("weft_outbox_messages", {}, listed.outbox_depth(tx)),
        ("weft_audit_records", {}, audit.latest(tx)[0]),
        *(("weft_agreements", {"role": role}, number) for role, number in listed.agreement_counts(tx).items()),
        *(("weft_datasets", {"state": state}, number) for state, number in listed.dataset_counts(tx).items()),
    ]
    for name, found in listed.counts(tx).items():
        figures += [(f"weft_{name}", {"role": each.role, "state": each.state or "new"}, each.number) for each in found]
    return figures
