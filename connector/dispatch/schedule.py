"""When a message is tried again: bounded, exponential, jittered."""


def pause_s(attempts: int, first_s: float, limit_s: float, luck: float) -> float:
    """Seconds to wait after `attempts` earlier failures; `luck` in [0, 1) spreads what failed together.

    >>> pause_s(0, 1.0, 300.0, 0.0), pause_s(3, 1.0, 300.0, 0.0), pause_s(60, 1.0, 300.0, 0.0)
    (0.5, 4.0, 150.0)
    """
    longest = min(limit_s, first_s * float(1 << min(attempts, 32)))
    return longest * (0.5 + 0.5 * luck)
