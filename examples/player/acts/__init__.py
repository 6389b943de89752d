"""What the steps of a package do: one coroutine per verb, given the stage and the step. `ACTS` is the table of them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from examples.player import steps
from examples.player.acts import delivering, finding, founding, intruding, proving, refusing
from examples.player.stage import Stage

Act = Callable[[Stage, Any], Awaitable[None]]

ACTS: Mapping[type[steps.Step], Act] = {
    steps.Found: founding.found,
    steps.Serve: founding.serve,
    steps.Publish: founding.publish,
    steps.Crawl: founding.crawl,
    steps.Find: finding.find,
    steps.Terms: finding.terms,
    steps.Silence: finding.silence,
    steps.Fetch: delivering.fetch,
    steps.Interrupt: delivering.interrupt,
    steps.Refuse: refusing.refuse,
    steps.Columns: refusing.columns,
    steps.Suspend: refusing.suspend,
    steps.Foresee: refusing.foresee,
    steps.Intrude: intruding.intrude,
    steps.Prove: proving.prove,
    steps.Tamper: proving.tamper,
}
