"""The rate limiter in virtual time: no window overflows at the venue, and who matters more goes first."""

from collections import Counter, defaultdict

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from opensqt_core.clock import VenueClock
from opensqt_core.errors import Banned
from opensqt_core.ratelimit import BOUNDARY_MS, SHARES, Limit, Priority, RateLimiter

WEIGHT = Limit(name="weight", amount=100, seconds=60)
ORDERS = Limit(name="orders", amount=10, seconds=10)
NOW = 1_699_999_980_000  # the beginning of a minute


class WindowClock:
    """Wall time that begins at the start of a minute and follows trio's."""

    def now_ms(self) -> int:
        return NOW + round(trio.current_time() * 1000)

    def monotonic(self) -> float:
        return trio.current_time()


def limiter_of(*limits: Limit) -> RateLimiter:
    return RateLimiter(limits or (WEIGHT, ORDERS), VenueClock(WindowClock()))


async def passed(limiter: RateLimiter, cost: dict[str, int], priority: Priority = Priority.PROTECT) -> float:
    await limiter.acquire(cost, priority)
    return trio.current_time()


async def test_what_fits_goes_at_once_and_the_rest_with_the_next_window(autojump_clock: MockClock) -> None:
    limiter = limiter_of()
    assert [await passed(limiter, {"weight": 40}) for _ in range(5)] == [0, 0, 60, 60, 120]


async def test_the_scarcest_limit_decides(autojump_clock: MockClock) -> None:
    limiter = limiter_of()
    times = [await passed(limiter, {"weight": 1, "orders": 4}) for _ in range(4)]
    assert times == [0, 0, 10, 10]


async def test_lower_classes_leave_headroom(autojump_clock: MockClock) -> None:
    limiter = limiter_of()
    for _ in range(70):
        assert await passed(limiter, {"weight": 1}, Priority.READ) == 0
    for priority, count in ((Priority.PLACE, 15), (Priority.SETTLE, 10), (Priority.PROTECT, 5)):
        assert limiter.would_wait({"weight": 1}, Priority(priority + 1))
        for _ in range(count):
            assert not limiter.would_wait({"weight": 1}, priority)
            assert await passed(limiter, {"weight": 1}, priority) == 0
    assert limiter.would_wait({"weight": 1}, Priority.PROTECT)
    assert await passed(limiter, {"weight": 1}, Priority.READ) == 60


async def test_an_untouched_window_admits_what_no_share_holds(autojump_clock: MockClock) -> None:
    limiter = limiter_of()
    assert await passed(limiter, {"weight": 100}, Priority.READ) == 0
    assert await passed(limiter, {"weight": 90}, Priority.READ) == 60


async def test_everybody_who_fits_into_the_next_window_goes_with_it(autojump_clock: MockClock) -> None:
    limiter = limiter_of()
    await limiter.acquire({"weight": 100}, Priority.PROTECT)
    async with trio.open_nursery() as nursery:
        for priority in (*Priority, Priority.READ, Priority.PLACE):
            nursery.start_soon(limiter.acquire, {"weight": 10}, priority)
    assert trio.current_time() == 60
    assert limiter.headroom()["weight"] == pytest.approx(0.4)


async def test_a_waiter_holds_up_only_those_who_need_the_same_limit(autojump_clock: MockClock) -> None:
    limiter = limiter_of()
    await limiter.acquire({"orders": 10}, Priority.PROTECT)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(limiter.acquire, {"orders": 5, "weight": 5}, Priority.PLACE)
        await trio.testing.wait_all_tasks_blocked()
        assert limiter.would_wait({"weight": 1}, Priority.READ)
        assert not limiter.would_wait({"weight": 1}, Priority.PROTECT)
        assert await passed(limiter, {"weight": 1}, Priority.PROTECT) == 0
        assert await passed(limiter, {"weight": 1}, Priority.READ) == 10


async def test_waiters_go_by_priority_then_by_turn(autojump_clock: MockClock) -> None:
    limiter = limiter_of(Limit(name="weight", amount=10, seconds=60))
    await limiter.acquire({"weight": 10}, Priority.PROTECT)
    order: list[tuple[float, int]] = []

    async def want(turn: int, priority: Priority) -> None:
        await limiter.acquire({"weight": 7}, priority)
        order.append((trio.current_time(), turn))

    async with trio.open_nursery() as nursery:
        for turn, priority in enumerate((Priority.READ, Priority.PLACE, Priority.PLACE, Priority.PROTECT)):
            nursery.start_soon(want, turn, priority)
            await trio.testing.wait_all_tasks_blocked()
    assert order == [(60, 3), (120, 1), (180, 2), (240, 0)]


async def test_a_cancelled_waiter_uses_nothing_and_holds_nobody_up(autojump_clock: MockClock) -> None:
    limiter = limiter_of()
    await limiter.acquire({"weight": 50}, Priority.PROTECT)
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(5):
            await limiter.acquire({"weight": 60}, Priority.PROTECT)
        nursery.start_soon(limiter.acquire, {"weight": 50}, Priority.PROTECT)
    assert trio.current_time() == 5
    assert limiter.headroom()["weight"] == 0


async def test_a_cancelled_waiter_lets_the_next_one_go_at_once(autojump_clock: MockClock) -> None:
    limiter = limiter_of()
    await limiter.acquire({"weight": 50}, Priority.PROTECT)
    gone: list[float] = []

    async def small() -> None:
        gone.append(await passed(limiter, {"weight": 10}))

    async with trio.open_nursery() as nursery:
        with trio.move_on_after(5):
            async with trio.open_nursery() as inner:
                inner.start_soon(limiter.acquire, {"weight": 60}, Priority.PROTECT)
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(small)
    assert gone == [5]


async def test_the_venues_count_wins_when_it_is_higher(autojump_clock: MockClock) -> None:
    limiter = limiter_of()
    await limiter.acquire({"weight": 10}, Priority.PROTECT)
    limiter.observe({"weight": 60, "unheard_of": 5})
    assert limiter.headroom()["weight"] == pytest.approx(0.4)
    await limiter.acquire({"weight": 20}, Priority.PROTECT)
    assert limiter.headroom()["weight"] == pytest.approx(0.2)
    limiter.observe({"weight": 25})  # it lags behind what we have sent since: ours counts
    assert limiter.headroom()["weight"] == pytest.approx(0.7)
    assert await passed(limiter, {"weight": 71}) == 60


async def test_a_lower_count_of_the_venue_lets_waiters_go(autojump_clock: MockClock) -> None:
    limiter = limiter_of()
    limiter.observe({"weight": 100})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(limiter.acquire, {"weight": 10}, Priority.PROTECT)
        await trio.sleep(3)
        limiter.observe({"weight": 20})
    assert trio.current_time() == 3


async def test_limits_are_learned(autojump_clock: MockClock) -> None:
    limiter = limiter_of()
    limiter.set_limit("weight", 200)
    assert await passed(limiter, {"weight": 150}) == 0
    limiter.set_limit("weight", 160)
    assert await passed(limiter, {"weight": 20}) == 60
    with pytest.raises(ValueError, match="no limit is called speed"):
        limiter.set_limit("speed", 5)
    with pytest.raises(ValueError, match="cannot be 0"):
        limiter.set_limit("weight", 0)


async def test_a_raised_limit_lets_waiters_go_and_a_lowered_one_refuses_them(autojump_clock: MockClock) -> None:
    limiter = limiter_of()
    await limiter.acquire({"weight": 60}, Priority.PROTECT)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(limiter.acquire, {"weight": 60}, Priority.PROTECT)
        await trio.sleep(1)
        limiter.set_limit("weight", 120)
    assert trio.current_time() == 1
    with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="never fit")):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(limiter.acquire, {"weight": 60}, Priority.PROTECT)
            await trio.sleep(1)
            limiter.set_limit("weight", 50)


async def test_a_pause_holds_everybody(autojump_clock: MockClock) -> None:
    limiter = limiter_of()
    limiter.pause(5)
    limiter.pause(2)
    assert limiter.would_wait({"weight": 1}, Priority.PROTECT)
    assert limiter.headroom() == {"weight": 0, "orders": 0}
    assert await passed(limiter, {"weight": 1}) == pytest.approx(5)
    assert not limiter.would_wait({"weight": 1}, Priority.PROTECT)
    limiter.pause(3)
    assert await passed(limiter, {}) == pytest.approx(8)


async def test_a_ban_refuses_at_once_those_who_wait_too(autojump_clock: MockClock) -> None:
    limiter = limiter_of()
    await limiter.acquire({"weight": 100}, Priority.PROTECT)
    with pytest.RaisesGroup(Banned):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(limiter.acquire, {"weight": 1}, Priority.READ)
            await trio.sleep(1)
            limiter.ban(NOW + 90_000)
    assert trio.current_time() == 1
    with pytest.raises(Banned) as refusal:
        await limiter.acquire({}, Priority.PROTECT)
    assert refusal.value.until_ms == NOW + 90_000
    assert limiter.would_wait({}, Priority.PROTECT)
    await trio.sleep(89)
    assert await passed(limiter, {"weight": 1}) == 90


async def test_impossible_costs_are_mistakes(autojump_clock: MockClock) -> None:
    limiter = limiter_of()
    with pytest.raises(ValueError, match="101 units never fit into limit weight of 100"):
        await limiter.acquire({"weight": 101}, Priority.PROTECT)
    with pytest.raises(ValueError, match="no limit is called speed"):
        limiter.would_wait({"speed": 1}, Priority.PROTECT)
    with pytest.raises(ValueError, match="same name"):
        limiter_of(WEIGHT, WEIGHT)


async def test_what_is_sent_at_the_very_end_of_a_window_counts_in_the_next_too(autojump_clock: MockClock) -> None:
    limiter = limiter_of()
    await trio.sleep(60 - BOUNDARY_MS / 1000)
    await limiter.acquire({"weight": 80}, Priority.PROTECT)
    await trio.sleep(1)
    assert limiter.headroom()["weight"] == pytest.approx(0.2)
    await trio.sleep(60)
    assert limiter.headroom()["weight"] == 1


class ShiftedClock(WindowClock):
    """Wall time that can be set."""

    shift_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.shift_ms


async def test_a_clock_corrected_back_over_a_boundary_opens_no_fresh_window(autojump_clock: MockClock) -> None:
    clock = ShiftedClock()
    limiter = RateLimiter([WEIGHT], VenueClock(clock))
    clock.shift_ms = 60_010
    await limiter.acquire({"weight": 100}, Priority.PROTECT)
    clock.shift_ms = 59_990
    assert limiter.would_wait({"weight": 1}, Priority.PROTECT)
    clock.shift_ms = -3_600_000  # the machine's clock was hours wrong: begin anew rather than wait for hours
    assert not limiter.would_wait({"weight": 1}, Priority.PROTECT)


Request = tuple[int, int, int, Priority, int]
REQUESTS = st.lists(
    st.tuples(
        st.integers(0, 40_000),  # starts this much later than the one before it, in ms
        st.integers(0, 60),  # weight
        st.integers(0, 4),  # orders
        st.sampled_from(list(Priority)),
        st.integers(0, BOUNDARY_MS),  # takes this long to reach the venue, in ms
    ),
    min_size=1,
    max_size=60,
)


@given(requests=REQUESTS)
def test_no_window_overflows_at_the_venue_and_everybody_is_served(
    requests: list[Request],
) -> None:
    arrived: dict[tuple[str, int], int] = defaultdict(int)
    by_class: dict[tuple[str, int], Counter[Priority]] = defaultdict(Counter)
    served = 0

    async def one(limiter: RateLimiter, request: Request) -> None:
        nonlocal served
        _, weight, orders, priority, delay = request
        await limiter.acquire({"weight": weight, "orders": orders}, priority)
        served += 1
        now_ms = WindowClock().now_ms()
        for limit, units in ((WEIGHT, weight), (ORDERS, orders)):
            arrived[limit.name, (now_ms + delay) // (limit.seconds * 1000)] += units
            by_class[limit.name, now_ms // (limit.seconds * 1000)][priority] += units

    async def main() -> None:
        limiter = limiter_of()
        async with trio.open_nursery() as nursery:
            for request in requests:
                await trio.sleep(request[0] / 1000)
                nursery.start_soon(one, limiter, request)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert served == len(requests)
    for (name, _), units in arrived.items():
        assert units <= {"weight": 100, "orders": 10}[name]
    for (name, _), classes in by_class.items():
        amount = {"weight": 100, "orders": 10}[name]
        for priority in Priority:
            lower = sum(units for other, units in classes.items() if other >= priority)
            alone = max((request[1 if name == "weight" else 2] for request in requests), default=0)
            assert lower <= max(amount * SHARES[priority], alone)
