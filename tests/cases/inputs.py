"""The inputs of the public bug reports retold in `shared/cases`, read in place."""

import json

from tests.shared import shared


def case(name):
    """The input of a case by its file name without `.json`."""
    return json.loads(shared(f"cases/inputs/{name}.json").read_bytes())
