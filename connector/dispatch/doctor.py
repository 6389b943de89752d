"""What is wrong between us and a partner: checks in order, one finding each, and for every failure who must mend what.

    members    in the list in force              identity    the partner accepts our token
    keys       ours and theirs, in force          versions    it speaks our version of the protocol
    name       its host leads somewhere           extensions  what it speaks beside the protocol
    connection something listens there, TLS       catalog     it can be read, and shows us something
    clock      ours and theirs agree              callback    where we take messages, as the partner sees it
    listener   we answer there ourselves          stop        nothing is stopped with it
    waiting    what is still to be sent to it

Each finding is the sentence `doctor.<check>.<code>` with its values. Nothing is changed anywhere, and no token or key is in any
value. The whole is bounded: a check that does not end in time is a finding, too.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any, TypeAlias

from connector.clock import stamp
from connector.dispatch import diagnosis, probes
from connector.dispatch.asked import Asked
from connector.dispatch.diagnosis import problem
from connector.dispatch.finding import Finding, Who, skipped, texts
from connector.dispatch.peers import root_of
from connector.dispatch.resolve import Lookup, Networks
from connector.errors import AuthenticationError, WeftError
from connector.exchange.node import Node
from connector.exchange.process import object_in
from connector.identity.members import MemberList
from connector.store import control
from connector.store import story as stored
from connector.store.database import Tx

TOTAL_S = 30.0
EXPIRES_SOON = timedelta(days=7)
WAITING_SHOWN = 1000

Check: TypeAlias = Callable[[], Awaitable[Finding]]


class Doctor:
    """One examination of one partner."""

    def __init__(self, node: Node, participant: str, *, lookup: Lookup | None = None) -> None:
        """`lookup` answers for names in place of the operating system."""
        self._node = node
        self._participant = participant
        self._asked = Asked(node, participant, lookup=lookup)

    async def examine(self, total_s: float = TOTAL_S) -> AsyncIterator[Finding]:
        """The findings in order, each as soon as it and those before it are known."""
        checks: dict[str, Check] = {
            "members": self._members,
            "keys": self._keys,
            **{
                name: partial(getattr(diagnosis, name), self._asked)
                for name in ("name", "connection", "clock", "identity", "versions", "extensions", "catalog")
            },
            "callback": self._callback,
            "listener": self._listener,
            "stop": self._stop,
            "waiting": self._waiting,
        }
        until = asyncio.get_running_loop().time() + total_s
        tasks = [asyncio.create_task(self._bounded(name, check, until)) for name, check in checks.items()]
        try:
            for task in tasks:
                yield await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._asked.close()

    async def _bounded(self, name: str, check: Check, until: float) -> Finding:
        try:
            async with asyncio.timeout_at(until):
                return await check()
        except TimeoutError:
            return Finding(name, "fail", "slow", "partner")
        except WeftError:
            # Without an entry in a list that is in force there is nothing to look at; the first check says so.
            return skipped(name, "members")

    # -- the member list -------------------------------------------------------------------------------------------------

    def _list(self) -> MemberList:
        return self._node.members.current()

    async def _members(self) -> Finding:
        try:
            members = self._list()
        except WeftError as error:
            who: Who = "authority" if error.code == "member-list-expired" else "us"
            return Finding("members", "fail", "none", who, {"code": error.code, **texts(error.facts)})
        facts = {"participant": self._participant, "seq": members.seq, "expires": stamp(members.expires)}
        member = members.members.get(self._participant)
        if member is None:
            return Finding("members", "fail", "unlisted", "authority", facts)
        if members.expires - self._node.clock.now() < EXPIRES_SOON:
            return Finding("members", "warn", "expires", "authority", facts)
        return Finding("members", "ok", "listed", facts={**facts, "address": member.dsp})

    async def _keys(self) -> Finding:
        members, node = self._list(), self._node
        now, ours = node.clock.now(), node.ring.kids["token"]
        if node.participant not in members.members:
            return Finding("keys", "fail", "unlisted", "authority", {"participant": node.participant})
        try:
            members.key(ours, "token", now)
        except AuthenticationError as error:
            return Finding("keys", "fail", "ours", "authority", {"code": error.code, "kid": ours})
        usable = 0
        for key in self._asked.partner().keys:
            with contextlib.suppress(AuthenticationError):
                members.key(key.kid, "token", now)
                usable += 1
        if not usable:
            return Finding("keys", "fail", "theirs", "authority", {"participant": self._participant})
        return Finding("keys", "ok", "in-force", facts={"kid": ours})

    # -- where we are called ---------------------------------------------------------------------------------------------

    async def _callback(self) -> Finding:
        node = self._node
        own = self._list().members.get(node.participant)
        if own is None:
            return skipped("callback", "keys")
        facts: dict[str, Any] = {"address": node.base, "listed": own.dsp}
        if own.dsp != node.base:
            return Finding("callback", "fail", "other", "us", facts)
        self._asked.partner()  # without one there is nobody to whom our address could mean anything
        # What our name leads to is what others are told, too: here it is read, not called.
        seen = await probes.look_up(own.origin, Networks.everything(), self._asked.lookup)
        if not seen.addresses:
            return Finding("callback", "fail", "unknown", "us", {**facts, **seen.facts})
        theirs = (await self._asked.looked_up()).addresses
        here = bool(theirs) and all(probes.is_here(each) for each in theirs)
        code = probes.judge_callback(seen.addresses, theirs, here=here)
        facts["addresses"] = ", ".join(seen.addresses)
        return Finding(
            "callback", "ok" if code == "fits" else "fail", code, "nobody" if code == "fits" else "us", facts
        )

    async def _listener(self) -> Finding:
        """Our own address, called as a partner would: what answers there must be we."""
        node = self._node
        own = self._list().members.get(node.participant)
        if own is None:
            return skipped("listener", "keys")
        heard = await self._asked.ask("GET", f"{root_of(own.dsp)}/.well-known/weft", node.participant)
        facts: dict[str, Any] = {"address": own.dsp}
        if heard.answer is None:
            # Some routers do not let a machine call itself by its outer address: a partner may still get through.
            return Finding("listener", "warn", "silent", "us", {**facts, **problem(heard)})
        if object_in(heard.answer.body).get("participantId") != node.participant:
            return Finding("listener", "fail", "another", "us", {**facts, "status": heard.answer.status})
        return Finding("listener", "ok", "answers", facts=facts)

    # -- what is between us ----------------------------------------------------------------------------------------------

    async def _stop(self) -> Finding:
        found = await self._node.db.read(lambda tx: control.stopped(tx, self._participant))
        if found is None:
            return Finding("stop", "ok", "none")
        return Finding(
            "stop", "warn", "stopped", "us", {"participant": found.participant, "at": found.at, "reason": found.reason}
        )

    async def _waiting(self) -> Finding:
        def work(tx: Tx) -> tuple[list[stored.Pending], list[tuple[str, str]]]:
            waiting = stored.pending_to(tx, self._participant, WAITING_SHOWN)
            return waiting, stored.unanswered(tx, self._participant, WAITING_SHOWN)

        waiting, unanswered = await self._node.db.read(work)
        if waiting:
            worst = max(waiting, key=lambda each: each.attempts)
            facts = {
                "number": len(waiting),
                "since": stamp(waiting[0].since),
                "attempts": worst.attempts,
                "problem": worst.problem or "-",
                "next": stamp(max(min(each.next for each in waiting), self._node.clock.now())),
                "process": worst.process,
            }
            return Finding(
                "waiting",
                "warn" if worst.attempts else "ok",
                "unsent" if worst.attempts else "under-way",
                "partner",
                facts,
            )
        if unanswered:
            pid, since = unanswered[0]
            return Finding(
                "waiting", "warn", "unanswered", "partner", {"number": len(unanswered), "since": since, "process": pid}
            )
        return Finding("waiting", "ok", "nothing")
