"""Tables of what matches when: one account, one symbol, a touch of 100.0/100.1 showing 5 and 7."""

from decimal import Decimal

import attrs
import pytest

from opensqt_core.instrument import Instrument, InstrumentStatus
from opensqt_core.order import NewOrder, OrderStatus, OrderType, Side, TimeInForce
from opensqt_sim.engine import SimVenue
from opensqt_sim.model import (
    AccountChanged,
    Book,
    BookChanged,
    Change,
    LeverageChanged,
    MarketTrade,
    OrderChanged,
    Origin,
    Reason,
    Refusal,
    RefusalKind,
    SelfTradePrevention,
    SimOrder,
    TradePrinted,
    VenueEvent,
)
from opensqt_sim.rules import AccountSettings, Rules

D = Decimal

BUY, SELL = Side.BUY, Side.SELL
NEW, PARTIAL, FILLED = OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED
CANCELED, EXPIRED = OrderStatus.CANCELED, OrderStatus.EXPIRED
START = 1_700_000_000_000

RULES = Rules(
    instrument=Instrument(
        venue="test",
        symbol="ABCUSDT",
        base="ABC",
        quote="USDT",
        tick_size=D("0.1"),
        lot_size=D("0.01"),
        min_quantity=D("0.01"),
        max_quantity=D(1000),
        min_notional=D(5),
        reduce_only_below_minimum=True,
        max_open_orders=5,
    ),
    market_max_quantity=D(50),
)


class Bench:
    """A venue with short words for everything a table needs."""

    def __init__(self, *, quotes: bool = True, settings: AccountSettings | None = None, rules: Rules = RULES) -> None:
        self.venue = SimVenue([rules], settings)
        self.events: list[VenueEvent] = []
        self.now = START
        self._trade_id = 0
        if quotes:
            self.book("100.0", 5, "100.1", 7)
        self.venue.subscribe(self.events.append)

    def place(
        self,
        side: Side,
        price: str | None,
        quantity: str,
        *,
        client_id: str | None = None,
        tif: TimeInForce = TimeInForce.GTC,
        post: bool = False,
        reduce: bool = False,
        stp: SelfTradePrevention = SelfTradePrevention.EXPIRE_MAKER,
    ) -> SimOrder:
        self.now += 1
        order = NewOrder(
            symbol="ABCUSDT",
            side=side,
            quantity=D(quantity),
            price=None if price is None else D(price),
            type=OrderType.LIMIT if price is not None else OrderType.MARKET,
            client_order_id=client_id or f"c{self.now}",
            time_in_force=tif,
            post_only=post,
            reduce_only=reduce,
        )
        return self.venue.place(order, self.now, self_trade=stp)

    def book(self, bid: str, bid_quantity: int, ask: str, ask_quantity: int) -> None:
        self.now += 1
        self.venue.on_book("ABCUSDT", Book(D(bid), D(bid_quantity), D(ask), D(ask_quantity)), self.now, self.now)

    def trade(self, price: str, quantity: str, taker: Side) -> None:
        self.now += 1
        self._trade_id += 1
        trade = MarketTrade("ABCUSDT", self._trade_id, D(price), D(quantity), taker, self.now)
        self.venue.on_trade(trade, self.now)

    def state(self, order: SimOrder) -> tuple[OrderStatus, D]:
        found = self.venue.order("ABCUSDT", order_id=order.order_id)
        return found.status, found.filled

    def fills(self) -> list[tuple[D, D, bool]]:
        return [(fill.price, fill.quantity, fill.maker) for fill in self.venue.fills("ABCUSDT")]

    def refuses(self, side: Side, price: str | None, quantity: str, **more: object) -> RefusalKind:
        before = len(self.venue.orders())
        with pytest.raises(Refusal) as caught:
            self.place(side, price, quantity, **more)  # type: ignore[arg-type]
        assert len(self.venue.orders()) == before
        return caught.value.kind


@pytest.fixture
def bench() -> Bench:
    return Bench()


# incoming orders


@pytest.mark.parametrize(
    ("side", "price", "quantity", "fills", "status"),
    [
        (BUY, "99.9", "1", [], NEW),
        (BUY, "100.1", "7", [("100.1", "7")], FILLED),
        (BUY, "100.1", "8", [("100.1", "7")], PARTIAL),
        (BUY, "100.2", "8", [("100.1", "7"), ("100.2", "1")], FILLED),
        (BUY, "103", "20", [("100.1", "7"), ("100.2", "13")], FILLED),
        (BUY, None, "20", [("100.1", "7"), ("100.2", "13")], FILLED),
        (SELL, "100.2", "1", [], NEW),
        (SELL, "100.0", "6", [("100.0", "5")], PARTIAL),
        (SELL, "99.9", "6", [("100.0", "5"), ("99.9", "1")], FILLED),
        (SELL, None, "6", [("100.0", "5"), ("99.9", "1")], FILLED),
    ],
)
def test_an_incoming_order_takes_the_touch_then_one_tick_behind(
    bench: Bench, side: Side, price: str | None, quantity: str, fills: list[tuple[str, str]], status: OrderStatus
) -> None:
    order = bench.place(side, price, quantity)
    assert bench.fills() == [(D(at), D(size), False) for at, size in fills]
    assert (order.status, order.filled) == (status, sum((D(size) for _, size in fills), D(0)))
    assert order.open is (status in (NEW, PARTIAL))


def test_what_the_touch_shows_is_there_once(bench: Bench) -> None:
    bench.place(BUY, "100.1", "5")
    second = bench.place(BUY, "100.1", "5")
    assert second.filled == 2
    bench.book("100.0", 5, "100.1", 1)
    assert bench.state(second) == (PARTIAL, D(3))
    assert bench.fills()[-1] == (D("100.1"), D(1), True)


@pytest.mark.parametrize(
    ("tif", "price", "quantity", "filled", "status"),
    [
        (TimeInForce.IOC, "100.1", "8", "7", EXPIRED),
        (TimeInForce.IOC, "100.0", "1", "0", EXPIRED),
        (TimeInForce.IOC, "100.1", "7", "7", FILLED),
        (TimeInForce.FOK, "100.1", "7", "7", FILLED),
        (TimeInForce.FOK, "100.2", "8", "8", FILLED),
    ],
)
def test_orders_that_do_not_rest(
    bench: Bench, tif: TimeInForce, price: str, quantity: str, filled: str, status: OrderStatus
) -> None:
    order = bench.place(BUY, price, quantity, tif=tif)
    assert (order.status, order.filled) == (status, D(filled))
    assert order.reason == (Reason.IOC if status is EXPIRED else None)
    assert not bench.venue.open_orders()


def test_fok_that_cannot_fill_leaves_no_record(bench: Bench) -> None:
    assert bench.refuses(BUY, "100.1", "8", tif=TimeInForce.FOK) is RefusalKind.FOK_UNFILLABLE
    assert not bench.events


@pytest.mark.parametrize(("side", "price"), [(BUY, "100.1"), (BUY, "100.2"), (SELL, "100.0")])
def test_post_only_at_the_opposite_touch_is_refused(bench: Bench, side: Side, price: str) -> None:
    assert bench.refuses(side, price, "1", post=True) is RefusalKind.WOULD_TAKE


def test_post_only_behind_the_touch_rests_and_against_our_own_is_refused(bench: Bench) -> None:
    bench.book("100.0", 5, "101.0", 5)
    assert bench.place(SELL, "100.5", "1", post=True).status is NEW
    assert bench.refuses(BUY, "100.5", "1", post=True) is RefusalKind.WOULD_TAKE
    assert bench.place(BUY, "100.4", "1", post=True).status is NEW


# self-trade prevention


def _own_asks(bench: Bench) -> list[SimOrder]:
    bench.book("100.0", 5, "101.0", 5)
    return [bench.place(SELL, price, "1") for price in ("100.5", "100.6", "101.2")]


def test_expire_maker_expires_all_in_the_way_and_rests(bench: Bench) -> None:
    first, second, third = _own_asks(bench)
    order = bench.place(BUY, "100.6", "1")
    assert (bench.state(first)[0], bench.state(second)[0], bench.state(third)[0]) == (EXPIRED, EXPIRED, NEW)
    assert bench.venue.order("ABCUSDT", order_id=first.order_id).reason is Reason.SELF_TRADE
    assert (order.status, bench.fills()) == (NEW, [])


def test_expire_maker_spares_what_a_market_order_does_not_reach(bench: Bench) -> None:
    first, second, third = _own_asks(bench)
    order = bench.place(BUY, None, "2")
    assert [bench.state(each)[0] for each in (first, second, third)] == [EXPIRED, EXPIRED, NEW]
    assert order.average_price == D("101.0")


@pytest.mark.parametrize(
    ("mode", "first_status"),
    [(SelfTradePrevention.EXPIRE_TAKER, NEW), (SelfTradePrevention.EXPIRE_BOTH, EXPIRED)],
)
def test_expire_taker_and_both_end_the_incoming_order_where_it_meets_ours(
    bench: Bench, mode: SelfTradePrevention, first_status: OrderStatus
) -> None:
    bench.book("100.0", 5, "100.1", 2)
    first, second = bench.place(SELL, "100.2", "1"), bench.place(SELL, "100.3", "1")
    order = bench.place(BUY, "101", "5", stp=mode)
    assert (order.status, order.filled, order.reason) == (EXPIRED, D(2), Reason.SELF_TRADE)
    assert (bench.state(first)[0], bench.state(second)[0]) == (first_status, NEW)


def test_expire_taker_that_fills_before_it_meets_ours_is_untouched(bench: Bench) -> None:
    own = bench.place(SELL, "100.3", "1")
    order = bench.place(BUY, "101", "5", stp=SelfTradePrevention.EXPIRE_TAKER)
    assert (order.status, bench.state(own)[0]) == (FILLED, NEW)


# resting orders


@pytest.mark.parametrize(
    ("side", "price", "prints", "filled"),
    [
        # through our price: all of it, whatever was traded
        (BUY, "99.5", [("99.4", "0.01", SELL)], "3"),
        (SELL, "100.5", [("100.6", "0.01", BUY)], "3"),
        # at our price, nobody seen ahead: what was traded
        (BUY, "99.5", [("99.5", "2", SELL)], "2"),
        (BUY, "99.5", [("99.5", "2", BUY)], "0"),
        (SELL, "100.5", [("100.5", "2", BUY)], "2"),
        (SELL, "100.5", [("100.5", "2", SELL)], "0"),
        # joined the touch: 5 (7) ahead of us
        (BUY, "100.0", [("100.0", "5", SELL)], "0"),
        (BUY, "100.0", [("100.0", "6", SELL)], "1"),
        (BUY, "100.0", [("100.0", "4", SELL), ("100.0", "4", SELL)], "3"),
        (SELL, "100.1", [("100.1", "7.5", BUY)], "0.5"),
        # on the wrong side of our price
        (BUY, "99.5", [("99.6", "9", SELL)], "0"),
    ],
)
def test_prints_fill_resting_orders(
    bench: Bench, side: Side, price: str, prints: list[tuple[str, str, Side]], filled: str
) -> None:
    order = bench.place(side, price, "3")
    for at, quantity, taker in prints:
        bench.trade(at, quantity, taker)
    assert bench.state(order)[1] == D(filled)
    assert all((fill[0], fill[2]) == (D(price), True) for fill in bench.fills())


def test_an_order_that_improves_the_touch_has_nobody_ahead(bench: Bench) -> None:
    bench.book("100.0", 5, "100.5", 7)
    order = bench.place(BUY, "100.2", "3")
    bench.trade("100.2", "2", SELL)
    assert bench.state(order) == (PARTIAL, D(2))


def test_our_own_orders_share_a_print_in_price_time_order(bench: Bench) -> None:
    early, late = bench.place(BUY, "100.0", "1"), bench.place(BUY, "100.0", "1")
    bench.trade("100.0", "6.5", SELL)
    assert (bench.state(early), bench.state(late)) == ((FILLED, D(1)), (PARTIAL, D("0.5")))


def test_the_queue_is_seen_when_the_touch_comes_to_our_price(bench: Bench) -> None:
    order = bench.place(BUY, "99.5", "1")
    bench.book("99.5", 3, "99.6", 3)
    bench.trade("99.5", "3", SELL)
    assert bench.state(order) == (NEW, D(0))
    bench.trade("99.5", "0.4", SELL)
    assert bench.state(order) == (PARTIAL, D("0.4"))


def test_the_queue_has_left_when_the_touch_falls_behind_us(bench: Bench) -> None:
    order = bench.place(BUY, "100.0", "1")
    bench.book("99.9", 3, "100.1", 3)
    bench.trade("100.0", "1", SELL)
    assert bench.state(order) == (FILLED, D(1))


def test_each_quote_offers_its_size_anew(bench: Bench) -> None:
    near, far = bench.place(BUY, "100.0", "3"), bench.place(BUY, "99.9", "3")
    bench.book("99.5", 1, "99.9", 4)
    assert (bench.state(near), bench.state(far)) == ((FILLED, D(3)), (PARTIAL, D(1)))
    bench.book("99.5", 1, "99.9", 1)
    assert bench.state(far) == (PARTIAL, D(2))
    assert bench.fills() == [(D("100.0"), D(3), True), (D("99.9"), D(1), True), (D("99.9"), D(1), True)]
    ask = bench.place(SELL, "100.0", "2")
    bench.book("100.2", 1, "100.3", 1)
    assert bench.state(ask) == (PARTIAL, D(1))


# without a quote feed


def test_without_quotes_the_touch_comes_from_the_last_trade() -> None:
    bench = Bench(quotes=False)
    assert bench.refuses(BUY, None, "1") is RefusalKind.NO_MARKET
    early = bench.place(BUY, "99.9", "1")
    bench.trade("100.0", "1", BUY)
    book = bench.venue.book("ABCUSDT")
    assert (book.bid, book.ask, book.inferred) == (D("99.9"), D("100.0"), True)
    assert bench.refuses(BUY, "100.0", "1", post=True) is RefusalKind.WOULD_TAKE
    assert bench.place(BUY, None, "40").average_price == D("100.0")
    bench.trade("99.9", "0.5", SELL)
    assert bench.state(early) == (PARTIAL, D("0.5"))
    assert bench.venue.book("ABCUSDT").ask == D("100.0")
    assert bench.venue.premium("ABCUSDT").mark == D("99.9")


def test_an_inferred_touch_fills_nothing_that_rests() -> None:
    bench = Bench(quotes=False)
    bench.trade("100.0", "1", SELL)
    order = bench.place(SELL, "100.1", "1", client_id="rests")
    bench.trade("100.1", "9", SELL)
    assert bench.state(order) == (NEW, D(0))
    bench.trade("100.1", "9", BUY)
    assert bench.state(order) == (FILLED, D(1))


# reduce-only


def test_reduce_only_must_reduce_and_all_together_may_not_exceed_the_position(bench: Bench) -> None:
    assert bench.refuses(SELL, "101", "1", reduce=True) is RefusalKind.REDUCE_ONLY
    bench.place(BUY, None, "3")
    assert bench.refuses(BUY, "99", "1", reduce=True) is RefusalKind.REDUCE_ONLY
    assert bench.place(SELL, "101", "2", reduce=True).status is NEW
    assert bench.refuses(SELL, "102", "1.01", reduce=True) is RefusalKind.REDUCE_ONLY
    # too small for anything but reduce-only
    assert bench.place(SELL, "102", "0.01", reduce=True).status is NEW


def test_a_smaller_position_knocks_out_the_last_in_line(bench: Bench) -> None:
    bench.place(BUY, None, "3")
    near = bench.place(SELL, "101", "1", reduce=True)
    far_early = bench.place(SELL, "102", "1", reduce=True)
    far_late = bench.place(SELL, "102", "1", reduce=True)
    bench.place(SELL, None, "1")
    assert [bench.state(each)[0] for each in (near, far_early, far_late)] == [NEW, NEW, EXPIRED]
    assert bench.venue.order("ABCUSDT", order_id=far_late.order_id).history[-1].reason == "reduce_only"
    bench.place(SELL, None, "2")
    assert not bench.venue.open_orders()


def test_a_reduce_only_fill_knocks_out_nothing_that_still_fits(bench: Bench) -> None:
    bench.place(BUY, None, "2")
    first, second = (bench.place(SELL, price, "1", reduce=True) for price in ("101", "102"))
    bench.trade("101.5", "1", BUY)
    assert (bench.state(first)[0], bench.state(second)[0]) == (FILLED, NEW)


@pytest.mark.parametrize("by_quote", [True, False])
def test_what_one_event_knocks_out_does_not_fill_in_it(bench: Bench, by_quote: bool) -> None:
    bench.place(BUY, None, "1")
    plain = bench.place(SELL, "100.5", "1")
    reducing = bench.place(SELL, "101", "1", reduce=True)
    if by_quote:
        bench.book("102", 9, "102.1", 9)
    else:
        bench.trade("102", "9", BUY)
    assert (bench.state(plain), bench.state(reducing)) == ((FILLED, D(1)), (EXPIRED, D(0)))
    assert bench.venue.positions()[0].quantity == 0


# amend and cancel


def test_amend_changes_price_and_loses_its_place(bench: Bench) -> None:
    order, other = bench.place(BUY, "100.0", "1"), bench.place(BUY, "99.5", "1")
    bench.events.clear()
    amended = bench.venue.amend("ABCUSDT", order_id=order.order_id, quantity=D(2), price=D("99.5"), now_ms=bench.now)
    assert (amended.status, amended.price, amended.quantity, amended.order_id) == (NEW, D("99.5"), D(2), order.order_id)
    assert [event.change for event in bench.events if isinstance(event, OrderChanged)] == [Change.AMENDMENT]
    bench.trade("99.5", "1", SELL)
    assert (bench.state(order)[1], bench.state(other)[1]) == (D(0), D(1))


def test_amend_may_take(bench: Bench) -> None:
    order = bench.place(BUY, "100.0", "1")
    amended = bench.venue.amend("ABCUSDT", order_id=order.order_id, quantity=D(1), price=D("100.1"), now_ms=bench.now)
    assert amended.status is FILLED


@pytest.mark.parametrize(
    ("post", "price", "quantity", "reason"),
    [(False, "99.9", "0.5", Reason.AMEND_FILLED), (True, "100.1", "2", Reason.AMEND_WOULD_TAKE)],
)
def test_amend_cancels_what_is_filled_already_or_would_take(
    bench: Bench, post: bool, price: str, quantity: str, reason: Reason
) -> None:
    order = bench.place(BUY, "99.9", "1", post=post)
    bench.trade("99.9", "0.5", SELL)
    amended = bench.venue.amend(
        "ABCUSDT", order_id=order.order_id, quantity=D(quantity), price=D(price), now_ms=bench.now
    )
    assert (amended.status, amended.filled, amended.reason) == (CANCELED, D("0.5"), reason)
    assert not bench.venue.open_orders()


def test_amend_refusals(bench: Bench) -> None:
    order = bench.place(BUY, "99.9", "1")

    def kind(*, price: str = "99.8", quantity: str = "1", side: Side | None = None) -> RefusalKind:
        with pytest.raises(Refusal) as caught:
            bench.venue.amend(
                "ABCUSDT", order_id=order.order_id, quantity=D(quantity), price=D(price), side=side, now_ms=bench.now
            )
        assert bench.state(order) == (NEW, D(0))
        return caught.value.kind

    assert kind(side=SELL) is RefusalKind.NOT_AMENDABLE
    assert kind(price="99.9") is RefusalKind.NOTHING_TO_CHANGE
    assert kind(price="99.85") is RefusalKind.TICK_SIZE
    assert kind(quantity="900") is RefusalKind.INSUFFICIENT_MARGIN
    bench.place(BUY, None, "1")
    reducing = bench.place(SELL, "101", "1", reduce=True)
    with pytest.raises(Refusal) as caught:
        bench.venue.amend("ABCUSDT", order_id=reducing.order_id, quantity=D(2), price=D(101), now_ms=bench.now)
    assert caught.value.kind is RefusalKind.REDUCE_ONLY
    larger = bench.venue.amend("ABCUSDT", order_id=reducing.order_id, quantity=D("0.5"), price=D(101), now_ms=bench.now)
    assert larger.quantity == D("0.5")


def test_cancel_by_either_id_and_all(bench: Bench) -> None:
    first, second, third = (bench.place(BUY, "99", "1", client_id=name) for name in ("a", "b", "c"))
    assert bench.venue.cancel("ABCUSDT", order_id=first.order_id, now_ms=bench.now).status is CANCELED
    assert bench.venue.cancel("ABCUSDT", client_order_id="b", now_ms=bench.now).order_id == second.order_id
    for ids in ({"order_id": first.order_id}, {"client_order_id": "nobody"}, {}):
        with pytest.raises(Refusal) as caught:
            bench.venue.cancel("ABCUSDT", now_ms=bench.now, **ids)
        assert caught.value.kind is RefusalKind.UNKNOWN_ORDER
    assert [order.order_id for order in bench.venue.cancel_all("ABCUSDT", bench.now)] == [third.order_id]
    assert [order.reason for order in bench.venue.orders()] == [Reason.CANCELED, Reason.CANCELED, Reason.CANCEL_ALL]


# refusals of a new order


@pytest.mark.parametrize(
    ("side", "price", "quantity", "kind"),
    [
        (BUY, "99.95", "1", RefusalKind.TICK_SIZE),
        (BUY, "99.9", "1.001", RefusalKind.LOT_SIZE),
        (BUY, "99.9", "0.05", RefusalKind.MIN_NOTIONAL),
        (BUY, "99.9", "0", RefusalKind.QUANTITY_RANGE),
        (BUY, "99.9", "NaN", RefusalKind.QUANTITY_RANGE),
        (BUY, "99.9", "1000.01", RefusalKind.QUANTITY_RANGE),
        (BUY, None, "50.01", RefusalKind.QUANTITY_RANGE),
        (BUY, "0", "1", RefusalKind.PRICE_RANGE),
        (BUY, "1E+400", "1", RefusalKind.PRICE_RANGE),
        (BUY, "99.9", "1E+400", RefusalKind.QUANTITY_RANGE),
        (BUY, "-1", "1", RefusalKind.PRICE_RANGE),
        (BUY, "105.2", "1", RefusalKind.PRICE_BAND),
        (SELL, "95.0", "1", RefusalKind.PRICE_BAND),
        (BUY, "99.9", "900", RefusalKind.INSUFFICIENT_MARGIN),
        (SELL, "100.2", "900", RefusalKind.INSUFFICIENT_MARGIN),
    ],
)
def test_rules_of_the_instrument(bench: Bench, side: Side, price: str | None, quantity: str, kind: RefusalKind) -> None:
    assert bench.refuses(side, price, quantity) is kind
    assert not bench.events


def test_far_from_the_mark_is_fine_on_the_harmless_side(bench: Bench) -> None:
    assert bench.place(BUY, "50", "1").status is NEW
    assert bench.place(SELL, "200", "1").status is NEW


def test_further_refusals(bench: Bench) -> None:
    order = NewOrder(symbol="NOPEUSDT", side=BUY, quantity=D(1), price=D(1), client_order_id="x")
    for wrong, kind in (
        (order, RefusalKind.UNKNOWN_SYMBOL),
        (attrs.evolve(order, symbol="ABCUSDT", price=None), RefusalKind.PRICE_RANGE),
        (attrs.evolve(order, symbol="ABCUSDT", type=OrderType.MARKET), RefusalKind.PRICE_RANGE),
    ):
        with pytest.raises(Refusal) as caught:
            bench.venue.place(wrong, bench.now)
        assert caught.value.kind is kind
    halted = attrs.evolve(RULES, instrument=attrs.evolve(RULES.instrument, status=InstrumentStatus.HALTED))
    assert Bench(rules=halted).refuses(BUY, "99", "1") is RefusalKind.NO_MARKET
    for _ in range(5):
        bench.place(BUY, "99", "1")
    assert bench.refuses(BUY, "99", "1") is RefusalKind.MAX_OPEN_ORDERS
    assert bench.place(BUY, None, "1").status is FILLED


def test_client_order_ids_are_unique_among_open_orders_or_for_ever() -> None:
    for reusable in (True, False):
        bench = Bench(settings=AccountSettings(client_ids_reusable=reusable))
        first = bench.place(BUY, "99", "1", client_id="same")
        assert bench.refuses(BUY, "98", "1", client_id="same") is RefusalKind.DUPLICATE_CLIENT_ID
        bench.venue.cancel("ABCUSDT", order_id=first.order_id, now_ms=bench.now)
        if reusable:
            again = bench.place(BUY, "98", "1", client_id="same")
            assert bench.venue.order("ABCUSDT", client_order_id="same").order_id == again.order_id
        else:
            assert bench.refuses(BUY, "98", "1", client_id="same") is RefusalKind.DUPLICATE_CLIENT_ID


# what is told


def test_events_of_a_fill_come_in_order_and_are_copies(bench: Bench) -> None:
    bench.place(BUY, "99.9", "2", client_id="mine")
    bench.trade("99.9", "1", SELL)
    kinds = [type(event) for event in bench.events]
    assert kinds == [OrderChanged, TradePrinted, AccountChanged, OrderChanged]
    told = [event for event in bench.events if isinstance(event, OrderChanged)]
    assert [(event.change, event.order.filled) for event in told] == [(Change.NEW, D(0)), (Change.TRADE, D(1))]
    fill = told[1].fill
    assert fill is not None
    assert (fill.client_order_id, fill.fee, fill.fee_asset, fill.ms) == ("mine", D("0.01998"), "USDT", bench.now)
    assert [(line.status, line.filled) for line in told[1].order.history] == [(NEW, D(0)), (PARTIAL, D(1))]


def test_quotes_are_told_with_growing_update_ids_until_unsubscribed(bench: Bench) -> None:
    bench.book("100.0", 1, "100.1", 1)
    bench.book("100.0", 2, "100.1", 1)
    assert [event.update_id for event in bench.events if isinstance(event, BookChanged)] == [2, 3]
    assert bench.venue.update_id("ABCUSDT") == 3
    bench.venue.unsubscribe(bench.events.append)
    bench.book("100.0", 2, "100.1", 1)
    assert len(bench.events) == 2


def test_ids_grow_from_where_they_are_told_to() -> None:
    bench = Bench(settings=AccountSettings(first_order_id=2**53 + 1, first_trade_id=7))
    orders = [bench.place(BUY, None, "1") for _ in range(2)]
    assert [order.order_id for order in orders] == [2**53 + 1, 2**53 + 2]
    assert [fill.trade_id for fill in bench.venue.fills()] == [7, 8]


def test_a_person_can_place_too(bench: Bench) -> None:
    order = NewOrder(symbol="ABCUSDT", side=BUY, quantity=D(1), price=D(99), client_order_id="by-hand")
    assert bench.venue.place(order, bench.now, origin=Origin.HAND).origin is Origin.HAND


# leverage and the dead-man's switch


def test_leverage_decides_what_is_affordable(bench: Bench) -> None:
    bench.venue.set_leverage("ABCUSDT", 1, bench.now)
    assert isinstance(bench.events[-1], LeverageChanged)
    assert bench.refuses(BUY, "99", "102") is RefusalKind.INSUFFICIENT_MARGIN
    bench.place(BUY, "99", "101")
    bench.venue.set_leverage("ABCUSDT", 20, bench.now)
    bench.place(BUY, "99", "900")
    for leverage, kind in ((0, RefusalKind.BAD_LEVERAGE), (126, RefusalKind.BAD_LEVERAGE), (2, None)):
        with pytest.raises(Refusal) as caught:
            bench.venue.set_leverage("ABCUSDT", leverage, bench.now)
        assert caught.value.kind is (kind or RefusalKind.INSUFFICIENT_MARGIN)
    assert bench.venue.leverage("ABCUSDT") == 20


def test_the_dead_man_cancels_once_unless_called_again(bench: Bench) -> None:
    venue, now = bench.venue, bench.now
    order = bench.place(BUY, "99", "1")
    venue.set_countdown("ABCUSDT", 1000, now)
    venue.set_countdown("ABCUSDT", 1000, now + 900)
    venue.on_clock(now + 1899)
    assert bench.state(order)[0] is NEW
    venue.on_clock(now + 1900)
    assert venue.order("ABCUSDT", order_id=order.order_id).reason is Reason.DEAD_MAN
    again = bench.place(BUY, "99", "1")
    venue.on_clock(now + 5000)
    venue.set_countdown("ABCUSDT", 1000, now)
    venue.set_countdown("ABCUSDT", 0, now)
    venue.on_clock(now + 9000)
    assert bench.state(again)[0] is NEW
