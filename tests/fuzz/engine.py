"""Two engines for the same targets: Hypothesis, which is always there, and atheris where somebody has installed it."""

import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.mutations import broken, encoded, mutated
from tests.fuzz.target import FailedError, Target

SEEDS = st.integers(0, 2**32 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def bent(target: Target, number: int) -> bytes:
    """One input made from a seed of the target: the same for the same number."""
    luck = random.Random(number)
    data = luck.choice(target.seeds)
    if target.json:
        data = encoded(mutated(json.loads(data), luck, luck.choice((1, 1, 2, 3, 8))))
    if not target.json or luck.random() < 0.1:
        for _ in range(luck.choice((1, 1, 2, 4))):
            data = broken(data, luck)
    return data


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Mostly bent seeds, some documents and bytes of no shape at all."""
    shaped = SEEDS.map(lambda number: bent(target, number))
    anything = (
        JSON.map(encoded) if target.json else st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
    )
    return st.one_of(shaped, shaped, shaped, anything, st.binary(max_size=200))


@dataclass
class Run:
    """What one engine did with one target."""

    target: str
    inputs: int
    seconds: float
    failed: FailedError | None = None


def with_hypothesis(target: Target, seconds: float, *, first_seed: int = 0) -> Run:
    """Try inputs until the time is over or one fails: half of it bent seeds in order, half whatever Hypothesis thinks of."""
    began, number = time.monotonic(), first_seed
    tried = [0]
    try:
        while time.monotonic() - began < seconds / 2:
            tried[0] += 1
            target.check(bent(target, number))
            number += 1
        while time.monotonic() - began < seconds:
            _examples(target, number, tried)
            number += 1
    except FailedError as failed:
        return Run(target.name, tried[0], time.monotonic() - began, failed)
    return Run(target.name, tried[0], time.monotonic() - began)


def _examples(target: Target, number: int, tried: list[int]) -> None:
    @seed(number)
    @settings(
        max_examples=100,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(target))
    def examples(data: bytes) -> None:
        tried[0] += 1
        target.check(data)

    examples()


def with_atheris(target: Target, seconds: float) -> Run:
    """Run the target in a process of its own, because libFuzzer takes the whole process and ends it."""
    began = time.monotonic()
    code = f"from tests.fuzz.engine import atheris_main; atheris_main({target.name!r}, {int(seconds)})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    ran = [line for line in ended.stderr.splitlines() if line.startswith("stat::number_of_executed_units:")]
    tried = int(ran[0].rpartition(":")[2]) if ran else 0
    failed = (
        None if ended.returncode == 0 else FailedError(target.name, b"", ended.stdout[-4000:] + ended.stderr[-4000:])
    )
    return Run(target.name, tried, time.monotonic() - began, failed)


def atheris_main(name: str, seconds: int) -> None:
    """Run libFuzzer over one target; a failing input is kept and the process ends with an error."""
    import tempfile  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    import atheris  # noqa: PLC0415  not a dependency of ours

    with atheris.instrument_imports(include=["policies", "contracts", "catalog", "connector.identity"]):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415  instrumented as it is imported

    target = TARGETS[name]

    def one(data: bytes) -> None:
        try:
            target.check(data)
        except FailedError as failed:
            sys.stdout.write(f"kept {target.keep(failed.data)}\n{failed}\n")
            raise

    def mutate(data: bytes, max_size: int, number: int) -> bytes:
        luck = random.Random(number)
        if luck.random() < 0.5:
            return bent(target, number)[:max_size]
        try:
            return encoded(mutated(json.loads(data), luck))[:max_size]
        except (ValueError, RecursionError):
            return bytes(atheris.Mutate(data, max_size))

    corpus = Path(tempfile.mkdtemp(prefix="weft-fuzz-"))
    for place, content in enumerate(target.seeds):
        (corpus / str(place)).write_bytes(content)
    arguments = [sys.argv[0], str(corpus), f"-max_total_time={seconds}", "-max_len=65536", "-print_final_stats=1"]
    atheris.Setup(arguments, one, custom_mutator=mutate)
    atheris.Fuzz()
