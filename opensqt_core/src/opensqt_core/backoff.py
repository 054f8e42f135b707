"""How long to wait before trying again: capped exponential growth with full jitter."""

import random

import attrs

_MAX_DOUBLINGS = 62


@attrs.define
class Backoff:
    """The pauses between attempts. Pure but for its random numbers, which are handed in.

    Each pause is drawn between zero and a ceiling that doubles with every failure up to `cap`, so that many clients
    that were cut off together do not come back together. All times are seconds.
    """

    rng: random.Random
    first: float = 0.25
    """Ceiling of the first pause."""
    cap: float = 30.0
    reset_after: float = 60.0
    """An attempt that was live this long counts as a success: the next pause is a first one again."""
    failures: int = 0
    """Failures in a row so far."""

    def after(self, lived: float = 0.0) -> float:
        """Return the pause after an attempt that was live for `lived` seconds (0 if it never was)."""
        if lived >= self.reset_after:
            self.failures = 0
        ceiling = min(self.cap, self.first * 2 ** min(self.failures, _MAX_DOUBLINGS))
        self.failures += 1
        return self.rng.uniform(0.0, ceiling)
