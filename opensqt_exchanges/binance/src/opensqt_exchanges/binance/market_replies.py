"""Replies with public data, as the venue lays them out, and what they are in our words."""

from decimal import Decimal
from typing import Any, Self, TypeVar

import msgspec

from opensqt_core.instrument import Instrument, InstrumentStatus
from opensqt_core.market import Candle, FundingRate, MarkPrice, TopOfBook
from opensqt_core.ratelimit import Limit
from opensqt_exchanges.binance.words import Wire

T = TypeVar("T")

_LIMIT_NAMES = {
    ("REQUEST_WEIGHT", "MINUTE", 1): "weight",
    ("ORDERS", "SECOND", 10): "orders_10s",
    ("ORDERS", "MINUTE", 1): "orders_1m",
}


class ServerTime(Wire):
    """GET /fapi/v1/time."""

    server_time: int

    def value(self) -> int:
        """Return the venue's time in milliseconds UTC."""
        return self.server_time


class RateLimitRow(Wire):
    """One allowance in exchangeInfo."""

    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


class _PriceFilter(Wire):
    tick_size: Decimal


class _LotSize(Wire):
    step_size: Decimal
    min_qty: Decimal
    max_qty: Decimal


class _MinNotional(Wire):
    notional: Decimal


class _MaxOrders(Wire):
    limit: int


class SymbolRow(Wire):
    """One symbol in exchangeInfo. Its filters are read only for what we trade, and unknown ones ignored."""

    symbol: str
    contract_type: str
    status: str
    base_asset: str
    quote_asset: str
    margin_asset: str
    filters: list[dict[str, Any]]

    def instrument(self) -> Instrument:
        """Return the instrument. Display precisions are not steps and are not read."""
        price = self._filter("PRICE_FILTER", _PriceFilter)
        lot = self._filter("LOT_SIZE", _LotSize)
        has_cap = any(row.get("filterType") == "MAX_NUM_ORDERS" for row in self.filters)
        return Instrument(
            venue="binance",
            symbol=self.symbol,
            base=self.base_asset,
            quote=self.quote_asset,
            tick_size=price.tick_size,
            lot_size=lot.step_size,
            min_quantity=lot.min_qty,
            max_quantity=lot.max_qty,
            min_notional=self._filter("MIN_NOTIONAL", _MinNotional).notional,
            reduce_only_below_minimum=True,
            max_open_orders=self._filter("MAX_NUM_ORDERS", _MaxOrders).limit if has_cap else None,
            status=InstrumentStatus.TRADING if self.status == "TRADING" else InstrumentStatus.HALTED,
        )

    def _filter(self, name: str, shape: type[T]) -> T:
        for row in self.filters:
            if row.get("filterType") == name:
                try:
                    return msgspec.convert(row, shape)
                except msgspec.ValidationError as error:
                    raise msgspec.ValidationError(f"{self.symbol}, filter {name}: {error}") from error
        raise msgspec.ValidationError(f"{self.symbol} has no filter {name}")


class ExchangeInfo(Wire):
    """GET /fapi/v1/exchangeInfo."""

    rate_limits: list[RateLimitRow]
    symbols: list[SymbolRow]

    def value(self) -> tuple[list[Instrument], list[Limit]]:
        """Return perpetuals quoted and margined in USDT, and the allowances that requests here are counted against."""
        instruments = [
            row.instrument()
            for row in self.symbols
            if row.contract_type == "PERPETUAL" and row.quote_asset == row.margin_asset == "USDT"
        ]
        seconds = {"SECOND": 1, "MINUTE": 60}
        limits = [
            Limit(name=_LIMIT_NAMES[key], amount=row.limit, seconds=row.interval_num * seconds[row.interval])
            for row in self.rate_limits
            if (key := (row.rate_limit_type, row.interval, row.interval_num)) in _LIMIT_NAMES
        ]
        return instruments, limits


class KlineRow(msgspec.Struct, array_like=True, frozen=True):
    """One row of GET /fapi/v1/klines. It does not say whether it is closed."""

    open_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def value(self) -> Self:
        """Return the row: it lacks too much to be a candle."""
        return self

    def candle(self, symbol: str, interval: str, *, closed: bool) -> Candle:
        """Return the candle."""
        return Candle(
            symbol=symbol,
            interval=interval,
            open_time_ms=self.open_time,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume=self.volume,
            closed=closed,
        )


class BookTickerRow(Wire):
    """GET /fapi/v1/ticker/bookTicker."""

    symbol: str
    bid_price: Decimal
    bid_qty: Decimal
    ask_price: Decimal
    ask_qty: Decimal
    time: int

    def value(self) -> TopOfBook:
        """Return best bid and ask."""
        return TopOfBook(
            symbol=self.symbol,
            bid=self.bid_price,
            bid_quantity=self.bid_qty,
            ask=self.ask_price,
            ask_quantity=self.ask_qty,
            time_ms=self.time,
        )


class PremiumRow(Wire):
    """GET /fapi/v1/premiumIndex. `lastFundingRate` is, despite its name, the estimate for the next settlement."""

    symbol: str
    mark_price: Decimal
    index_price: Decimal
    last_funding_rate: Decimal
    next_funding_time: int
    time: int

    def value(self) -> MarkPrice:
        """Return mark price and expected funding."""
        return MarkPrice(
            symbol=self.symbol,
            mark=self.mark_price,
            index=self.index_price,
            funding_rate=self.last_funding_rate,
            next_funding_ms=self.next_funding_time,
            time_ms=self.time,
        )


class FundingRateRow(Wire):
    """GET /fapi/v1/fundingRate."""

    symbol: str
    funding_rate: Decimal
    funding_time: int

    def value(self) -> FundingRate:
        """Return the settled rate."""
        return FundingRate(symbol=self.symbol, rate=self.funding_rate, time_ms=self.funding_time)
