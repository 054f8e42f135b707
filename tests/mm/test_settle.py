"""What the venue's answers prove of an order of unknown fate."""

from decimal import Decimal

import attrs
import pytest
from tests.mm.given import BUY, T0, Story
from tests.mm.venue_double import CAPABILITIES, DAY_MS, FakeVenue, order

from opensqt_core.errors import ExchangeError, Unavailable
from opensqt_core.journal import events as ev
from opensqt_core.order import Fill, OrderStatus
from opensqt_mm.settle import Evidence, arrives_until, ask, pause, verdict
from opensqt_mm.state import OrderRecord

ZERO = Decimal(0)


def doubted() -> OrderRecord:
    story = Story()
    name = story.intend(-1, BUY)
    story.add(ev.OrderDoubted(ms=T0 + 100, client_order_id=name, reason="time-out"))
    return story.state.orders[name]


def conclude(record: OrderRecord, **evidence: object) -> ev.Event:
    given = Evidence(**evidence)  # type: ignore[arg-type]
    return verdict(record, given, CAPABILITIES, ZERO, now_ms=given.asked_ms)


def test_a_request_can_arrive_until_its_expiry_and_be_unseen_for_the_indexing_delay() -> None:
    assert arrives_until(doubted(), CAPABILITIES) == T0 + 100 + 5_000 + 1_000
    without = attrs.evolve(CAPABILITIES, expiry=None)
    assert arrives_until(doubted(), without) == T0 + 100 + 60_000 + 1_000


def test_absence_before_the_expiry_proves_nothing() -> None:
    record = doubted()
    early = conclude(record, asked_ms=arrives_until(record, CAPABILITIES) - 1, looked_everywhere=True)
    assert isinstance(early, ev.OrderAsked)
    late = conclude(record, asked_ms=arrives_until(record, CAPABILITIES), looked_everywhere=True)
    assert isinstance(late, ev.OrderSettled)
    assert late.outcome == "dead"


def test_absence_on_some_paths_only_proves_nothing() -> None:
    assert isinstance(conclude(doubted(), asked_ms=T0 + DAY_MS), ev.OrderAsked)


def test_absence_of_an_order_that_has_filled_proves_nothing() -> None:
    record = attrs.evolve(doubted(), filled=Decimal("0.05"))
    assert isinstance(conclude(record, asked_ms=T0 + DAY_MS, looked_everywhere=True), ev.OrderAsked)


@pytest.mark.parametrize(("held", "settled"), [(ZERO, True), (Decimal("0.1"), False), (None, False)])
def test_beyond_the_venues_memory_only_an_equal_position_settles(held: Decimal | None, *, settled: bool) -> None:
    late = conclude(doubted(), asked_ms=T0 + 4 * DAY_MS, looked_everywhere=True, position=held)
    assert isinstance(late, ev.OrderSettled) is settled


def test_a_found_order_tells_its_own_state() -> None:
    record = doubted()
    found = conclude(record, asked_ms=T0 + 200, order=order(record.client_order_id, status=OrderStatus.CANCELED))
    assert isinstance(found, ev.OrderUpdated)
    assert (found.status, found.source) == (OrderStatus.CANCELED, "lookup")


def test_an_open_order_whose_cancel_may_still_arrive_does_not_stand_yet() -> None:
    record = attrs.evolve(doubted(), cancel_reason="outside_window")
    resting = order(record.client_order_id)
    assert isinstance(conclude(record, asked_ms=T0 + 200, order=resting), ev.OrderAsked)
    late = arrives_until(record, CAPABILITIES)
    assert isinstance(conclude(record, asked_ms=late, order=resting), ev.OrderUpdated)


def test_pauses_grow_and_end_at_half_a_minute() -> None:
    pauses = [pause(asked) for asked in range(20)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30


async def test_asking_looks_on_every_path_before_it_says_that_nobody_knows_the_order(autojump_clock: object) -> None:
    venue = FakeVenue()
    evidence = await ask(venue, "ETHUSDT", doubted(), T0, position=True)
    assert evidence.looked_everywhere
    assert evidence.position == ZERO
    assert venue.asked == ["order", "open_orders", "orders", "fills", "positions"]


async def test_asking_brings_the_fills_that_are_missing(autojump_clock: object) -> None:
    record = doubted()
    half = order(record.client_order_id, filled=Decimal("0.05"), status=OrderStatus.PARTIALLY_FILLED)
    fill = Fill(
        symbol="ETHUSDT",
        trade_id="t1",
        order_id=half.order_id,
        client_order_id=None,
        side=BUY,
        price=Decimal(2990),
        quantity=Decimal("0.05"),
        fee=ZERO,
        fee_asset="USDT",
        maker=True,
        time_ms=T0,
    )
    other = attrs.evolve(fill, trade_id="t2", order_id="somebody's")
    venue = FakeVenue(known={record.client_order_id: half}, executions=[fill, other])
    evidence = await ask(venue, "ETHUSDT", record, T0, position=False)
    assert evidence.order == half
    assert list(evidence.fills) == [fill]


async def test_an_order_found_among_the_open_ones_alone_is_found(autojump_clock: object) -> None:
    record = doubted()
    venue = FakeVenue(resting=[order(record.client_order_id)])
    assert (await ask(venue, "ETHUSDT", record, T0, position=False)).order is not None


async def test_a_path_without_an_answer_is_an_error_of_the_round(autojump_clock: object) -> None:
    venue = FakeVenue(failure=Unavailable("down"))
    with pytest.raises(ExchangeError):
        await ask(venue, "ETHUSDT", doubted(), T0, position=False)
