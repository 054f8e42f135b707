"""Levels and their prices."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mm.given import INSTRUMENT, instrument

from opensqt_mm.ladder import Ladder, ladder_fault

D = Decimal

ladders = st.builds(
    lambda tick, anchor, interval: Ladder(D(anchor) * tick, tick + D(interval).scaleb(-5), tick),
    st.sampled_from([D("0.01"), D("0.1"), D("0.5"), D("0.00001")]),
    st.integers(1, 1_000_000),
    st.integers(0, 3_000_000),
)


@given(ladders, st.integers(-1_000, 1_000))
def test_prices_are_on_ticks_and_strictly_increasing(ladder: Ladder, level: int) -> None:
    price = ladder.price(level)
    assert price % ladder.tick_size == 0
    assert price < ladder.price(level + 1)
    assert abs(price - (ladder.anchor + level * ladder.interval)) <= ladder.tick_size / 2


@given(ladders, st.integers(-3_000_000, 3_000_000))
def test_the_nearest_level_is_the_nearest_of_all(ladder: Ladder, offset: int) -> None:
    price = ladder.anchor + D(offset).scaleb(-4)
    nearest = ladder.nearest(price)
    distance = abs(ladder.price(nearest) - price)
    for other in range(nearest - 3, nearest + 4):
        assert distance <= abs(ladder.price(other) - price)
    assert distance < abs(ladder.price(nearest + 1) - price)


@given(ladders)
def test_the_lowest_level_is_the_last_above_zero(ladder: Ladder) -> None:
    assert ladder.price(ladder.lowest) > 0
    assert ladder.price(ladder.lowest - 1) <= 0


def test_ties_go_up() -> None:
    ladder = Ladder(D(3000), D(10), D("0.01"))
    assert ladder.nearest(D(3005)) == 1
    assert ladder.nearest(D("3004.99")) == 0
    assert ladder.nearest(D(2995)) == 0
    assert ladder.nearest(D("2994.99")) == -1


def test_an_interval_between_ticks_is_rounded_level_by_level() -> None:
    ladder = Ladder(D(100), D("0.25"), D("0.1"))
    assert [ladder.price(level) for level in range(-1, 5)] == [
        D("99.8"),
        D(100),
        D("100.3"),
        D("100.5"),
        D("100.8"),
        D("101.0"),
    ]


@pytest.mark.parametrize(("interval", "said"), [("0", "above zero"), ("-1", "above zero"), ("0.009", "at least 0.01")])
def test_an_impossible_interval_is_refused_with_the_mend(interval: str, said: str) -> None:
    fault = ladder_fault(INSTRUMENT, D(interval))
    assert fault is not None
    assert said in fault
    assert ladder_fault(instrument(tick_size=D("0.5")), D("0.5")) is None
