"""Lots: nothing is lost when what was bought once is sold in parts."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from opensqt_mm.lots import Lot, held, take

D = Decimal
quantities = st.integers(1, 10_000).map(lambda number: D(number).scaleb(-3))
prices = st.integers(1, 10_000_000).map(lambda number: D(number).scaleb(-2))
fees = st.integers(-(10**9), 10**9).map(lambda number: D(number).scaleb(-8))
all_lots = st.lists(st.builds(Lot, st.uuids().map(str), quantities, prices, fees), max_size=5).map(tuple)


def cost(lots: tuple[Lot, ...]) -> Decimal:
    """Return what lots have cost."""
    return sum((lot.cost for lot in lots), D(0))


@given(all_lots, quantities, prices)
def test_quantity_and_cost_are_split_exactly(lots: tuple[Lot, ...], quantity: Decimal, price: Decimal) -> None:
    sale = take(lots, quantity, price, "t")
    assert held(sale.left) == held(lots) - quantity
    assert sale.cost + cost(sale.left) == cost(lots)


@given(all_lots, st.lists(quantities, max_size=6), prices)
def test_many_small_sales_cost_what_one_large_one_does(
    lots: tuple[Lot, ...], parts: list[Decimal], price: Decimal
) -> None:
    left, total = lots, D(0)
    for part in parts:
        sale = take(left, part, price, "t")
        left, total = sale.left, total + sale.cost
    assert held(left) == held(lots) - sum(parts, D(0))
    assert total + cost(left) == cost(lots)


def test_the_oldest_is_sold_first() -> None:
    lots = (Lot("a", D(1), D(100), D("0.3")), Lot("b", D(2), D(90), D("0.2")))
    sale = take(lots, D("1.5"), D(110), "t")
    assert sale.cost == D("100.3") + D("45.05")
    assert sale.left == (Lot("b", D("1.5"), D(90), D("0.15")),)


def test_a_fee_that_does_not_divide_keeps_its_remainder() -> None:
    lots = (Lot("a", D(3), D(100), D("0.1")),)
    sale = take(lots, D(1), D(110), "t")
    assert sale.cost == D("100.033333333333")
    assert sale.left[0].fee == D("0.066666666667")


def test_what_was_never_bought_becomes_a_negative_lot_at_the_sale_s_price() -> None:
    sale = take((Lot("a", D(1), D(100), D(0)),), D(3), D(110), "t")
    assert sale.left == (Lot("t", D(-2), D(110), D(0)),)
    assert sale.cost == D(100) + D(220)
    again = take((*sale.left, Lot("b", D(1), D(90), D(0))), D(1), D(95), "u")
    assert again.left == sale.left
    assert again.cost == D(90)
