"""What must hold after any sequence of requests and market events."""

from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from opensqt_core.instrument import Instrument
from opensqt_core.order import NewOrder, OrderStatus, OrderType, Side, TimeInForce
from opensqt_sim.engine import SimVenue
from opensqt_sim.model import (
    Book,
    MarketTrade,
    OrderChanged,
    Origin,
    Refusal,
    SelfTradePrevention,
    SimFill,
    SimOrder,
    VenueEvent,
)
from opensqt_sim.rules import AccountSettings, Rules

D = Decimal

RULES = Rules(
    instrument=Instrument(
        venue="test",
        symbol="ABCUSDT",
        base="ABC",
        quote="USDT",
        tick_size=D("0.01"),
        lot_size=D("0.001"),
        min_quantity=D("0.001"),
        max_quantity=D(1000),
        min_notional=D(0),
        reduce_only_below_minimum=True,
    ),
    price_band=None,
)
START = 1_700_006_400_000
sides = st.sampled_from(Side)
ticks = st.integers(9_900, 10_100)
lots = st.integers(1, 20_000)


class Market(RuleBasedStateMachine):
    """Random requests and a random market; the balance is small enough for liquidations."""

    @initialize(balance=st.sampled_from([50, 10_000]), quotes=st.booleans())
    def open(self, balance: int, quotes: bool) -> None:
        self.venue = SimVenue([RULES], AccountSettings(balance=D(balance), leverage=100))
        self.balance = D(balance)
        self.quotes = quotes
        self.ms = START
        self.trade_id = 0
        self.told: dict[int, SimOrder] = {}
        self.fills: list[SimFill] = []
        self.venue.subscribe(self.listen)

    def listen(self, event: VenueEvent) -> None:
        if not isinstance(event, OrderChanged):
            return
        before = self.told.get(event.order.order_id)
        assert before is None or before.open, "an order changed after its end"
        assert before is None or event.order.filled >= before.filled
        self.told[event.order.order_id] = event.order
        if event.fill is not None:
            self.fills.append(event.fill)
            if event.order.reduce_only:
                held = self.held()
                assert abs(held) < abs(held - event.fill.side.sign * event.fill.quantity)
                assert held * (held - event.fill.side.sign * event.fill.quantity) >= 0

    def held(self) -> D:
        return sum((fill.side.sign * fill.quantity for fill in self.fills), D(0))

    @rule(
        side=sides,
        price=ticks,
        quantity=lots,
        kind=st.sampled_from(["limit", "market", "post", "IOC", "FOK"]),
        reduce=st.booleans(),
        mode=st.sampled_from(SelfTradePrevention),
    )
    def place(self, side: Side, price: int, quantity: int, kind: str, reduce: bool, mode: SelfTradePrevention) -> None:
        order = NewOrder(
            symbol="ABCUSDT",
            side=side,
            quantity=quantity * D("0.001"),
            price=None if kind == "market" else price * D("0.01"),
            type=OrderType.MARKET if kind == "market" else OrderType.LIMIT,
            time_in_force=TimeInForce(kind) if kind in ("IOC", "FOK") else TimeInForce.GTC,
            post_only=kind == "post",
            reduce_only=reduce,
            client_order_id=f"c{self.ms}",
        )
        known = len(self.told)
        try:
            placed = self.venue.place(order, self.ms, self_trade=mode)
        except Refusal:
            assert len(self.told) == known
            return
        mine = [fill for fill in self.fills if fill.order_id == placed.order_id]
        assert not any(fill.maker for fill in mine)
        if kind == "post":
            assert not mine
        if kind == "FOK":
            assert placed.status is OrderStatus.FILLED

    @rule(pick=st.integers(0, 100), price=ticks, quantity=lots)
    def amend(self, pick: int, price: int, quantity: int) -> None:
        for order in self.venue.open_orders()[pick : pick + 1]:
            try:
                self.venue.amend(
                    "ABCUSDT",
                    order_id=order.order_id,
                    quantity=quantity * D("0.001"),
                    price=price * D("0.01"),
                    now_ms=self.ms,
                )
            except Refusal:
                assert self.venue.order("ABCUSDT", order_id=order.order_id).history == order.history

    @rule(pick=st.integers(0, 100))
    def cancel(self, pick: int) -> None:
        for order in self.venue.open_orders()[pick : pick + 1]:
            assert self.venue.cancel("ABCUSDT", order_id=order.order_id, now_ms=self.ms).status is OrderStatus.CANCELED

    @rule(bid=ticks, spread=st.integers(1, 20), bid_lots=lots, ask_lots=lots)
    def quote(self, bid: int, spread: int, bid_lots: int, ask_lots: int) -> None:
        if self.quotes:
            self.ms += 1
            step, lot = D("0.01"), D("0.001")
            book = Book(bid * step, bid_lots * lot, (bid + spread) * step, ask_lots * lot)
            self.venue.on_book("ABCUSDT", book, self.ms, self.ms)

    @rule(price=ticks, quantity=lots, side=sides)
    def trade(self, price: int, quantity: int, side: Side) -> None:
        self.ms += 1
        self.trade_id += 1
        trade = MarketTrade("ABCUSDT", self.trade_id, price * D("0.01"), quantity * D("0.001"), side, self.ms)
        self.venue.on_trade(trade, self.ms)

    @rule(hours=st.sampled_from([1, 9]))
    def wait(self, hours: int) -> None:
        self.ms += hours * 3_600_000
        self.venue.on_clock(self.ms, self.ms)

    @invariant()
    def money_adds_up(self) -> None:
        fees = sum((fill.fee for fill in self.fills), D(0))
        funding = sum((payment.amount for payment in self.venue.funding_payments()), D(0))
        realised = sum((fill.realised for fill in self.fills), D(0))
        traded = sum((-fill.side.sign * fill.price * fill.quantity for fill in self.fills), D(0))
        (position,) = self.venue.positions()
        assert self.venue.balances()[0].wallet - self.balance == realised - fees + funding
        assert self.venue.cash_flow() == traded - fees + funding
        assert position.realised == realised
        assert position.quantity == self.held()
        if not position.quantity:
            assert realised == traded

    @invariant()
    def orders_add_up(self) -> None:
        filled: dict[int, D] = {}
        for fill in self.fills:
            filled[fill.order_id] = filled.get(fill.order_id, D(0)) + fill.quantity
        still_open = {order.order_id for order in self.venue.open_orders()}
        orders = self.venue.orders()
        assert len({fill.trade_id for fill in self.fills}) == len(self.fills) == len(self.venue.fills())
        for order in orders:
            assert order.filled == filled.get(order.order_id, D(0)) <= order.quantity
            assert (order.order_id in still_open) is (not order.status.terminal)
            assert (order.status is OrderStatus.FILLED) is (order.filled == order.quantity)
            assert (order.status, order.filled) == (order.history[-1].status, order.history[-1].filled)
            assert self.told[order.order_id].status is order.status
        assert len(orders) == len(self.told)

    @invariant()
    def reduce_only_orders_fit_the_position(self) -> None:
        held = self.held()
        for side in Side:
            reducing = [order for order in self.venue.open_orders() if order.reduce_only and order.side is side]
            assert sum((order.remaining for order in reducing), D(0)) <= max(D(0), -side.sign * held)

    @invariant()
    def our_own_orders_never_cross(self) -> None:
        prices = {
            side: [order.price for order in self.venue.open_orders() if order.side is side and order.price]
            for side in Side
        }
        if prices[Side.BUY] and prices[Side.SELL]:
            assert max(prices[Side.BUY]) < min(prices[Side.SELL])

    @invariant()
    def a_liquidated_account_is_empty(self) -> None:
        orders = self.venue.orders()
        if orders and orders[-1].origin is Origin.LIQUIDATION:
            assert not self.held()
            assert not self.venue.open_orders()


Market.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestMarket = Market.TestCase
