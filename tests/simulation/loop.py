"""An event loop without a world: its time is simulated, its threads are function calls, and the same run is the same every time.

What is due at one instant runs in the order in which it was asked for; when nothing is due, time jumps to whatever comes next.
"""

import asyncio
import contextvars
import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Any


class Handle:
    """A call that is to come."""

    __slots__ = ("args", "callback", "cancelled_", "context", "when_")

    def __init__(self, callback: Any, args: tuple[Any, ...], context: Any, when: float = 0.0) -> None:
        self.callback = callback
        self.args = args
        self.context = context if context is not None else contextvars.copy_context()
        self.when_ = when
        self.cancelled_ = False

    def cancel(self) -> None:
        self.cancelled_ = True
        self.callback, self.args = None, ()

    def cancelled(self) -> bool:
        return self.cancelled_

    def when(self) -> float:
        return self.when_


class StuckError(Exception):
    """More calls than a run may need."""


class Loop(asyncio.AbstractEventLoop):
    """As much of an event loop as the exchange uses. `failures` are errors that nobody has taken."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls = 0
        self.failures: list[dict[str, Any]] = []
        self.begun: Callable[[Any], None] = lambda _task: None  # hears of every task
        self._soon: deque[Handle] = deque()
        self._later: list[tuple[float, int, Handle]] = []
        self._numbers = itertools.count()

    # -- running -----------------------------------------------------------------------------------------------------

    def run(self, *, until: float = float("inf"), most: int = 10**9) -> None:
        """Run until nothing is left to do, or until this time; raises StuckError after `most` calls."""
        asyncio._set_running_loop(self)
        soon, later, left = self._soon, self._later, most
        try:
            while True:
                while soon:
                    handle = soon.popleft()
                    if not handle.cancelled_:
                        handle.context.run(handle.callback, *handle.args)
                        left -= 1
                if left < 0:
                    raise StuckError(f"more than {most} calls")
                while later and later[0][2].cancelled_:
                    heapq.heappop(later)
                if not later or later[0][0] > until:
                    if until != float("inf"):
                        self.now = max(self.now, until)
                    return
                self.now = max(self.now, later[0][0])
                while later and later[0][0] <= self.now:
                    soon.append(heapq.heappop(later)[2])
        finally:
            self.calls += most - left
            asyncio._set_running_loop(None)

    # -- what asyncio asks of a loop -----------------------------------------------------------------------------------

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = Handle(callback, args, context)
        self._soon.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = Handle(callback, args, context, when)
        heapq.heappush(self._later, (when, next(self._numbers), handle))
        return handle

    def create_future(self) -> Any:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None, **_: Any) -> Any:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self.begun(task)
        return task

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """What would run in a thread runs here."""
        future = self.create_future()
        try:
            result = func(*args)
        except Exception as error:  # noqa: BLE001  it is the answer
            future.set_exception(error)
        else:
            future.set_result(result)
        return future

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.failures.append(context)
