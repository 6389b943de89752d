"""What the people of both sides do, at moments that suit nobody: the product's own commands, refused or not."""

import random
from typing import Any

from connector.errors import WeftError
from connector.exchange import approve, command
from connector.store import negotiation as negotiations
from contracts.errors import ContractError
from tests.simulation.founding import AUTOMATIC, COUNTED, PERSON, dataset_of, document_of, offer_of
from tests.simulation.side import Life, Side
from tests.simulation.world import World

# What people do how often, by what a run is about.
HABITS = {
    "everything": {
        "request": 2, "offer": 1, "decide": 6, "counter": 1, "terminate": 1, "start": 6, "deliver": 6, "suspend": 1,
        "resume": 2, "complete": 1, "end_transfer": 1, "repeat": 1,
    },
    "talk": {"request": 2, "offer": 2, "decide": 6, "counter": 5, "terminate": 2, "repeat": 1},
    "pause": {"start": 3, "deliver": 3, "suspend": 5, "resume": 5, "complete": 1, "end_transfer": 1},
    "deliver": {"request": 1, "start": 5, "deliver": 9, "suspend": 1, "resume": 3, "complete": 1, "repeat": 1},
}  # fmt: skip
OPEN = "state NOT IN ('FINALIZED', 'TERMINATED', 'COMPLETED')"


class People:
    """Those of one side; `other` is the name of the other one."""

    def __init__(self, world: World, side: Side, other: str, luck: random.Random, about: str) -> None:
        self.world = world
        self.side = side
        self.other = other
        self.luck = luck
        self.habits = HABITS[about]
        self.kinds = (5, 1, 4) if about in ("pause", "deliver") else (3, 2, 2)
        self._keys = 0
        self._again: list[tuple[str, Any]] = []

    def plan(self, at: float) -> None:
        """Do something at this time, if somebody is there then."""
        self.world.loop.call_at(at, self._begin, self._something)

    def plan_request(self, at: float) -> None:
        """Ask for a contract at this time."""
        self.world.loop.call_at(at, self._begin, self._request)

    def close(self) -> None:
        """End whatever is open: closing time."""
        self._begin(self._end_all)

    def _begin(self, act: Any) -> None:
        life = self.side.life
        if life is not None and self.side.up:
            life.spawn(self._do(act, life))

    async def _do(self, act: Any, life: Life) -> None:
        try:
            await act(life)
        except (WeftError, ContractError) as error:
            self.world.tell(self.side.name, f"person: {act.__name__.strip('_')}: {error}")

    async def _something(self, life: Life) -> None:
        names, weights = zip(*self.habits.items(), strict=True)
        for _ in range(6):
            act = getattr(self, f"_{self.luck.choices(names, weights)[0]}")
            if self._possible(act):
                self.world.tell(self.side.name, f"person: {act.__name__.strip('_')}")
                await act(life)
                return

    def _possible(self, act: Any) -> bool:
        needs = {
            "_decide": lambda: self._pids("negotiation", "state IN ('REQUESTED', 'OFFERED', 'ACCEPTED')"),
            "_counter": lambda: self._pids("negotiation", "state IN ('REQUESTED', 'OFFERED')"),
            "_terminate": lambda: self._pids("negotiation", OPEN),
            "_start": self._agreements,
            "_deliver": lambda: self._pids("transfer", f"role = 'consumer' AND {OPEN}"),
            "_suspend": lambda: self._pids("transfer", "state = 'STARTED'"),
            "_resume": lambda: self._pids("transfer", "state = 'SUSPENDED'"),
            "_complete": lambda: self._pids("transfer", "state = 'STARTED'"),
            "_end_transfer": lambda: self._pids("transfer", OPEN),
            "_repeat": lambda: self._again,
        }
        need = needs.get(act.__name__)
        return need is None or bool(need())

    def _pids(self, table: str, condition: str) -> list[str]:
        return [row[0] for row in self.side.rows(f"SELECT pid FROM {table} WHERE {condition} ORDER BY pid")]  # noqa: S608

    def _agreements(self) -> list[str]:
        rows = self.side.rows("SELECT digest FROM agreement WHERE role = 'consumer' AND in_force <> '' ORDER BY digest")
        return [row[0] for row in rows]

    def _key(self) -> str:
        """Half of all commands carry a key with which they can be repeated."""
        self._keys += 1
        return f"{self.side.name}{self._keys}" if self.luck.random() < 0.5 else ""

    def _kind(self) -> str:
        return self.luck.choices((AUTOMATIC, PERSON, COUNTED), self.kinds)[0]

    # -- acts ----------------------------------------------------------------------------------------------------------

    async def _request(self, life: Life) -> None:
        kind, key = self._kind(), self._key()
        document = self._other_terms(self.other, kind) if self.luck.random() < 0.2 else None
        await self._remembered(
            lambda node: command.request(
                node,
                provider=life.node.participant.replace(f":{self.side.name}.", f":{self.other}."),
                dataset=dataset_of(self.other, kind),
                offer=offer_of(self.other, kind),
                document=document,
                idempotency=key,
            ),
            key,
            life,
        )

    async def _offer(self, life: Life) -> None:
        kind, key = self._kind(), self._key()
        await self._remembered(
            lambda node: command.offer(
                node,
                consumer=life.node.participant.replace(f":{self.side.name}.", f":{self.other}."),
                dataset=dataset_of(self.side.name, kind),
                offer=offer_of(self.side.name, kind),
                idempotency=key,
            ),
            key,
            life,
        )

    async def _remembered(self, work: Any, key: str, life: Life) -> None:
        """Run a command; one with a key may be repeated later, by somebody who did not hear its answer."""
        if key:
            self._again.append((key, work))
        await work(life.node)

    async def _repeat(self, life: Life) -> None:
        await self.luck.choice(self._again)[1](life.node)

    def _other_terms(self, provider: str, kind: str) -> dict[str, object]:
        purpose = {"leftOperand": "odrl:count", "operator": "odrl:lteq", "rightOperand": str(self.luck.randint(1, 3))}
        return {**document_of(provider, kind), "permission": [{"action": "odrl:use", "constraint": [purpose]}]}

    async def _decide(self, life: Life) -> None:
        waiting = negotiations.waiting(self.side.tx())
        if not waiting:
            return
        pid = self.luck.choice(waiting).pid
        if self.luck.random() < 0.85:
            await approve.approve(life.node, pid, reason="fine")
        else:
            await approve.reject(life.node, pid, reason="no")

    async def _counter(self, life: Life) -> None:
        pid = self.luck.choice(self._pids("negotiation", "state IN ('REQUESTED', 'OFFERED')"))
        found = negotiations.get(self.side.tx(), pid)
        if found is not None:
            provider, _, kind = found.dataset.partition("-")
            document = self._other_terms(provider, kind) if self.luck.random() < 0.5 else document_of(provider, kind)
            await command.counter(life.node, pid, document)

    async def _terminate(self, life: Life) -> None:
        await command.terminate(life.node, self.luck.choice(self._pids("negotiation", OPEN)), reason="enough")

    async def _start(self, life: Life) -> None:
        agreement, key = self.luck.choice(self._agreements()), self._key()
        await self._remembered(lambda node: command.start(node, agreement=agreement, idempotency=key), key, life)

    async def _deliver(self, life: Life) -> None:
        pid = self.luck.choice(self._pids("transfer", f"role = 'consumer' AND {OPEN}"))
        await life.receiver.start(pid)

    async def _suspend(self, life: Life) -> None:
        await command.suspend(life.node, self.luck.choice(self._pids("transfer", "state = 'STARTED'")), reason="wait")

    async def _resume(self, life: Life) -> None:
        await command.resume(life.node, self.luck.choice(self._pids("transfer", "state = 'SUSPENDED'")))

    async def _complete(self, life: Life) -> None:
        await command.complete(life.node, self.luck.choice(self._pids("transfer", "state = 'STARTED'")))

    async def _end_transfer(self, life: Life) -> None:
        await command.terminate_transfer(life.node, self.luck.choice(self._pids("transfer", OPEN)), reason="enough")

    async def _end_all(self, life: Life) -> None:
        for pid in self._pids("transfer", OPEN):
            if self.luck.random() < 0.7:
                await self._ended(command.terminate_transfer(life.node, pid, reason="closing time"))
        for pid in self._pids("negotiation", OPEN):
            if self.luck.random() < 0.7:
                await self._ended(command.terminate(life.node, pid, reason="closing time"))

    async def _ended(self, work: Any) -> None:
        try:
            await work
        except (WeftError, ContractError) as error:
            self.world.tell(self.side.name, f"person: closing: {error}")
