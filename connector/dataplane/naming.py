"""Where a received delivery is kept: `received/<agreement>/<dataset>-<delivery>.<kind>` below the data folder."""

import re
from pathlib import Path

from connector.store.delivery import Delivery

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
NAME_MOST = 80
SHORT = 8


def place_of(data_dir: Path, delivery: Delivery, suffix: str) -> Path:
    """The final path of a delivery; its names hold nothing but letters, digits, dot, dash and underscore."""
    dataset = _UNSAFE.sub("_", delivery.dataset).strip("._")[:NAME_MOST] or "data"
    name = _UNSAFE.sub("_", delivery.id.rpartition(":")[2])[:SHORT]
    folder = delivery.agreement.rpartition(":")[2][: 2 * SHORT]
    return data_dir / "received" / folder / f"{dataset}-{name}{suffix}"
