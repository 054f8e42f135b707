"""Every outcome of a request becomes an event; doubt is never taken for failure."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
import trio
from tests.mm.given import T0
from tests.mm.venue_double import CAPABILITIES, FakeVenue, order

from opensqt_core.errors import (
    AuthFailed,
    Banned,
    DuplicateClientId,
    ExchangeError,
    InsufficientMargin,
    OrderNotFound,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
    WouldTake,
)
from opensqt_core.journal import events as ev
from opensqt_core.order import NewOrder, OrderStatus, Side
from opensqt_mm.executor import MAX_IN_FLIGHT, Executor


class VirtualClock:
    def now_ms(self) -> int:
        return T0 + round(trio.current_time() * 1000)

    def monotonic(self) -> float:
        return trio.current_time()


class Bench:
    """An executor, its venue, and what it reported."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.venue = FakeVenue()
        self.events: list[ev.Event] = []
        self.executor = Executor(
            self.venue,
            CAPABILITIES,
            clock=VirtualClock(),
            nursery=nursery,
            post=self.post,
            symbol="ETHUSDT",
        )

    async def post(self, events: Sequence[ev.Event]) -> None:
        await trio.lowlevel.checkpoint()
        self.events.extend(events)

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


def new(number: int) -> NewOrder:
    return NewOrder(
        symbol="ETHUSDT",
        side=Side.BUY,
        quantity=Decimal("0.1"),
        price=Decimal(3000),
        client_order_id=f"Ab3xM1B{number}",
        post_only=True,
    )


@pytest.fixture
def bench(nursery: trio.Nursery, autojump_clock: object) -> Bench:
    return Bench(nursery)


async def test_placements_go_in_batches_of_the_venues_size(bench: Bench, autojump_clock: object) -> None:
    bench.executor.place([new(number) for number in range(7)])
    assert bench.executor.placements == (MAX_IN_FLIGHT - 2) * 5
    await trio.sleep(1)
    assert sorted(len(batch) for batch in bench.venue.placed) == [2, 5]
    assert bench.kinds() == ["OrderAcknowledged"] * 7
    assert bench.executor.idle


async def test_the_rate_budget_is_never_more_than_the_venue_has_left(bench: Bench, autojump_clock: object) -> None:
    bench.venue.available = 3
    assert bench.executor.placements == 3


async def test_an_order_that_ended_in_its_reply_says_so(bench: Bench, autojump_clock: object) -> None:
    bench.venue.answers = [[order("Ab3xM1B0", status=OrderStatus.EXPIRED, would_take=True)]]
    bench.executor.place([new(0)])
    await trio.sleep(1)
    assert bench.kinds() == ["OrderAcknowledged", "OrderUpdated"]


@pytest.mark.parametrize("error", [OutcomeUnknown("time-out"), DuplicateClientId("in use")])
async def test_what_may_have_worked_is_doubted(bench: Bench, autojump_clock: object, error: ExchangeError) -> None:
    bench.venue.answers = [[error]]
    bench.executor.place([new(0)])
    await trio.sleep(1)
    assert bench.kinds() == ["OrderDoubted"]


@pytest.mark.parametrize("error", [WouldTake("no"), InsufficientMargin("no", code="-2019")])
async def test_what_the_venue_refused_is_refused_and_nothing_waits(
    bench: Bench, autojump_clock: object, error: ExchangeError
) -> None:
    bench.venue.answers = [[error, order("Ab3xM1B1")]]
    bench.executor.place([new(0), new(1)])
    await trio.sleep(1)
    assert bench.kinds() == ["OrderRefused", "OrderAcknowledged"]
    refused = bench.events[0]
    assert isinstance(refused, ev.OrderRefused)
    assert (refused.error, refused.code) == (type(error).__name__, error.code)
    assert bench.executor.placements > 0


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (RateLimited("slow down", retry_after=7), 7),
        (Banned("out", until_ms=T0 + 20_010), 20),
        (Unavailable("down"), 0.5),
    ],
)
async def test_errors_of_the_venue_hold_placements_back(
    bench: Bench, autojump_clock: object, error: ExchangeError, seconds: float
) -> None:
    bench.venue.answers = [[error]]
    bench.executor.place([new(0)])
    await trio.sleep(0.01 + seconds - 0.005)
    assert bench.kinds() == ["OrderRefused"]
    assert bench.executor.placements == 0
    await trio.sleep(0.01)
    assert bench.executor.placements > 0


async def test_pauses_after_an_outage_grow_until_something_works(bench: Bench, autojump_clock: object) -> None:
    bench.venue.answers = [[Unavailable("down")], [Unavailable("down")]]
    bench.executor.place([new(0)])
    await trio.sleep(1)
    bench.executor.place([new(1)])
    await trio.sleep(0.9)
    assert bench.executor.placements == 0
    await trio.sleep(0.2)
    assert bench.executor.placements > 0


async def test_a_key_that_fails_raises_the_breaker(bench: Bench, autojump_clock: object) -> None:
    bench.venue.answers = [[AuthFailed("permission withdrawn")]]
    bench.executor.place([new(0)])
    await trio.sleep(1)
    assert bench.kinds() == ["OrderRefused", "GuardChanged"]


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (order("a", status=OrderStatus.CANCELED), "OrderUpdated"),
        (OrderNotFound("unknown order"), "OrderDoubted"),
        (OutcomeUnknown("time-out"), "OrderDoubted"),
        (Unavailable("down"), "CancelRefused"),
    ],
)
async def test_cancels(bench: Bench, autojump_clock: object, outcome: object, kind: str) -> None:
    bench.venue.answers = [[outcome]]  # type: ignore[list-item]
    bench.executor.cancel(["a"])
    await trio.sleep(1)
    assert bench.kinds() == [kind]


async def test_cancels_go_in_batches(bench: Bench, autojump_clock: object) -> None:
    bench.executor.cancel([str(number) for number in range(23)])
    await trio.sleep(1)
    assert sorted(len(batch) for batch in bench.venue.cancelled) == [3, 10, 10]
