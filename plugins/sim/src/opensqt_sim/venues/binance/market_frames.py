"""Market data in the words of Binance's streams."""

from typing import Any

from opensqt_core.order import Side
from opensqt_sim.model import BookChanged, MarketTrade, Premium, SimCandle, Ticker
from opensqt_sim.venues.binance.render import average, money, percent, plain

Json = dict[str, Any]
_UM = 1
"""`st`: USD-M, not COIN-M; the two share their all-market streams since 2026-06-30."""


def book_ticker(event: BookChanged) -> Json:
    """Return a change of best bid and offer."""
    book = event.book
    return {
        "e": "bookTicker",
        "u": event.update_id,
        "E": event.ms,
        "T": event.ms,
        "s": event.symbol,
        "st": _UM,
        "ps": event.symbol,
        "b": plain(book.bid),
        "B": plain(book.bid_quantity),
        "a": plain(book.ask),
        "A": plain(book.ask_quantity),
    }


def trade(printed: MarketTrade, ms: int) -> Json:
    """Return a trade on `@trade`."""
    return {
        "e": "trade",
        "E": ms,
        "T": printed.market_ms,
        "s": printed.symbol,
        "st": _UM,
        "t": printed.trade_id,
        "p": plain(printed.price),
        "q": plain(printed.quantity),
        "X": "MARKET",
        "m": printed.taker_side is Side.SELL,
    }


def agg_trade(printed: MarketTrade, ms: int) -> Json:
    """Return a trade on `@aggTrade`; every trade is an aggregate of its own, sent at once."""
    return {
        "e": "aggTrade",
        "E": ms,
        "s": printed.symbol,
        "st": _UM,
        "a": printed.trade_id,
        "p": plain(printed.price),
        "q": plain(printed.quantity),
        "nq": plain(printed.quantity),
        "f": printed.trade_id,
        "l": printed.trade_id,
        "T": printed.market_ms,
        "m": printed.taker_side is Side.SELL,
    }


def kline(candle: SimCandle, ms: int) -> Json:
    """Return a candle's state."""
    return {
        "e": "kline",
        "E": ms,
        "s": candle.symbol,
        "st": _UM,
        "k": {
            "t": candle.open_time_ms,
            "T": candle.close_time_ms,
            "s": candle.symbol,
            "i": candle.interval,
            "f": candle.first_trade_id,
            "L": candle.last_trade_id,
            "o": plain(candle.open),
            "c": plain(candle.close),
            "h": plain(candle.high),
            "l": plain(candle.low),
            "v": plain(candle.volume),
            "n": candle.trades,
            "x": candle.closed,
            "q": plain(candle.quote_volume),
            "V": plain(candle.taker_buy_volume),
            "Q": plain(candle.taker_buy_quote_volume),
            "B": "0",
        },
    }


def mark_price(premium: Premium, ms: int) -> Json:
    """Return mark price and expected funding."""
    return {
        "e": "markPriceUpdate",
        "E": ms,
        "s": premium.symbol,
        "st": _UM,
        "p": money(premium.mark),
        "ap": money(premium.mark),
        "i": money(premium.index),
        "P": money(premium.index),
        "r": money(premium.funding_rate),
        "T": premium.next_funding_ms,
    }


def ticker(day: Ticker, ms: int) -> Json:
    """Return the last 24 hours on `@ticker`."""
    change = day.last - day.open
    return {
        "e": "24hrTicker",
        "E": ms,
        "s": day.symbol,
        "st": _UM,
        "p": plain(change),
        "P": percent(change, day.open),
        "w": average(day),
        "c": plain(day.last),
        "Q": plain(day.last_quantity),
        "o": plain(day.open),
        "h": plain(day.high),
        "l": plain(day.low),
        "v": plain(day.volume),
        "q": plain(day.quote_volume),
        "O": day.open_time_ms,
        "C": day.close_time_ms,
        "F": 0,
        "L": 0,
        "n": day.trades,
    }


def mini_ticker(day: Ticker, ms: int) -> Json:
    """Return the last 24 hours on `@miniTicker`."""
    return {
        "e": "24hrMiniTicker",
        "E": ms,
        "s": day.symbol,
        "st": _UM,
        "c": plain(day.last),
        "o": plain(day.open),
        "h": plain(day.high),
        "l": plain(day.low),
        "v": plain(day.volume),
        "q": plain(day.quote_volume),
    }
