"""Market data by REST; nobody needs a key for it (section "Market Data Endpoints" of the USD-M documentation)."""

from collections.abc import Callable, Mapping
from typing import Any

from opensqt_core.market import INTERVAL_MS
from opensqt_core.order import Side
from opensqt_sim.engine import SimVenue
from opensqt_sim.model import Refusal
from opensqt_sim.venues.binance import codes, instruments, params, render
from opensqt_sim.venues.binance.render import plain
from opensqt_sim.venues.binance.settings import BinanceSettings
from opensqt_sim.venues.shared.calls import Call, VenueError
from opensqt_sim.venues.shared.routing import Route, Security

_V1 = "/fapi/v1/"
_EIGHT_HOURS_MS = 8 * 3_600_000


class MarketRest:
    """Handlers of public endpoints."""

    def __init__(self, venue: SimVenue, settings: BinanceSettings) -> None:
        self._venue = venue
        self._settings = settings

    def routes(self) -> list[Route]:
        """Return all public endpoints."""
        one = {"symbol"}
        span = one | {"startTime", "endTime", "limit"}
        return [
            _route("ping", "ping", _ping),
            _route("time", "time", lambda call: {"serverTime": call.now_ms}),
            _route("exchangeInfo", "instruments", self._exchange_info),
            _route("klines", "candles", self._klines, span | {"interval"}, _kline_weight),
            _route("ticker/price", "price", self._price, one, _per_symbol(1, 2)),
            _route("ticker/price", "price", self._price, one, _per_symbol(1, 2), base="/fapi/v2/"),
            _route("ticker/bookTicker", "book_ticker", self._book_ticker, one, _per_symbol(2, 5)),
            _route("ticker/24hr", "ticker", self._day_ticker, one, _per_symbol(1, 40)),
            _route("depth", "depth", self._depth, one | {"limit"}, 10),
            _route("trades", "trades", self._trades, one | {"limit"}, 5),
            _route("aggTrades", "agg_trades", self._agg_trades, span | {"fromId"}, 20),
            _route("premiumIndex", "mark_price", self._premium_index, one, _per_symbol(1, 10)),
            _route("fundingRate", "funding_rates", self._funding_rate, span),
            _route("fundingInfo", "funding_info", self._funding_info),
            _route("openInterest", "open_interest", self._open_interest, one),
        ]

    def _symbol(self, call: Call) -> str:
        symbol = params.text(call.params, "symbol")
        if symbol not in self._venue.rules:
            raise codes.invalid_symbol()
        return symbol

    def _one_or_all(self, call: Call, show: Callable[[str], Any]) -> Any:
        if "symbol" in call.params:
            return show(self._symbol(call))
        shown = []
        for symbol in self._venue.rules:
            try:
                shown.append(show(symbol))
            except Refusal:
                continue  # no price yet: the venue lists what it has
        return shown

    def _exchange_info(self, call: Call) -> Any:
        return instruments.exchange_info(self._venue.rules, self._settings, call.now_ms)

    def _klines(self, call: Call) -> Any:
        symbol = self._symbol(call)
        interval = params.text(call.params, "interval")
        if interval not in INTERVAL_MS:
            raise VenueError(-1120, "Invalid interval.")
        candles = self._venue.candles(symbol, interval, **_span(call, default=500, largest=1500))
        return [render.kline(candle) for candle in candles]

    def _price(self, call: Call) -> Any:
        def show(symbol: str) -> Any:
            return {"symbol": symbol, "price": plain(self._venue.ticker(symbol).last), "time": call.now_ms}

        return self._one_or_all(call, show)

    def _book_ticker(self, call: Call) -> Any:
        return self._one_or_all(call, lambda symbol: render.book_ticker(symbol, self._venue.book(symbol), call.now_ms))

    def _day_ticker(self, call: Call) -> Any:
        return self._one_or_all(call, lambda symbol: render.day_ticker(self._venue.ticker(symbol)))

    def _depth(self, call: Call) -> Any:
        """Only the touch is known, so there is one level on each side."""
        book = self._venue.book(self._symbol(call))
        return {
            "lastUpdateId": call.now_ms,
            "E": call.now_ms,
            "T": call.now_ms,
            "bids": [[plain(book.bid), plain(book.bid_quantity)]],
            "asks": [[plain(book.ask), plain(book.ask_quantity)]],
        }

    def _trades(self, call: Call) -> Any:
        trades = self._venue.trades(self._symbol(call), limit=params.limit(call.params, default=500, largest=1000))
        return [
            {
                "id": trade.trade_id,
                "price": plain(trade.price),
                "qty": plain(trade.quantity),
                "quoteQty": plain(trade.price * trade.quantity),
                "time": trade.market_ms,
                "isBuyerMaker": trade.taker_side is Side.SELL,
            }
            for trade in trades
        ]

    def _agg_trades(self, call: Call) -> Any:
        """Every trade is an aggregate of its own; as far back as the engine remembers."""
        span = _span(call, default=500, largest=1000)
        first = params.integer(call.params, "fromId")
        trades = [
            trade
            for trade in self._venue.trades(self._symbol(call), limit=1000)
            if (first is None or trade.trade_id >= first)
            and (span["start_ms"] is None or trade.market_ms >= span["start_ms"])
            and (span["end_ms"] is None or trade.market_ms <= span["end_ms"])
        ]
        oldest_first = first is not None or span["start_ms"] is not None
        chosen = trades[: span["limit"]] if oldest_first else trades[-span["limit"] :]
        return [
            {
                "a": trade.trade_id,
                "p": plain(trade.price),
                "q": plain(trade.quantity),
                "nq": plain(trade.quantity),
                "f": trade.trade_id,
                "l": trade.trade_id,
                "T": trade.market_ms,
                "m": trade.taker_side is Side.SELL,
            }
            for trade in chosen
        ]

    def _premium_index(self, call: Call) -> Any:
        return self._one_or_all(call, lambda symbol: render.premium_index(self._venue.premium(symbol), call.now_ms))

    def _funding_rate(self, call: Call) -> Any:
        symbols = [self._symbol(call)] if "symbol" in call.params else list(self._venue.rules)
        span = _span(call, default=100, largest=1000)
        return [
            {
                "symbol": symbol,
                "fundingTime": settled.market_ms,
                "fundingRate": render.money(settled.rate),
                "markPrice": render.money(settled.mark),
            }
            for symbol in symbols
            for settled in self._venue.funding_rates(symbol, **span)
        ]

    def _funding_info(self, call: Call) -> Any:  # noqa: ARG002 - a handler
        """List only what differs from eight hours, as the venue does."""
        interval = self._venue.settings.funding_interval_ms
        if interval == _EIGHT_HOURS_MS:
            return []
        return [
            {
                "symbol": symbol,
                "adjustedFundingRateCap": "0.02000000",
                "adjustedFundingRateFloor": "-0.02000000",
                "fundingIntervalHours": interval // 3_600_000,
            }
            for symbol in self._venue.rules
        ]

    def _open_interest(self, call: Call) -> Any:
        """The only position that is known to be open is ours."""
        symbol = self._symbol(call)
        (position,) = self._venue.positions(symbol)
        return {"openInterest": plain(abs(position.quantity)), "symbol": symbol, "time": call.now_ms}


def _route(
    path: str,
    endpoint: str,
    handler: Callable[[Call], Any],
    names: set[str] | None = None,
    weight: int | Callable[[Mapping[str, str]], int] = 1,
    *,
    base: str = _V1,
) -> Route:
    return Route(
        method="GET",
        path=base + path,
        endpoint=endpoint,
        handler=handler,
        params=frozenset(names or ()),
        security=Security.PUBLIC,
        weight=weight,
    )


def _span(call: Call, *, default: int, largest: int) -> dict[str, Any]:
    return {
        "start_ms": params.integer(call.params, "startTime"),
        "end_ms": params.integer(call.params, "endTime"),
        "limit": params.limit(call.params, default=default, largest=largest),
    }


def _per_symbol(one: int, every: int) -> Callable[[Mapping[str, str]], int]:
    return lambda given: one if "symbol" in given else every


def _kline_weight(given: Mapping[str, str]) -> int:
    """Weight by `limit`: 1 below 100, 2 below 500, 5 up to 1000, 10 above."""
    text = given.get("limit", "500")
    rows = int(text) if text.isdecimal() else 500
    return next((weight for bound, weight in ((99, 1), (499, 2), (1000, 5)) if rows <= bound), 10)


def _ping(call: Call) -> Any:  # noqa: ARG001 - a handler
    return {}
