"""Virtual time for everything in core that reads a `Clock`."""

import pytest
import trio
from trio.testing import MockClock

from opensqt_core.clock import Clock

EPOCH_MS = 1_700_000_000_000


class VirtualClock:
    """A `Clock` whose wall time is trio's virtual time; trio's own starts at 0."""

    def now_ms(self) -> int:
        return EPOCH_MS + round(trio.current_time() * 1000)

    def monotonic(self) -> float:
        return trio.current_time()


@pytest.fixture
def virtual_clock(autojump_clock: MockClock) -> Clock:
    """The test itself must ask for `autojump_clock` too, or pytest-trio runs it in real time."""
    return VirtualClock()
