"""WebSocket frames, as the venue lays them out, and what they are in our words."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from opensqt_core.account import Balance, Position
from opensqt_core.market import Candle, MarkPrice, TopOfBook, Trade
from opensqt_core.order import Fill, Order, Side
from opensqt_exchanges.binance.words import order_type, positive, side, status

COIN_MARGINED = 2
"""`st` of events that concern COIN-M; since 2026-06-30 both engines may use one stream."""

_REASONS: Mapping[str, str | None] = {
    "0": None,
    "1": "self_trade",
    "2": "immediate_or_cancel",
    "3": "self_trade",
    "4": "reduce_only",
    "5": "liquidation",
    "6": "good_till",
    "7": "delisting",
    "8": "trigger",
    "9": "market_not_filled",
    "10": "fill_or_kill",
    "11": "post_only",
}
"""`er` of an order update; 10 and 11 are documented for COIN-M only."""

_FORCED = (
    ("autoclose-", "liquidation"),
    ("adl_autoclose", "adl"),
    ("settlement_autoclose-", "settlement"),
    ("delivery_autoclose-", "settlement"),
)
"""What the venue puts into the client order id of orders that nobody placed."""


class Envelope(msgspec.Struct, frozen=True):
    """What any frame may have: an event's name, or an acknowledgement, or a refusal."""

    e: str | None = None
    st: int = 1
    id: Any = None
    code: int | None = None
    msg: str = ""
    error: Any = None


class BookTicker(msgspec.Struct, frozen=True, tag_field="e", tag="bookTicker"):
    """`<symbol>@bookTicker`."""

    s: str
    b: Decimal
    B: Decimal
    a: Decimal
    A: Decimal
    T: int

    def value(self) -> TopOfBook:
        """Return best bid and ask."""
        return TopOfBook(
            symbol=self.s, bid=self.b, bid_quantity=self.B, ask=self.a, ask_quantity=self.A, time_ms=self.T
        )


class MarkPriceUpdate(msgspec.Struct, frozen=True, tag_field="e", tag="markPriceUpdate"):
    """`<symbol>@markPrice@1s`."""

    E: int
    s: str
    p: Decimal
    i: Decimal
    r: Decimal
    T: int

    def value(self) -> MarkPrice:
        """Return mark price and expected funding."""
        return MarkPrice(
            symbol=self.s, mark=self.p, index=self.i, funding_rate=self.r, next_funding_ms=self.T, time_ms=self.E
        )


class AggregateTradeRow(msgspec.Struct, frozen=True):
    """One row of GET /fapi/v1/aggTrades; `m` says that the buyer rested."""

    a: int
    p: Decimal
    q: Decimal
    T: int
    m: bool

    def value(self) -> Any:
        """Return the row: it does not name its symbol."""
        return self

    def trade(self, symbol: str) -> Trade:
        """Return the trade."""
        return Trade(
            symbol=symbol,
            trade_id=str(self.a),
            price=self.p,
            quantity=self.q,
            taker_side=Side.SELL if self.m else Side.BUY,
            time_ms=self.T,
        )


class AggregateTrade(AggregateTradeRow, frozen=True, tag_field="e", tag="aggTrade"):
    """`<symbol>@aggTrade`."""

    s: str

    def value(self) -> Trade:
        """Return the trade."""
        return self.trade(self.s)


class _Kline(msgspec.Struct, frozen=True):
    t: int
    i: str
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741 - the venue's name
    c: Decimal
    v: Decimal
    x: bool


class KlineUpdate(msgspec.Struct, frozen=True, tag_field="e", tag="kline"):
    """`<symbol>@kline_<interval>`."""

    s: str
    k: _Kline

    def value(self) -> Candle:
        """Return the candle, running or closed."""
        return Candle(
            symbol=self.s,
            interval=self.k.i,
            open_time_ms=self.k.t,
            open=self.k.o,
            high=self.k.h,
            low=self.k.l,
            close=self.k.c,
            volume=self.k.v,
            closed=self.k.x,
        )


class _Order(msgspec.Struct, frozen=True):
    s: str
    c: str
    S: str
    o: str
    f: str
    q: Decimal
    p: Decimal
    x: str
    X: str
    i: int
    l: Decimal  # noqa: E741 - the venue's name
    z: Decimal
    L: Decimal
    T: int
    m: bool = False
    t: int = 0
    ap: Decimal | None = None
    n: Decimal = Decimal(0)
    N: str | None = None
    R: bool = False
    er: str | int = "0"

    def reason(self) -> str | None:
        """Return why the order exists, if nobody placed it, or else why it ended, if the venue says so."""
        for prefix, word in _FORCED:
            if self.c.startswith(prefix):
                return word
        if self.X == "EXPIRED_IN_MATCH":
            return "self_trade"
        return _REASONS.get(str(self.er), f"expiry_{self.er}")


class OrderUpdate(msgspec.Struct, frozen=True):
    """`ORDER_TRADE_UPDATE`."""

    o: _Order

    def values(self) -> list[Fill | Order]:
        """Return the execution, if there is one, and then the order's new state, which includes it.

        `CALCULATED` is an execution of a liquidation; without a trade id the order alone tells of it.
        """
        executed = self.o.x in ("TRADE", "CALCULATED") and self.o.l > 0 and self.o.t > 0
        return [self._fill(), self._order()] if executed else [self._order()]

    def _fill(self) -> Fill:
        return Fill(
            symbol=self.o.s,
            trade_id=str(self.o.t),
            order_id=str(self.o.i),
            client_order_id=self.o.c or None,
            side=side(self.o.S),
            price=self.o.L,
            quantity=self.o.l,
            fee=self.o.n,
            fee_asset=self.o.N or "USDT",  # left out where there was no fee
            maker=self.o.m,
            time_ms=self.o.T,
        )

    def _order(self) -> Order:
        reason = self.o.reason()
        post_only = self.o.f == "GTX"
        # Engines before 2023 accepted a post-only order that crosses and ended it at once, without a reason.
        unfilled_expiry = self.o.X == "EXPIRED" and self.o.z == 0 and reason in (None, "post_only")
        return Order(
            symbol=self.o.s,
            order_id=str(self.o.i),
            client_order_id=self.o.c or None,
            side=side(self.o.S),
            type=order_type(self.o.o),
            price=positive(self.o.p),
            quantity=self.o.q,
            filled=self.o.z,
            status=status(self.o.X),
            post_only=post_only,
            reduce_only=self.o.R,
            average_price=positive(self.o.ap),
            reason=reason,
            would_take=post_only and unfilled_expiry,
            updated_ms=self.o.T,
        )


class _Balance(msgspec.Struct, frozen=True):
    a: str
    wb: Decimal


class _Position(msgspec.Struct, frozen=True):
    s: str
    pa: Decimal
    ep: Decimal
    up: Decimal
    ps: str


class _Account(msgspec.Struct, frozen=True):
    B: list[_Balance] = []
    P: list[_Position] = []


class AccountUpdate(msgspec.Struct, frozen=True):
    """`ACCOUNT_UPDATE`: only what changed."""

    T: int
    a: _Account

    def values(self) -> list[Balance | Position]:
        """Return changed balances and changed one-way positions."""
        balances = [Balance(asset=row.a, wallet=row.wb, updated_ms=self.T) for row in self.a.B]
        positions = [
            Position(symbol=row.s, quantity=row.pa, entry_price=row.ep, unrealised=row.up, updated_ms=self.T)
            for row in self.a.P
            if row.ps == "BOTH"
        ]
        return [*balances, *positions]

    def hedged(self) -> bool:
        """Whether there is a position of hedge mode in it, which a one-way position cannot express."""
        return any(row.ps != "BOTH" and row.pa != 0 for row in self.a.P)
