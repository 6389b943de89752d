"""Use cases: what happens, in which transaction."""
