"""Time: the wall, the monotonic clock, and what a venue thinks the time is."""

import time
from typing import Protocol

import trio


class Clock(Protocol):
    """The seam through which all time is read; virtual in backtests and tests."""

    def now_ms(self) -> int:
        """Milliseconds UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps; trio's, so that virtual time in tests moves it too."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        """Milliseconds UTC from the machine's wall clock."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """trio's current time."""
        return trio.current_time()
