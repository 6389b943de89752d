"""`/v1/lineage/{dataset}`: where a dataset came from, what came of it, and what its sales bring to whom."""

from typing import Any

from aiohttp import web

from connector.dataplane.lineage import Described, Downstream, Lineage, Share, Upstream, trace
from connector.management.answers import reply
from connector.management.desk import Desk
from connector.store.lineage import Sale

Json = dict[str, Any]


class LineageOf:
    """The route about lineage."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._node = desk.node

    async def show(self, request: web.Request) -> web.Response:
        dataset, provider = request.match_info["dataset"], request.query.get("provider") or None
        found = await self._node.db.read(lambda tx: trace(tx, self._node, dataset, provider))
        return reply(self._lineage(found))

    def _lineage(self, found: Lineage) -> Json:
        return {
            **self._described(found.described),
            "ours": found.ours,
            "inputs": [self._upstream(each) for each in found.inputs],
            "derived": [self._downstream(each) for each in found.derived],
            "sales": [self._sale(sale, shares) for sale, shares in found.sales],
        }

    def _described(self, found: Described) -> Json:
        return {
            "dataset": found.dataset,
            "provider": found.owner,
            "provider_name": self._desk.name_of(found.owner),
            "title": dict(found.title),
            "version": found.version,
            "partial": found.partial,
            "missing_inputs": list(found.missing),
        }

    def _upstream(self, found: Upstream) -> Json:
        """`version` is what was used where we know it, else what the owner's catalog has now."""
        used = found.used
        return {
            **self._described(found.described),
            "agreement": found.agreement or None,
            "version": used.version if used is not None else found.described.version,
            "delivery": (used.delivery or None) if used is not None else None,
            "manifest": (used.manifest or None) if used is not None else None,
            "received": (used.received or None) if used is not None else None,
            "missing": used is not None and used.missing,
            "inputs": [self._upstream(each) for each in found.inputs],
        }

    def _downstream(self, found: Downstream) -> Json:
        return {
            **self._described(found.described),
            "agreement": found.agreement or None,
            "derived": [self._downstream(each) for each in found.derived],
        }

    def _sale(self, sale: Sale, shares: tuple[Share, ...]) -> Json:
        return {
            "agreement": sale.agreement.digest,
            "consumer": sale.agreement.counterparty,
            "consumer_name": self._desk.name_of(sale.agreement.counterparty),
            "since": sale.agreement.in_force,
            "deliveries": sale.deliveries,
            "rows": sale.rows,
            "last": sale.last or None,
            "shares": [
                {
                    "bundle": each.bundle,
                    "ref": each.ref,
                    "provider": each.provider,
                    "provider_name": self._desk.name_of(each.provider),
                    "dataset": each.dataset,
                }
                for each in shares
            ],
        }

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v1/lineage/{dataset}", self.show)]
