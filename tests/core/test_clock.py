import time

from hypothesis import given
from hypothesis import strategies as st

from opensqt_core.clock import SystemClock, VenueClock


class SetClock:
    """A clock that shows what it is told."""

    def __init__(self) -> None:
        self.ms = 1_000_000
        self.seconds = 50.0

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.seconds


async def test_the_system_clock_reads_the_machine() -> None:
    clock = SystemClock()
    assert abs(clock.now_ms() - time.time() * 1000) < 60_000
    assert clock.monotonic() <= clock.monotonic()


def test_before_any_measurement_it_is_our_own_time() -> None:
    clock = VenueClock(SetClock())
    assert clock.now_ms() == 1_000_000
    assert not clock.synchronised
    assert clock.age_s() == float("inf")


@given(
    true_offset=st.integers(-100_000, 100_000),
    there=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000)), min_size=1, max_size=12),
)
def test_it_is_never_ahead_of_the_venue_nor_further_behind_than_the_round_trip(
    true_offset: int, there: list[tuple[int, int]]
) -> None:
    machine = SetClock()
    clock = VenueClock(machine)
    for out, back in there:
        sent = machine.ms
        machine.ms += out + back
        clock.observe(sent + out + true_offset, sent, machine.ms)
    behind = machine.ms + true_offset - clock.now_ms()
    best = min(out + back for out, back in there[-5:])
    assert 0 <= behind <= best + 2
    assert clock.error_ms == (best + 1) // 2
    assert abs(clock.offset_ms - true_offset) <= clock.error_ms + 1


def test_old_measurements_lose_their_say() -> None:
    clock = VenueClock(SetClock())
    clock.observe(1_000_500, 1_000_000, 1_000_000)
    for _ in range(5):
        clock.observe(1_000_050, 1_000_000, 1_000_100)
    assert clock.offset_ms == 0
    assert clock.error_ms == 50


def test_a_measurement_across_a_set_back_clock_is_not_used() -> None:
    clock = VenueClock(SetClock())
    clock.observe(5_000_000, 1_000_000, 999_000)
    assert not clock.synchronised
    assert clock.now_ms() == 1_000_000


def test_after_a_contradiction_only_new_measurements_count() -> None:
    machine = SetClock()
    clock = VenueClock(machine)
    clock.observe(1_000_500, 1_000_000, 1_000_000)
    machine.seconds += 30
    before, age = clock.synchronised, clock.age_s()
    clock.unsynchronise()
    assert (before, age, clock.synchronised) == (True, 30, False)
    assert clock.now_ms() == 1_000_500
    clock.observe(1_002_050, 1_000_000, 1_000_100)
    assert clock.offset_ms == 2_000
    assert clock.monotonic() == 80
