"""Everything known about one symbol, and what of a change is news to clients.

A venue's events go in, messages come out; what was said before, or is older than what is known, yields none. So live
events, snapshots read after a gap and both at once can be fed in any order that their own times allow.
"""

import enum
from collections.abc import Hashable, Sequence
from decimal import Decimal

import attrs

from opensqt_core.account import Balance, Position
from opensqt_core.exchange import AccountEvent
from opensqt_core.market import Candle
from opensqt_core.order import Fill, Order
from opensqt_live import wire
from opensqt_live.candles import CandleRing
from opensqt_live.orders import OrderTable, RecentIds

Change = Candle | AccountEvent


class Lane(enum.Enum):
    """How a message may be treated on its way to a client that lags."""

    FACT = "fact"
    """Delivered, in order, once."""
    STATE = "state"
    """Only the newest of its key counts."""


@attrs.frozen
class Message:
    """Something to tell."""

    type: str
    data: wire.Data
    lane: Lane
    key: Hashable = None
    """Of a state: what it replaces. A candle's holds its time, because each candle's last state counts."""


@attrs.frozen
class Market:
    """What is shown: a symbol, the asset of its margin, the length of its candles."""

    symbol: str
    asset: str
    interval: str
    leverage: int = 0


class Snapshot:
    """The state of one market."""

    def __init__(self, market: Market, history_limit: int) -> None:
        self.market = market
        self.candles = CandleRing(market.interval, history_limit)
        self.orders = OrderTable()
        self.balance: Balance | None = None
        self.position: Position | None = None
        self._fills = RecentIds()

    def on_join(self) -> list[Message]:
        """Return what a new client is told before anything live, in the contract's order."""
        told = [self._history()]
        if self.balance is not None:
            told.append(self._account(self.balance))
        if self.position is not None:
            told.append(self._position(self.position))
        orders = [wire.OrderData.of(order) for order in self.orders.open.values()]
        return [*told, Message("orders", orders, Lane.FACT)]

    def apply(self, change: Change) -> list[Message]:
        """Take one change of the venue. Changes of other symbols and assets are none here."""
        match change:
            case Candle():
                return self._candle(change)
            case Balance():
                return self._balance_changed(change)
            case Position():
                return self._position_changed(change)
            case Order():
                return self._order(change)
            case Fill():
                return self._fill(change)

    def merge_candles(self, read: Sequence[Candle]) -> list[Message]:
        """Take candles read from the venue. What clients can't be told as updates goes out as a new `history`."""
        news = self.candles.merge(read)
        return [self._history()] if news is None else [_kline(candle) for candle in news]

    def _candle(self, candle: Candle) -> list[Message]:
        ours = (candle.symbol, candle.interval) == (self.market.symbol, self.market.interval)
        return [_kline(candle)] if ours and self.candles.update(candle) else []

    def _balance_changed(self, balance: Balance) -> list[Message]:
        known = self.balance
        if balance.asset != self.market.asset or _is_older(balance.updated_ms, known.updated_ms if known else None):
            return []
        if known is not None:
            balance = _completed(balance, known)
        if known is not None and attrs.evolve(balance, updated_ms=known.updated_ms) == known:
            return []
        self.balance = balance
        return [self._account(balance)]

    def _position_changed(self, position: Position) -> list[Message]:
        known = self.position
        if position.symbol != self.market.symbol or _is_older(position.updated_ms, known.updated_ms if known else None):
            return []
        self.position = position
        if known is not None:
            same = wire.PositionData.of(known, 0) == wire.PositionData.of(position, 0)
            if same or (known.quantity == 0 and position.quantity == 0):
                return []
        return [self._position(position)]

    def _order(self, order: Order) -> list[Message]:
        if order.symbol != self.market.symbol or not self.orders.update(order):
            return []
        return [Message("orders", wire.OrderData.of(order), Lane.FACT)]

    def _fill(self, fill: Fill) -> list[Message]:
        if fill.symbol != self.market.symbol or not self._fills.add(fill.trade_id):
            return []
        return [Message("trade_event", wire.TradeEvent.of(fill), Lane.FACT)]

    def _history(self) -> Message:
        return Message("history", wire.klines(self.candles.all), Lane.FACT)

    def _account(self, balance: Balance) -> Message:
        return Message("account", wire.Account.of(balance, self.market.symbol), Lane.STATE, "account")

    def _position(self, position: Position) -> Message:
        return Message("position", wire.PositionData.of(position, self.market.leverage), Lane.STATE, "position")


def _kline(candle: Candle) -> Message:
    return Message("kline", wire.Kline.of(candle), Lane.STATE, ("kline", candle.open_time_ms))


def _is_older(time_ms: int | None, than_ms: int | None) -> bool:
    return time_ms is not None and than_ms is not None and time_ms < than_ms


def _completed(balance: Balance, known: Balance) -> Balance:
    """Return a balance with the figures its source left out: the known ones, moved as the wallet moved.

    Some streams tell of the wallet only. Margin and free funds move with it at once; what they owe to open profit and
    to margin in use is corrected by the next reading.
    """
    moved = balance.wallet - known.wallet

    def shifted(figure: Decimal | None, before: Decimal | None) -> Decimal | None:
        return before + moved if figure is None and before is not None else figure

    return attrs.evolve(
        balance,
        margin=shifted(balance.margin, known.margin),
        available=shifted(balance.available, known.available),
    )
