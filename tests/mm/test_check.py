"""The grid checks itself."""

from decimal import Decimal
from typing import Any

from tests.mm.given import BUY, INSTRUMENT, SELL, Story, cid, settings, story, view

from opensqt_core.order import Order, OrderStatus, OrderType
from opensqt_mm.check import Check, check
from opensqt_mm.decide import decide
from opensqt_mm.state import OrderRecord, State

D = Decimal


def listed(state: State, **changes: Any) -> list[Order]:
    """Return the venue's open orders as the journal believes them to be."""
    return [as_listed(record, **changes) for record in state.orders.values()]


def as_listed(record: OrderRecord, **changes: Any) -> Order:
    """Return one order as the venue lists it."""
    return Order(
        **{
            "symbol": "ETHUSDT",
            "order_id": record.order_id or "v",
            "client_order_id": record.client_order_id,
            "side": record.side,
            "type": OrderType.LIMIT,
            "price": record.price,
            "quantity": record.quantity,
            "filled": record.filled,
            "status": OrderStatus.NEW,
            **changes,
        }
    )


def stranger(name: str | None, side: Any = BUY) -> Order:
    """Return an order that the journal does not have."""
    return Order(
        symbol="ETHUSDT",
        order_id="9",
        client_order_id=name,
        side=side,
        type=OrderType.LIMIT,
        price=D(2900),
        quantity=D(1),
        filled=D(0),
        status=OrderStatus.NEW,
    )


def quiet() -> Story:
    """A grid at rest: a sell and two buys."""
    told = story(held={1: "0.1"}, buys={0: "0.1", -1: "0.1"})
    told.open(1, SELL)
    return told


def test_a_grid_at_rest_is_clean() -> None:
    state = quiet().state
    decisions = decide(state, INSTRUMENT, settings(buy_window_size=2), view("3004"))
    found = check(state, decisions, listed(state))
    assert found == Check()
    assert found.clean
    assert check(state, (), None).clean


def test_missing_is_what_should_rest_and_does_not() -> None:
    state = quiet().state
    decisions = decide(state, INSTRUMENT, settings(buy_window_size=4), view("3004"))
    gone = state.slot(-1).order
    orders = [order for order in listed(state) if order.client_order_id != gone]
    found = check(state, decisions, orders)
    assert found == Check(missing=("-2", "-3", str(gone)))
    assert check(state, decisions, None).missing == ("-2", "-3")


def test_what_is_in_flight_or_unknown_is_never_missing() -> None:
    told = quiet()
    told.intend(-2, BUY)
    told.doubt(told.intend(-3, BUY))
    told.cancel(told.state.slot(0).order or "")
    state = told.state
    known = [as_listed(record) for record in state.orders.values() if record.level in (1, -1)]
    assert check(state, (), known).clean


def test_an_order_with_our_instance_that_no_slot_knows_is_an_orphan() -> None:
    state = quiet().state
    ours, other_instance = cid(-7, BUY, 99), "Zz9y" + cid(-7, BUY, 99)[4:]
    orders = [*listed(state), stranger(ours), stranger(other_instance), stranger("web_1"), stranger(None)]
    assert check(state, (), orders) == Check(orphan=(ours,))


def test_two_live_orders_of_one_level_and_side_are_duplicates() -> None:
    state = quiet().state
    second, other_side = cid(0, BUY, 98), cid(0, SELL, 99)
    found = check(state, (), [*listed(state), stranger(second), stranger(other_side, SELL)])
    assert found.duplicate == (second,)
    assert found.orphan == (second, other_side)


def test_the_older_of_two_unknown_orders_is_the_first() -> None:
    old, new = cid(-5, BUY, 7), cid(-5, BUY, 8)
    assert check(Story().state, (), [stranger(new), stranger(old)]).duplicate == (new,)


def test_misplaced_is_what_is_not_as_its_level_says() -> None:
    told = story(held={1: "0.1", 2: "0.1"})
    wrong_buy = told.open(0, BUY, price="2999")
    wrong_sell = told.open(1, SELL, price="3021")
    too_much = told.open(2, SELL, "0.2")
    told.open(-1, BUY, price="2985", repriced=True)
    assert check(told.state, (), None).misplaced == tuple(sorted((wrong_buy, wrong_sell, too_much)))


def test_misplaced_is_also_what_the_venue_shows_differently() -> None:
    state = quiet().state
    for changes in ({"price": D(1)}, {"quantity": D(7)}):
        assert set(check(state, (), listed(state, **changes)).misplaced) == set(state.orders)
    assert check(state, (), listed(state, price=None)).clean
