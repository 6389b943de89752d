"""How much each part does: enough for a steady figure, or just enough to show that it runs."""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sizes:
    """Counts of repetitions; `rounds` are the times that Weft and the floor take turns, so that both meet the same weather."""

    rounds: int
    warm_up: int
    negotiations: int
    at_once: int
    burst: int
    file_bytes: int
    pages: int
    few_datasets: int
    many_datasets: int
    writers: int
    writes: int
    starts: int
    syncs: int
    decisions: int
    meshes: tuple[int, ...]
    pair_bytes: int
    usage_records: tuple[int, int]
    usage_accounts: int


FULL = Sizes(
    rounds=5,
    warm_up=30,
    negotiations=40,
    at_once=64,
    burst=512,
    file_bytes=1000 * 1000 * 1000,
    pages=400,
    few_datasets=1_000,
    many_datasets=100_000,
    writers=64,
    writes=200,
    starts=7,
    syncs=500,
    decisions=20_000,
    meshes=(6, 12, 24),
    pair_bytes=1000 * 1000,
    usage_records=(100_000, 1_000_000),
    usage_accounts=1_000,
)
TINY = Sizes(
    rounds=1,
    warm_up=1,
    negotiations=2,
    at_once=4,
    burst=8,
    file_bytes=3 * MIB + 5,
    pages=5,
    few_datasets=60,
    many_datasets=120,
    writers=8,
    writes=3,
    starts=1,
    syncs=5,
    decisions=50,
    meshes=(2, 3),
    pair_bytes=5000,
    usage_records=(200, 2_000),
    usage_accounts=20,
)
