"""What clients see, v1: the shapes of docs/messages.md, made of core's types, and their bytes.

Every message is a text frame `{"type", "data"}`. Prices, sizes and money are strings with the exact decimal; `time` is
an integer, unix seconds.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from opensqt_core.account import Balance, Position
from opensqt_core.market import Candle
from opensqt_core.order import Fill, Order


def plain(value: Decimal) -> str:
    """Return a decimal without exponent, every digit kept; any zero is `0`."""
    return format(value, "f") if value else "0"


class Kline(msgspec.Struct, frozen=True):
    """Data of `kline`, and an element of `history`."""

    time: int
    """When it opened, unix seconds."""
    open: str
    high: str
    low: str
    close: str
    volume: str
    """In base units."""

    @classmethod
    def of(cls, candle: Candle) -> "Kline":
        """Return a candle as clients see it."""
        return cls(
            time=candle.open_time_ms // 1000,
            open=plain(candle.open),
            high=plain(candle.high),
            low=plain(candle.low),
            close=plain(candle.close),
            volume=plain(candle.volume),
        )


class Account(msgspec.Struct, frozen=True, rename="camel"):
    """Data of `account`."""

    asset: str
    free: str
    """What new orders may use."""
    balance: str
    """The wallet, without unrealised profit."""
    margin_balance: str
    """The wallet with unrealised profit."""
    symbol: str

    @classmethod
    def of(cls, balance: Balance, symbol: str) -> "Account":
        """Return a balance as clients see it; what its source left out counts as the wallet."""
        return cls(
            asset=balance.asset.upper(),
            free=plain(balance.wallet if balance.available is None else balance.available),
            balance=plain(balance.wallet),
            margin_balance=plain(balance.wallet if balance.margin is None else balance.margin),
            symbol=symbol,
        )


class PositionData(msgspec.Struct, frozen=True):
    """Data of `position`: the names of both older servers."""

    symbol: str
    amount: str
    """Signed; negative is short, `0` is none."""
    entryPrice: str  # noqa: N815 - the contract's name
    unrealizedPnL: str  # noqa: N815 - the contract's name
    holdSide: str  # noqa: N815 - the contract's name
    """`long`, `short` or `none`."""
    total: str
    """The size without its sign."""
    available: str
    openPriceAvg: str  # noqa: N815 - the contract's name
    unrealizedPL: str  # noqa: N815 - the contract's name
    leverage: int
    """0 if it could not be read."""

    @classmethod
    def of(cls, position: Position, leverage: int) -> "PositionData":
        """Return a position as clients see it."""
        quantity = position.quantity
        entry, profit = plain(position.entry_price), plain(position.unrealised or Decimal(0))
        return cls(
            symbol=position.symbol,
            amount=plain(quantity),
            entryPrice=entry,
            unrealizedPnL=profit,
            holdSide="long" if quantity > 0 else "short" if quantity < 0 else "none",
            total=plain(abs(quantity)),
            available=plain(abs(quantity)),
            openPriceAvg=entry,
            unrealizedPL=profit,
            leverage=leverage,
        )


class OrderData(msgspec.Struct, frozen=True):
    """Data of `orders`: an array of these on connect, afterwards one for each change."""

    id: str
    price: str
    """`0` for an order without one."""
    side: str
    """`BUY` or `SELL`."""
    status: str
    type: str
    """`LIMIT` or `MARKET`."""
    symbol: str

    @classmethod
    def of(cls, order: Order) -> "OrderData":
        """Return an order as clients see it."""
        return cls(
            id=order.order_id,
            price=plain(order.price or Decimal(0)),
            side=order.side.value.upper(),
            status=order.status.value,
            type=order.type.value.upper(),
            symbol=order.symbol,
        )


class TradeEvent(msgspec.Struct, frozen=True):
    """Data of `trade_event`: one fill."""

    side: str
    """`buy` or `sell`."""
    price: str
    amount: str
    """The size of this fill."""
    symbol: str
    time: int
    """The venue's trade time, unix seconds."""

    @classmethod
    def of(cls, fill: Fill) -> "TradeEvent":
        """Return an execution as clients see it."""
        return cls(
            side=fill.side.value,
            price=plain(fill.price),
            amount=plain(fill.quantity),
            symbol=fill.symbol,
            time=fill.time_ms // 1000,
        )


Data = Kline | Account | PositionData | OrderData | TradeEvent | Sequence[Kline] | Sequence[OrderData]


class _Envelope(msgspec.Struct, frozen=True):
    type: str
    data: Data


_encoder = msgspec.json.Encoder()


def encode(kind: str, data: Data) -> str:
    """Return the text of one frame."""
    return _encoder.encode(_Envelope(kind, data)).decode()


def klines(candles: Iterable[Candle]) -> list[Kline]:
    """Return candles as clients see them."""
    return [Kline.of(candle) for candle in candles]


def encode_klines(candles: Iterable[Candle]) -> bytes:
    """Return the body of `/api/history`: the array that a `history` frame holds."""
    return _encoder.encode(klines(candles))
