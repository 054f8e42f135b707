"""The words of the simulated venue: orders, fills, market inputs, the events it tells, and why it refuses.

Prices and money are in quote currency, quantities in base units, whatever a venue's wire counts in. `ms` is wall time
(server time), `market_ms` is the market's own time; both milliseconds UTC.
"""

import copy
from collections.abc import Callable
from decimal import Decimal

import attrs

from opensqt_core.order import OrderStatus, OrderType, Side, TimeInForce
from opensqt_sim.words import (
    AccountReason,
    Change,
    Origin,
    Reason,
    Refusal,
    RefusalKind,
    SelfTradePrevention,
)

__all__ = [
    "AccountChanged",
    "AccountReason",
    "Book",
    "BookChanged",
    "CandleChanged",
    "Change",
    "FundingPaid",
    "FundingPayment",
    "FundingSettled",
    "HistoryLine",
    "LeverageChanged",
    "Listener",
    "MarkChanged",
    "MarketEvent",
    "MarketQuote",
    "MarketTrade",
    "OrderChanged",
    "Origin",
    "Premium",
    "Reason",
    "Refusal",
    "RefusalKind",
    "SelfTradePrevention",
    "SimBalance",
    "SimCandle",
    "SimFill",
    "SimOrder",
    "SimPosition",
    "Ticker",
    "TradePrinted",
    "VenueEvent",
]


@attrs.frozen
class HistoryLine:
    """One line of an order's life."""

    ms: int
    status: OrderStatus
    filled: Decimal
    reason: str | None = None


@attrs.define(kw_only=True, eq=False)
class SimOrder:
    """An order at the venue. What the venue hands out is a copy: it does not change afterwards."""

    order_id: int
    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    post_only: bool
    reduce_only: bool
    price: Decimal | None
    quantity: Decimal
    self_trade: SelfTradePrevention
    origin: Origin
    created_ms: int
    updated_ms: int
    filled: Decimal = Decimal(0)
    filled_notional: Decimal = Decimal(0)
    """Sum of price·quantity over its fills."""
    status: OrderStatus = OrderStatus.NEW
    reason: Reason | None = None
    history: tuple[HistoryLine, ...] = ()
    queue_ahead: Decimal | None = None
    """What others have in front of it at its price; None while that is not known (it rests behind the touch)."""

    @property
    def remaining(self) -> Decimal:
        """What is not filled yet."""
        return self.quantity - self.filled

    @property
    def average_price(self) -> Decimal | None:
        """Mean price of its fills, None before the first."""
        return self.filled_notional / self.filled if self.filled else None

    @property
    def open(self) -> bool:
        """Whether it can still trade."""
        return not self.status.terminal

    def snapshot(self) -> "SimOrder":
        """Return a copy that will not change."""
        return copy.copy(self)


@attrs.frozen(kw_only=True)
class SimFill:
    """One execution. `fee` is positive when paid; `realised` is the profit this fill locked in, before fees."""

    trade_id: int
    order_id: int
    client_order_id: str
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    realised: Decimal
    ms: int


@attrs.frozen
class MarketTrade:
    """A public trade of the market we replay. `taker_side` is the side that matched at once."""

    symbol: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    taker_side: Side
    market_ms: int


@attrs.frozen
class Book:
    """Best bid and offer. Our own resting orders are not in it.

    `inferred` says that there is no quote feed: the touch was made from the last trade and its sizes mean nothing.
    """

    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    inferred: bool = False

    @property
    def mid(self) -> Decimal:
        """Half way between bid and ask."""
        return (self.bid + self.ask) / 2


@attrs.frozen
class MarketQuote:
    """A change of best bid and offer in the market we replay."""

    symbol: str
    book: Book
    market_ms: int


MarketEvent = MarketTrade | MarketQuote
"""What a market source yields, in order of `market_ms`."""


@attrs.frozen(kw_only=True)
class SimCandle:
    """One candle with everything any venue shows of it. Trade ids are -1 where nothing traded (or is not known)."""

    symbol: str
    interval: str
    open_time_ms: int
    close_time_ms: int
    """Last millisecond of the interval."""
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    taker_buy_volume: Decimal
    taker_buy_quote_volume: Decimal
    first_trade_id: int
    last_trade_id: int
    closed: bool


@attrs.frozen(kw_only=True)
class SimBalance:
    """One asset of the margin account."""

    asset: str
    wallet: Decimal
    unrealised: Decimal
    """Of all positions settled in this asset."""
    initial_margin: Decimal
    """Held for positions and open orders."""
    maintenance_margin: Decimal
    available: Decimal
    """What new orders may use: wallet + unrealised - initial margin, never below zero."""


@attrs.frozen(kw_only=True)
class SimPosition:
    """A one-way position. Quantity 0 means flat; then entry price is 0."""

    symbol: str
    quantity: Decimal
    """Signed: positive is long."""
    entry_price: Decimal
    mark_price: Decimal
    unrealised: Decimal
    realised: Decimal
    """All profit locked in so far on this symbol, without fees and funding."""
    liquidation_price: Decimal | None
    leverage: int
    notional: Decimal
    """Signed, at mark."""
    initial_margin: Decimal
    """Of the position and the open orders of the symbol."""
    maintenance_margin: Decimal
    updated_ms: int


@attrs.frozen(kw_only=True)
class Premium:
    """Mark price, index price, and the funding that is expected at `next_funding_ms` (market time)."""

    symbol: str
    mark: Decimal
    index: Decimal
    funding_rate: Decimal
    next_funding_ms: int
    market_ms: int


@attrs.frozen(kw_only=True)
class FundingSettled:
    """A settled funding rate; `market_ms` is the settlement's own time."""

    symbol: str
    rate: Decimal
    mark: Decimal
    market_ms: int


@attrs.frozen(kw_only=True)
class FundingPayment:
    """What a settlement did to the account: `amount` positive when received. `ms` is wall time."""

    payment_id: int
    symbol: str
    amount: Decimal
    asset: str
    rate: Decimal
    ms: int
    market_ms: int


@attrs.frozen(kw_only=True)
class Ticker:
    """The last 24 hours of market time."""

    symbol: str
    last: Decimal
    last_quantity: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    open_time_ms: int
    close_time_ms: int


@attrs.frozen
class OrderChanged:
    """An order changed; `order` is a copy of its state after `change`, `fill` is there for TRADE and CALCULATED."""

    order: SimOrder
    change: Change
    fill: SimFill | None
    ms: int


@attrs.frozen
class AccountChanged:
    """Balances and positions after a fill or funding: only those that changed."""

    reason: AccountReason
    balances: tuple[SimBalance, ...]
    positions: tuple[SimPosition, ...]
    ms: int


@attrs.frozen
class LeverageChanged:
    """The account's leverage on a symbol was set."""

    symbol: str
    leverage: int
    ms: int


@attrs.frozen
class FundingPaid:
    """Funding was settled on an open position (an `AccountChanged` follows)."""

    payment: FundingPayment
    ms: int


@attrs.frozen
class TradePrinted:
    """A public trade."""

    trade: MarketTrade
    ms: int


@attrs.frozen
class BookChanged:
    """Best bid and offer changed. `update_id` grows by one with each."""

    symbol: str
    book: Book
    update_id: int
    market_ms: int
    ms: int


@attrs.frozen
class CandleChanged:
    """A watched candle changed (see `SimVenue.watch_candles`), or closed."""

    candle: SimCandle
    ms: int


@attrs.frozen
class MarkChanged:
    """Mark price and expected funding; told when a second of market time begins."""

    premium: Premium
    ms: int


VenueEvent = (
    OrderChanged
    | AccountChanged
    | LeverageChanged
    | FundingPaid
    | TradePrinted
    | BookChanged
    | CandleChanged
    | MarkChanged
)
"""Everything a venue tells its listeners."""

Listener = Callable[[VenueEvent], None]
"""Called in order, inside the call that caused the event. It must not call back into the venue and must not block."""
