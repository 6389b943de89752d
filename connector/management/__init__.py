"""The management side of a daemon: the native API under `/v1`, its events and its metrics, for whoever holds a management key."""
