"""Time: the wall, the monotonic clock, and what a venue thinks the time is."""

import time
from collections import deque
from typing import Protocol

import attrs
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


@attrs.frozen
class _Sample:
    offset_ms: int
    round_trip_ms: int


class VenueClock:
    """A venue's time, estimated from its own answers. It is a `Clock` itself.

    Of the last few measurements the one with the smallest round trip counts, since half of it bounds the error. Our
    estimate stays that half behind the venue: a signature from the past is accepted for the length of the venue's
    window, one from the future is refused at once (Binance allows 1 s, others less).
    """

    _KEPT = 5

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: deque[_Sample] = deque(maxlen=self._KEPT)
        self._best = _Sample(0, 0)
        self._observed_at: float | None = None
        self._synchronised = False

    def observe(self, server_ms: int, sent_ms: int, received_ms: int) -> None:
        """Take one measurement: the venue's time, and our wall clock before and after asking for it.

        A measurement during which our own clock was set back (`received_ms` before `sent_ms`) says nothing and is not
        used.
        """
        round_trip = received_ms - sent_ms
        if round_trip < 0:
            return
        self._samples.append(_Sample(server_ms - (sent_ms + received_ms) // 2, round_trip))
        self._best = min(self._samples, key=lambda sample: sample.round_trip_ms)
        self._observed_at = self._clock.monotonic()
        self._synchronised = True

    def now_ms(self) -> int:
        """Venue time in milliseconds UTC, slightly behind; our own time while nothing was measured."""
        return self._clock.now_ms() + self._best.offset_ms - self.error_ms

    def monotonic(self) -> float:
        """Seconds on the underlying clock that never jumps."""
        return self._clock.monotonic()

    @property
    def offset_ms(self) -> int:
        """How far the venue's clock is ahead of ours, best estimate."""
        return self._best.offset_ms

    @property
    def error_ms(self) -> int:
        """How wrong `offset_ms` may be either way: half the round trip, rounded up."""
        return (self._best.round_trip_ms + 1) // 2

    @property
    def synchronised(self) -> bool:
        """Whether there is a measurement that the venue has not contradicted."""
        return self._synchronised

    def unsynchronise(self) -> None:
        """Forget the measurements because the venue refused our time; the estimate stays until the next one."""
        self._samples.clear()
        self._synchronised = False

    def age_s(self) -> float:
        """Seconds since the last measurement; infinite before the first."""
        return float("inf") if self._observed_at is None else self._clock.monotonic() - self._observed_at
