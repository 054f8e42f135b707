import pytest
from live_fakes import order

from opensqt_core.order import Order, OrderStatus
from opensqt_live.orders import OrderTable, RecentIds

NEW, PARTIAL, FILLED, CANCELED = (
    OrderStatus.NEW,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.FILLED,
    OrderStatus.CANCELED,
)


def table(*orders: Order) -> OrderTable:
    made = OrderTable()
    for each in orders:
        assert made.update(each)
    return made


def test_an_order_lives_and_ends() -> None:
    known = table(order("1"), order("1", PARTIAL, filled="0.3"))
    assert list(known.open) == ["1"]
    assert known.update(order("1", FILLED, filled="1"))
    assert not known.open


@pytest.mark.parametrize("late", [order("1"), order("1", PARTIAL, filled="0.3"), order("1", FILLED, filled="1")])
def test_nothing_about_an_ended_order_is_news(late: Order) -> None:
    known = table(order("1"), order("1", FILLED, filled="1"))
    assert not known.update(late)
    assert not known.open


@pytest.mark.parametrize(
    "late",
    [
        order("1", PARTIAL, filled="0.5"),
        order("1", PARTIAL, filled="0.3"),
        order("1", NEW, filled="0.5", updated_ms=1),
    ],
)
def test_twice_and_late_are_no_news(late: Order) -> None:
    known = table(order("1", PARTIAL, filled="0.5", updated_ms=2))
    assert not known.update(late)


def test_a_moved_order_is_news() -> None:
    assert table(order("1", updated_ms=1)).update(order("1", price="99", updated_ms=2))


def test_a_terminal_order_nobody_knew_is_told_once() -> None:
    known = table(order("1", CANCELED))
    assert not known.update(order("1", CANCELED))


def test_what_the_venue_no_longer_lists() -> None:
    known = table(order("1"), order("2"))
    assert known.missing_from([order("2"), order("3")]) == [order("1")]


def test_what_differs() -> None:
    known = table(order("1"), order("2"))
    both = [order("1"), order("2")]
    assert not known.differs_from(both)
    assert known.differs_from([order("1")])
    assert known.differs_from([*both, order("3")])
    assert known.differs_from([order("1", PARTIAL, filled="0.1"), order("2")])
    known.update(order("2", FILLED, filled="1"))
    assert not known.differs_from(both)  # the venue's list lags


def test_recent_ids_are_bounded() -> None:
    ids = RecentIds(2)
    assert [ids.add(each) for each in "abab"] == [True, True, False, False]
    ids.add("c")
    assert "a" not in ids
    assert "b" in ids
