"""Exponential back-off between restarts of something that keeps ending."""


class Backoff:
    """Waits `first_s`, then twice as long each time up to `limit_s`; what lived `stable_s` starts afresh."""

    def __init__(self, first_s: float = 0.5, limit_s: float = 30.0, stable_s: float = 30.0) -> None:
        self._first_s = first_s
        self._limit_s = limit_s
        self._stable_s = stable_s
        self._next_s = first_s

    def delay_s(self, lived_s: float) -> float:
        """How long to wait now that it has ended after `lived_s`."""
        if lived_s >= self._stable_s:
            self._next_s = self._first_s
        delay_s = self._next_s
        self._next_s = min(2 * delay_s, self._limit_s)
        return delay_s
