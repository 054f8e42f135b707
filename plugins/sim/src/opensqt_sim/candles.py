"""Candles made from trades, for one symbol.

Minutes are kept; longer intervals are added up from them when asked for, and kept running only once somebody watches
them, because a trade should not cost eleven candles. Minutes without a trade are there too: flat at the last close,
volume 0, as venues show them.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from opensqt_core.market import INTERVAL_MS
from opensqt_core.order import Side
from opensqt_sim.model import MarketTrade, SimCandle

MINUTE_MS = INTERVAL_MS["1m"]
_ZERO = Decimal(0)


class Candles:
    """All candles of one symbol. `changed` is called with watched candles only."""

    def __init__(self, symbol: str, changed: Callable[[SimCandle], None]) -> None:
        self.symbol = symbol
        self._changed = changed
        self._minutes: list[_Bar] = []
        self._watched: dict[str, _Bar | None] = {}
        """The running bar of each watched interval; None before the first trade or history."""

    def __bool__(self) -> bool:
        """Whether there is any candle yet."""
        return bool(self._minutes)

    def seed(self, history: Iterable[SimCandle]) -> None:
        """Put minutes before the first trade. Raises `ValueError` if they are not whole minutes in order."""
        if self._minutes:
            raise ValueError(f"{self.symbol}: history must come before the first trade, and only once")
        for candle in history:
            if candle.interval != "1m" or candle.open_time_ms % MINUTE_MS:
                raise ValueError(
                    f"{self.symbol}: history must be 1m candles, got {candle.interval} at {candle.open_time_ms}"
                )
            if self._minutes and candle.open_time_ms <= self._minutes[-1].open_ms:
                raise ValueError(f"{self.symbol}: history goes back in time at {candle.open_time_ms}")
            self._fill_up_to(candle.open_time_ms - MINUTE_MS)
            self._minutes.append(_Bar.of(candle))

    def advance(self, market_ms: int) -> None:
        """Close what ends at or before `market_ms`; the running minute is flat until its first trade."""
        minute = market_ms - market_ms % MINUTE_MS
        minutes = self._minutes
        if not minutes or minutes[-1].open_ms >= minute:
            return
        while minutes[-1].open_ms < minute:
            last = minutes[-1]
            end = last.open_ms + MINUTE_MS
            minutes.append(_Bar(end, last.close))
            for interval, bar in self._watched.items():
                if bar is not None and bar.open_ms + INTERVAL_MS[interval] <= end:
                    self._changed(bar.candle(self.symbol, interval, closed=True))
                    self._watched[interval] = _Bar(end, last.close)

    def add(self, trade: MarketTrade) -> None:
        """Count one trade. A trade older than the running minute counts there: closed candles never change."""
        minutes = self._minutes
        if not minutes:
            minutes.append(_Bar(trade.market_ms - trade.market_ms % MINUTE_MS, trade.price))
        elif trade.market_ms >= minutes[-1].open_ms + MINUTE_MS:
            self.advance(trade.market_ms)
        minutes[-1].add(trade)
        for interval, bar in self._watched.items():
            running = bar
            if running is None:
                running = self._watched[interval] = self._running(interval)
            else:
                running.add(trade)
            self._changed(running.candle(self.symbol, interval, closed=False))

    def watch(self, interval: str) -> None:
        """Report this interval from now on. Raises `ValueError` for an interval that does not exist."""
        _length(interval)
        if interval not in self._watched:
            self._watched[interval] = self._running(interval) if self._minutes else None

    def rows(
        self, interval: str, *, start_ms: int | None, end_ms: int | None, limit: int, market_ms: int
    ) -> Sequence[SimCandle]:
        """Return candles that open in [start_ms, end_ms], oldest first: from `start_ms` on if given, else the newest.

        Raises `ValueError` for an interval that does not exist.
        """
        length = _length(interval)
        minutes = self._minutes
        if not minutes or limit <= 0:
            return []
        first = _floor(minutes[0].open_ms, length)
        last = _floor(minutes[-1].open_ms, length)
        if start_ms is not None:
            first = max(first, -(-start_ms // length) * length)
        if end_ms is not None:
            last = min(last, _floor(end_ms, length))
        span = (limit - 1) * length
        if start_ms is not None:
            last = min(last, first + span)
        else:
            first = max(first, last - span)
        return [
            self._sum(open_ms, length).candle(self.symbol, interval, closed=open_ms + length <= market_ms)
            for open_ms in range(first, last + 1, length)
        ]

    def _running(self, interval: str) -> "_Bar":
        length = INTERVAL_MS[interval]
        return self._sum(_floor(self._minutes[-1].open_ms, length), length)

    def _sum(self, open_ms: int, length: int) -> "_Bar":
        origin = self._minutes[0].open_ms
        start = max(0, (open_ms - origin) // MINUTE_MS)
        end = (open_ms + length - origin) // MINUTE_MS
        bars = self._minutes[start:end]
        total = _Bar(open_ms, bars[0].open)
        for bar in bars:
            total.join(bar)
        return total

    def _fill_up_to(self, open_ms: int) -> None:
        minutes = self._minutes
        while minutes and minutes[-1].open_ms < open_ms:
            minutes.append(_Bar(minutes[-1].open_ms + MINUTE_MS, minutes[-1].close))


def minute_candle(
    symbol: str, open_time_ms: int, prices: tuple[Decimal, Decimal, Decimal, Decimal], volume: Decimal
) -> SimCandle:
    """Return a closed minute of history from (open, high, low, close); what is not known of it is zero."""
    bar = _Bar(open_time_ms, prices[0])
    bar.high, bar.low, bar.close = prices[1:]
    bar.volume = volume
    return bar.candle(symbol, "1m", closed=True)


def _length(interval: str) -> int:
    try:
        return INTERVAL_MS[interval]
    except KeyError:
        raise ValueError(f"unknown interval {interval!r}") from None


def _floor(ms: int, length: int) -> int:
    return ms - ms % length


class _Bar:
    """One interval while it is being counted."""

    __slots__ = (
        "buy_quote", "buy_volume", "close", "first_id", "high", "last_id", "low", "open", "open_ms", "quote", "trades",
        "volume",
    )  # fmt: skip

    def __init__(self, open_ms: int, price: Decimal) -> None:
        self.open_ms = open_ms
        self.open = self.high = self.low = self.close = price
        self.volume = self.quote = self.buy_volume = self.buy_quote = _ZERO
        self.trades = 0
        self.first_id = self.last_id = -1

    @classmethod
    def of(cls, candle: SimCandle) -> "_Bar":
        bar = cls(candle.open_time_ms, candle.open)
        bar.high, bar.low, bar.close = candle.high, candle.low, candle.close
        bar.volume, bar.quote = candle.volume, candle.quote_volume
        bar.buy_volume, bar.buy_quote = candle.taker_buy_volume, candle.taker_buy_quote_volume
        bar.trades, bar.first_id, bar.last_id = candle.trades, candle.first_trade_id, candle.last_trade_id
        return bar

    def add(self, trade: MarketTrade) -> None:
        price, quantity = trade.price, trade.quantity
        if not self.volume:
            # flat until now: the interval opens with its first trade, not with the last close before it
            self.open = self.high = self.low = price
            self.first_id = trade.trade_id
        elif price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.last_id = trade.trade_id
        self.trades += 1
        self.volume += quantity
        quote = price * quantity
        self.quote += quote
        if trade.taker_side is Side.BUY:
            self.buy_volume += quantity
            self.buy_quote += quote

    def join(self, later: "_Bar") -> None:
        """Add a later, shorter bar."""
        if not later.volume:
            return
        if not self.volume:
            self.open, self.high, self.low = later.open, later.high, later.low
            self.first_id = later.first_id
        else:
            self.high = max(self.high, later.high)
            self.low = min(self.low, later.low)
        self.close = later.close
        self.last_id = later.last_id
        self.trades += later.trades
        self.volume += later.volume
        self.quote += later.quote
        self.buy_volume += later.buy_volume
        self.buy_quote += later.buy_quote

    def candle(self, symbol: str, interval: str, *, closed: bool) -> SimCandle:
        return SimCandle(
            symbol=symbol,
            interval=interval,
            open_time_ms=self.open_ms,
            close_time_ms=self.open_ms + INTERVAL_MS[interval] - 1,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume=self.volume,
            quote_volume=self.quote,
            trades=self.trades,
            taker_buy_volume=self.buy_volume,
            taker_buy_quote_volume=self.buy_quote,
            first_trade_id=self.first_id,
            last_trade_id=self.last_id,
            closed=closed,
        )
