"""The rules of an instrument: from the user's file, from what is well known, or read off the data."""

import json
import tomllib
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from opensqt_core.instrument import Instrument
from opensqt_sim.model import MarketTrade
from opensqt_sim.rules import Rules

_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "USD", "BTC", "ETH", "BNB", "EUR")
_KNOWN: dict[str, dict[str, str]] = {
    "ETHUSDT": {"tick_size": "0.01", "lot_size": "0.001", "min_notional": "20", "market_max_quantity": "2000"},
    "BTCUSDT": {
        "tick_size": "0.1",
        "lot_size": "0.001",
        "min_notional": "50",
        "market_max_quantity": "110",
        "maintenance_rate": "0.004",
    },
}
"""Binance USD-M perpetuals; protocols of others differ in detail, which is what an instrument file is for."""
_DEFAULTS = {"min_notional": "5", "max_quantity": "10000", "max_open_orders": "200"}

_TEXTS = ("symbol", "base", "quote")
_INTEGERS = ("max_open_orders", "max_leverage")
_INSTRUMENT = ("tick_size", "lot_size", "min_quantity", "max_quantity", "min_notional")
_RULES = ("price_band", "market_lot_size", "market_max_quantity", "maintenance_rate")


class InstrumentFileError(ValueError):
    """An instrument file does not say what it should; the message names file and key."""


def rules_from_file(path: Path, symbol: str, venue: str) -> Rules:
    """Return the rules in a JSON or TOML file (by its ending), completed by what is well known of the symbol.

    Keys: tick_size, lot_size, min_quantity, max_quantity, min_notional, max_open_orders, base, quote, price_band,
    market_lot_size, market_max_quantity, max_leverage, maintenance_rate. They stand at the top or, for several symbols,
    in a table named after the symbol. Numbers may be strings. Raises `InstrumentFileError`.
    """
    document = _load(path)
    table = document.get(symbol, document)
    if not isinstance(table, dict):
        raise InstrumentFileError(f"{path}: {symbol} is not a table")
    if table.get("symbol", symbol) != symbol:
        raise InstrumentFileError(f"{path}: symbol is {table['symbol']!r}, expected {symbol!r}")
    try:
        return _build(symbol, venue, {**_KNOWN.get(symbol, {}), **table})
    except ValueError as error:
        raise InstrumentFileError(f"{path}: {error}") from None


def known_rules(symbol: str, venue: str) -> Rules | None:
    """Return the rules of a well-known symbol, or None."""
    return _build(symbol, venue, _KNOWN[symbol]) if symbol in _KNOWN else None


def derived_rules(symbol: str, venue: str, trades: Iterable[MarketTrade]) -> Rules:
    """Return rules read off trades: the finest digits seen are tick and lot. A guess: tell the user so.

    Raises `ValueError` without any trade.
    """
    prices, quantities = [], []
    for trade in trades:
        prices.append(trade.price)
        quantities.append(trade.quantity)
    if not prices:
        raise ValueError(f"{symbol}: no trades to read tick and lot size from")
    return _build(symbol, venue, {"tick_size": str(_finest(prices)), "lot_size": str(_finest(quantities))})


def _finest(values: Iterable[Decimal]) -> Decimal:
    places = max(0, *(-_exponent(value.normalize()) for value in values), 0)
    return Decimal(1).scaleb(-places)


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _load(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".toml":
            return tomllib.loads(text, parse_float=Decimal)
        document = json.loads(text, parse_float=Decimal)
    except (OSError, ValueError) as error:
        raise InstrumentFileError(f"{path}: {error}") from None
    if not isinstance(document, dict):
        raise InstrumentFileError(f"{path}: expected a table of keys")
    return document


def _build(symbol: str, venue: str, table: dict[str, Any]) -> Rules:
    unknown = sorted(set(table) - {*_TEXTS, *_INTEGERS, *_INSTRUMENT, *_RULES})
    if unknown:
        raise ValueError(f"{unknown[0]}: unknown key")
    values = {**_DEFAULTS, **table}
    numbers = {key: _number(key, values[key]) for key in (*_INSTRUMENT, *_RULES, *_INTEGERS) if key in values}
    for key in ("tick_size", "lot_size"):
        if key not in numbers:
            raise ValueError(f"{key}: missing")
    base, quote = _split(symbol)
    instrument = Instrument(
        venue=venue,
        symbol=symbol,
        base=str(values.get("base", base)),
        quote=str(values.get("quote", quote)),
        tick_size=numbers["tick_size"],
        lot_size=numbers["lot_size"],
        min_quantity=numbers.get("min_quantity", numbers["lot_size"]),
        max_quantity=numbers["max_quantity"],
        min_notional=numbers["min_notional"],
        reduce_only_below_minimum=True,
        max_open_orders=int(numbers["max_open_orders"]),
    )
    extra: dict[str, Any] = {key: numbers[key] for key in _RULES if key in numbers}
    if "max_leverage" in numbers:
        extra["max_leverage"] = int(numbers["max_leverage"])
    return Rules(instrument=instrument, **extra)


def _number(key: str, value: object) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{key}: expected a number, got {value!r}") from None
    if isinstance(value, bool) or not number.is_finite() or number <= 0:
        raise ValueError(f"{key}: expected a number above zero, got {value!r}")
    if key in _INTEGERS and number % 1:
        raise ValueError(f"{key}: expected a whole number, got {value!r}")
    return number


def _split(symbol: str) -> tuple[str, str]:
    for quote in _QUOTES:
        if symbol.endswith(quote) and symbol != quote:
            return symbol.removesuffix(quote), quote
    raise ValueError(f"quote: cannot tell base and quote of {symbol!r}")
