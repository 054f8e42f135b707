"""Margin, profit, liquidation and funding of the simulated account, by numbers."""

from decimal import Decimal
from itertools import pairwise

import pytest

from opensqt_core.instrument import Instrument
from opensqt_core.order import NewOrder, OrderStatus, OrderType, Side
from opensqt_sim.account import Holding
from opensqt_sim.engine import SimVenue
from opensqt_sim.funding import next_settlement, payment, rate
from opensqt_sim.model import (
    AccountChanged,
    AccountReason,
    Book,
    Change,
    FundingPaid,
    MarkChanged,
    MarketTrade,
    OrderChanged,
    Origin,
    Reason,
    Refusal,
    VenueEvent,
)
from opensqt_sim.rules import AccountSettings, Rules

D = Decimal

HOUR = 3_600_000
START = 1_700_006_400_000  # a whole hour: 00:00 UTC


def rules(symbol: str = "ABCUSDT") -> Rules:
    return Rules(
        instrument=Instrument(
            venue="test",
            symbol=symbol,
            base=symbol.removesuffix("USDT"),
            quote="USDT",
            tick_size=D("0.1"),
            lot_size=D("0.01"),
            min_quantity=D("0.01"),
            max_quantity=D(100_000),
            min_notional=D(5),
            reduce_only_below_minimum=True,
        ),
        price_band=None,
    )


def quote(venue: SimVenue, mid: str, ms: int = START, symbol: str = "ABCUSDT") -> None:
    half = D("0.1")
    venue.on_book(symbol, Book(D(mid) - half, D(10_000), D(mid) + half, D(10_000)), ms, ms)


def trade(venue: SimVenue, side: Side, quantity: str, ms: int = START, symbol: str = "ABCUSDT") -> None:
    order = NewOrder(
        symbol=symbol,
        side=side,
        quantity=D(quantity),
        type=OrderType.MARKET,
        client_order_id=f"m{len(venue.orders())}",
    )
    assert venue.place(order, ms).status is OrderStatus.FILLED


@pytest.fixture
def venue() -> SimVenue:
    venue = SimVenue([rules()], AccountSettings(balance=D(1000), taker_fee=D(0), maker_fee=D(0)))
    quote(venue, "100")
    return venue


def test_average_cost_partial_close_and_flip(venue: SimVenue) -> None:
    trade(venue, Side.BUY, "1")  # at 100.1
    quote(venue, "110")
    trade(venue, Side.BUY, "2")  # at 110.1
    (position,) = venue.positions()
    assert position.quantity == 3
    assert position.entry_price == (D("100.1") + 2 * D("110.1")) / 3
    assert position.unrealised == 3 * 110 - D("320.3")
    quote(venue, "120")
    trade(venue, Side.SELL, "5")  # at 119.9: closes 3, opens 2 short
    (position,) = venue.positions("ABCUSDT")
    assert (position.quantity, position.entry_price) == (D(-2), D("119.9"))
    assert position.realised == 3 * D("119.9") - D("320.3")
    (balance,) = venue.balances()
    assert balance.wallet == 1000 + position.realised
    assert balance.unrealised == position.unrealised == -2 * D(120) + 2 * D("119.9")
    trade(venue, Side.BUY, "2")
    (position,) = venue.positions()
    assert (position.quantity, position.entry_price, position.unrealised) == (D(0), D(0), D(0))
    assert venue.cash_flow() == venue.balances()[0].wallet - 1000


def test_partial_closes_lose_no_digit(venue: SimVenue) -> None:
    for mid in ("100", "100.1", "100.3"):
        quote(venue, mid)
        trade(venue, Side.BUY, "1")
    for _ in range(3):
        trade(venue, Side.SELL, "1")
    fills = venue.fills()
    assert sum(fill.realised for fill in fills) == sum(-fill.side.sign * fill.price for fill in fills)


def test_a_full_close_keeps_digits_beyond_the_eighth() -> None:
    held = Holding(rules(), 5)
    assert held.trade(Side.BUY, D("36160.9"), D("0.00039906")) == 0
    assert held.trade(Side.SELL, D("36160.9"), D("0.00039906")) == 0
    assert (held.quantity, held.cost) == (D(0), D(0))


def test_fees_by_role() -> None:
    venue = SimVenue([rules()])
    quote(venue, "100")
    trade(venue, Side.BUY, "1")
    resting = NewOrder(symbol="ABCUSDT", side=Side.SELL, quantity=D(1), price=D("100.2"), client_order_id="s")
    venue.place(resting, START)
    quote(venue, "101")
    taken, made = venue.fills()
    assert (taken.fee, made.fee) == (D("100.1") * D("0.0005"), D("100.2") * D("0.0002"))
    assert (taken.maker, made.maker, made.realised) == (False, True, D("0.1"))
    assert venue.balances()[0].wallet == 10_000 + D("0.1") - taken.fee - made.fee


def test_initial_margin_is_the_larger_side(venue: SimVenue) -> None:
    for side, price, quantity in ((Side.BUY, "90", "10"), (Side.SELL, "110", "5")):
        order = NewOrder(symbol="ABCUSDT", side=side, quantity=D(quantity), price=D(price), client_order_id=price)
        venue.place(order, START)
    (balance,) = venue.balances()
    assert (balance.initial_margin, balance.available) == (D(900) / 5, 1000 - D(900) / 5)
    trade(venue, Side.SELL, "5")
    # short 5 at mark 100 and 5 more to sell at 110, against 900 of buys less the short
    assert venue.positions()[0].initial_margin == (500 + D(550)) / 5
    assert venue.balances()[0].available == 1000 - D("0.5") - 210


def test_liquidation_price_is_where_the_position_is_closed(venue: SimVenue) -> None:
    trade(venue, Side.BUY, "40")  # 4004 at 100.1
    price = venue.positions()[0].liquidation_price
    assert price is not None
    # wallet + 40·(p - 100.1) = 40·p·0.005
    assert price == ((40 * D("100.1") - 1000) / (40 - 40 * D("0.005"))).quantize(D("1e-8"))
    order = NewOrder(symbol="ABCUSDT", side=Side.BUY, quantity=D(1), price=D("50"), client_order_id="rests")
    venue.place(order, START)
    events: list[VenueEvent] = []
    venue.subscribe(events.append)
    quote(venue, str((price + D("0.1")).quantize(D("0.1"))))
    assert venue.positions()[0].quantity == 40
    quote(venue, str((price - D("0.1")).quantize(D("0.1"))))
    assert venue.positions()[0].quantity == 0
    assert venue.order("ABCUSDT", client_order_id="rests").reason is Reason.LIQUIDATION
    closing = venue.orders()[-1]
    assert (closing.origin, closing.status, closing.quantity) == (Origin.LIQUIDATION, OrderStatus.FILLED, D(40))
    assert closing.client_order_id == f"autoclose-{closing.order_id}"
    changes = [event.change for event in events if isinstance(event, OrderChanged)]
    assert changes == [Change.EXPIRED, Change.NEW, Change.CALCULATED]
    assert 0 < venue.balances()[0].wallet < 100


def test_a_short_has_its_liquidation_above_and_a_small_long_has_none(venue: SimVenue) -> None:
    trade(venue, Side.BUY, "1")
    assert venue.positions()[0].liquidation_price is None
    trade(venue, Side.SELL, "41")
    price = venue.positions()[0].liquidation_price
    assert price is not None
    assert price > 120


def test_cross_margin_counts_all_symbols() -> None:
    venue = SimVenue([rules(), rules("XYZUSDT")], AccountSettings(balance=D(1000), taker_fee=D(0)))
    for symbol in ("ABCUSDT", "XYZUSDT"):
        quote(venue, "100", symbol=symbol)
        trade(venue, Side.BUY, "20", symbol=symbol)
    with pytest.raises(Refusal):
        trade(venue, Side.BUY, "20")
    alone = venue.positions("ABCUSDT")[0].liquidation_price
    quote(venue, "90", symbol="XYZUSDT")
    worse = venue.positions("ABCUSDT")[0].liquidation_price
    assert alone is not None
    assert worse is not None
    assert worse > alone
    quote(venue, "50", symbol="XYZUSDT")
    assert [position.quantity for position in venue.positions()] == [0, 0]
    assert len(venue.positions("XYZUSDT")) == 1


def test_the_account_holds_what_instruments_are_quoted_in() -> None:
    with pytest.raises(ValueError, match="quoted in USDT, the account holds USDC"):
        SimVenue([rules()], AccountSettings(asset="USDC"))


# funding


@pytest.mark.parametrize(
    ("mark", "index", "expected"),
    [
        ("100", "100", "0.0001"),
        ("100.03", "100", "0.0001"),
        ("101", "100", "0.0095"),
        ("99", "100", "-0.0095"),
    ],
)
def test_rate(mark: str, index: str, expected: str) -> None:
    assert rate(D(mark), D(index), D("0.0001")) == D(expected)


def test_payment_and_settlement_times() -> None:
    assert payment(D(2), D(100), D("0.0001")) == D("-0.02")
    assert payment(D(-2), D(100), D("0.0001")) == D("0.02")
    assert next_settlement(0, 8 * HOUR) == 8 * HOUR
    assert next_settlement(8 * HOUR, 8 * HOUR) == 16 * HOUR
    assert next_settlement(8 * HOUR - 1, 8 * HOUR) == 8 * HOUR


def test_funding_is_paid_by_market_time_at_mark(venue: SimVenue) -> None:
    trade(venue, Side.BUY, "2")
    before = venue.balances()[0].wallet
    events: list[VenueEvent] = []
    venue.subscribe(events.append)
    premium = venue.premium("ABCUSDT")
    assert (premium.mark, premium.funding_rate) == (D(100), D("0.0001"))
    venue.on_clock(5, premium.next_funding_ms - 1)
    assert not venue.funding_payments()
    venue.on_clock(7, premium.next_funding_ms)
    (paid,) = venue.funding_payments("ABCUSDT")
    assert (paid.amount, paid.ms, paid.market_ms) == (D("-0.02"), 7, premium.next_funding_ms)
    assert venue.balances()[0].wallet == before - D("0.02")
    assert [event for event in events if isinstance(event, FundingPaid)] == [FundingPaid(paid, 7)]
    assert [event.reason for event in events if isinstance(event, AccountChanged)] == [AccountReason.FUNDING_FEE]
    # a market that was silent for a day owes three settlements
    venue.on_clock(8, premium.next_funding_ms + 24 * HOUR)
    assert [payment.payment_id for payment in venue.funding_payments()] == [1, 2, 3, 4]
    assert venue.funding_payments(start_ms=8, limit=1)[0].payment_id == 2
    assert venue.funding_payments(end_ms=7, limit=1)[0].payment_id == 1


def test_rates_have_a_past_and_a_flat_account_pays_nothing(venue: SimVenue) -> None:
    past = venue.funding_rates("ABCUSDT")
    assert len(past) == 100
    assert all(later.market_ms - earlier.market_ms == 8 * HOUR for earlier, later in pairwise(past))
    assert past[-1].market_ms <= START
    venue.on_clock(9, past[-1].market_ms + 8 * HOUR)
    assert (len(venue.funding_rates("ABCUSDT")), venue.funding_payments()) == (101, [])
    assert len(venue.funding_rates("ABCUSDT", limit=3)) == 3


def test_the_mark_is_told_once_a_market_second(venue: SimVenue) -> None:
    events: list[VenueEvent] = []
    venue.subscribe(events.append)
    for ms in range(0, 3000, 100):
        quote(venue, "100", START + ms)
    assert len([event for event in events if isinstance(event, MarkChanged)]) == 2


def test_before_the_market_begins_there_is_no_price() -> None:
    venue = SimVenue([rules()])
    for ask in (venue.premium, venue.book, venue.ticker):
        with pytest.raises(Refusal, match=r"price yet|not traded"):
            ask("ABCUSDT")
    with pytest.raises(Refusal, match="no NOPE"):
        venue.positions("NOPE")
    venue.on_clock(START, START)
    assert venue.market_ms("ABCUSDT") == 0


def test_ticker_sums_up_a_day(venue: SimVenue) -> None:
    for index, price in enumerate(("100", "104", "98", "101")):
        venue.on_trade(MarketTrade("ABCUSDT", index + 1, D(price), D(2), Side.BUY, START + index * 60_000), START)
    ticker = venue.ticker("ABCUSDT")
    assert (ticker.open, ticker.high, ticker.low, ticker.last) == (D(100), D(104), D(98), D(101))
    assert (ticker.trades, ticker.volume, ticker.quote_volume, ticker.last_quantity) == (4, D(8), D(806), D(2))
    assert [trade.trade_id for trade in venue.trades("ABCUSDT", limit=2)] == [3, 4]
