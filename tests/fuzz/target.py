"""What a target of fuzzing is, and what must hold of every input: only documented errors, in bounded time, nothing kept."""

import hashlib
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# Far above what any input of a few kilobytes needs on a busy machine, far below what an attacker would want.
LIMIT_S = 2.0
KEPT = Path(__file__).parent / "kept"


class FailedError(AssertionError):
    """An input broke the property; `data` is the input."""

    def __init__(self, target: str, data: bytes, why: str) -> None:
        super().__init__(f"{target}: {why}\ninput: {data[:500]!r}")
        self.data = data


@dataclass(frozen=True)
class Target:
    """`run` takes bytes as they come from outside and may raise `documented` errors only.

    `seeds` are inputs that are read; `json` says whether their mutations are mutations of documents.
    """

    name: str
    run: Callable[[bytes], object]
    documented: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]
    json: bool = True
    limit_s: float = field(default=LIMIT_S)

    def check(self, data: bytes) -> None:
        """Raise FailedError unless the property holds for this input."""
        began = time.process_time()
        try:
            self.run(data)
        except self.documented:
            pass
        except Exception as error:
            raise FailedError(self.name, data, "".join(traceback.format_exception(error)[-4:])) from error
        took_s = time.process_time() - began
        if took_s > self.limit_s:
            raise FailedError(self.name, data, f"took {took_s:.1f} s of processor time")

    def keep(self, data: bytes) -> Path:
        """Write a failing input down for the test that replays it."""
        folder = KEPT / self.name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{hashlib.sha256(data).hexdigest()[:16]}.bin"
        path.write_bytes(data)
        return path

    def kept(self) -> list[Path]:
        """Inputs that failed once."""
        return sorted((KEPT / self.name).glob("*.bin"))
