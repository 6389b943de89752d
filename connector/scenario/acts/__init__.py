"""What the steps of a package do: one coroutine per verb, given the stage and the step. `ACTS` is the table of them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from connector.scenario import steps
from connector.scenario.acts import (
    agreeing,
    breaking,
    delivering,
    deriving,
    finding,
    founding,
    intruding,
    proving,
    refusing,
    settling,
)
from connector.scenario.stage import Stage

Act = Callable[[Stage, Any], Awaitable[None]]

ACTS: Mapping[type[steps.Step], Act] = {
    steps.Found: founding.found,
    steps.Serve: founding.serve,
    steps.Publish: founding.publish,
    steps.Crawl: founding.crawl,
    steps.Find: finding.find,
    steps.Terms: finding.terms,
    steps.Silence: finding.silence,
    steps.Negotiate: agreeing.negotiate,
    steps.Fetch: delivering.fetch,
    steps.Interrupt: delivering.interrupt,
    steps.Kill: breaking.kill,
    steps.Revive: breaking.revive,
    steps.Stop: breaking.stop,
    steps.Owed: delivering.owed,
    steps.Derive: deriving.derive,
    steps.Release: deriving.release,
    steps.Trace: deriving.trace,
    steps.Reoffer: deriving.reoffer,
    steps.Refuse: refusing.refuse,
    steps.Columns: refusing.columns,
    steps.Suspend: refusing.suspend,
    steps.Foresee: refusing.foresee,
    steps.Intrude: intruding.intrude,
    steps.Sign: settling.sign,
    steps.Premature: settling.premature,
    steps.Book: settling.book,
    steps.Close: settling.close,
    steps.Statement: settling.statement,
    steps.Prove: proving.prove,
    steps.Tamper: proving.tamper,
}
