"""From the command line's wishes to a venue with rules, a past, and a market that is about to begin."""

import itertools
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import attrs
import structlog

from opensqt_sim.engine import SimVenue
from opensqt_sim.markets.files import MarketFileError, read_klines, read_quotes, read_trades
from opensqt_sim.markets.history import complete_history
from opensqt_sim.markets.instrument import derived_rules, known_rules, rules_from_file
from opensqt_sim.markets.merge import merge, peek, shifted
from opensqt_sim.markets.synthetic import SyntheticSettings, synthetic
from opensqt_sim.model import MarketEvent, MarketQuote, SimCandle
from opensqt_sim.rules import AccountSettings, Rules

_log = structlog.get_logger()
_MINUTE_MS = 60_000
_LOOK_AHEAD = 1000
"""Trades from which tick and lot size are guessed where nothing else tells them."""
_PRICES = {"BTCUSDT": Decimal(60_000), "ETHUSDT": Decimal(3_000)}
_OTHER_PRICE = Decimal(100)


class SetupError(Exception):
    """The market that was asked for cannot be made; the message is one line for the user."""


@attrs.frozen(kw_only=True)
class MarketWish:
    """Where a symbol's market should come from: files, or the seed."""

    symbol: str
    trades: Path | None = None
    quotes: Path | None = None
    klines: Path | None = None
    instrument: Path | None = None
    seed: int = 0
    price: Decimal | None = None
    """Where a synthetic market starts."""
    shift_to_now: bool = False
    """Whether a recorded market should happen now instead of when it was recorded."""


@attrs.frozen(kw_only=True)
class Market:
    """A market that is ready to begin."""

    rules: Rules
    history: list[SimCandle]
    first: MarketEvent
    rest: Iterator[MarketEvent]


def prepare_market(wish: MarketWish, *, venue: str, now_ms: int) -> Market:
    """Open the files or set up the random walk. Raises `SetupError`."""
    try:
        return _recorded(wish, wish.trades, venue, now_ms) if wish.trades else _synthetic(wish, venue, now_ms)
    except (MarketFileError, ValueError) as error:
        raise SetupError(str(error)) from None


def open_venue(markets: Iterable[Market], account: AccountSettings, *, now_ms: int) -> SimVenue:
    """Return a venue with its past, at which the first event of each market has happened: it has prices."""
    markets = list(markets)
    try:
        venue = SimVenue((market.rules for market in markets), account)
    except ValueError as error:
        raise SetupError(str(error)) from None
    for market in markets:
        venue.seed_candles(market.rules.instrument.symbol, market.history)
        if isinstance(market.first, MarketQuote):
            venue.on_book(market.first.symbol, market.first.book, market.first.market_ms, now_ms)
        else:
            venue.on_trade(market.first, now_ms)
    return venue


def _recorded(wish: MarketWish, trades: Path, venue: str, now_ms: int) -> Market:
    sources: list[Iterable[MarketEvent]] = [read_trades(trades, wish.symbol)]
    if wish.quotes is not None:
        sources.append(read_quotes(wish.quotes, wish.symbol))
    seen, market = peek(merge(*sources), wish.symbol, _LOOK_AHEAD)
    rules = _given_rules(wish, venue)
    if rules is None:
        rules = derived_rules(wish.symbol, venue, seen)
        instrument = rules.instrument
        _log.warning(
            "tick and lot size are guessed from the trades; --instrument makes them certain",
            symbol=wish.symbol,
            tick_size=str(instrument.tick_size),
            lot_size=str(instrument.lot_size),
        )
    first = next(market, None)
    if first is None:
        raise SetupError(f"{trades}: no trades")
    offset_ms = now_ms - first.market_ms if wish.shift_to_now else 0
    offset_ms -= offset_ms % _MINUTE_MS
    history = complete_history(
        rules.instrument,
        first_price=first.book.mid if isinstance(first, MarketQuote) else first.price,
        first_ms=first.market_ms,
        recorded=_klines(wish),
        seed=wish.seed,
    )
    if offset_ms:
        market = shifted(itertools.chain([first], market), offset_ms)
        first = next(market)
        history = [_later(candle, offset_ms) for candle in history]
    return Market(rules=rules, history=history, first=first, rest=market)


def _later(candle: SimCandle, offset_ms: int) -> SimCandle:
    return attrs.evolve(
        candle, open_time_ms=candle.open_time_ms + offset_ms, close_time_ms=candle.close_time_ms + offset_ms
    )


def _synthetic(wish: MarketWish, venue: str, now_ms: int) -> Market:
    if wish.quotes is not None:
        raise SetupError("--bbo needs --trades: quotes alone make no market")
    rules = _given_rules(wish, venue)
    if rules is None:
        raise SetupError(f"the rules of {wish.symbol} are not known here: give them with --instrument")
    recorded = list(_klines(wish))
    price, start_ms = wish.price or _PRICES.get(wish.symbol, _OTHER_PRICE), now_ms
    if recorded:
        price, start_ms = wish.price or recorded[-1].close, recorded[-1].close_time_ms + 1
    history = complete_history(
        rules.instrument, first_price=price, first_ms=start_ms, recorded=recorded, seed=wish.seed
    )
    market = synthetic(rules.instrument, SyntheticSettings(seed=wish.seed, start_ms=start_ms, start_price=price))
    return Market(rules=rules, history=history, first=next(market), rest=market)


def _given_rules(wish: MarketWish, venue: str) -> Rules | None:
    if wish.instrument is not None:
        return rules_from_file(wish.instrument, wish.symbol, venue)
    return known_rules(wish.symbol, venue)


def _klines(wish: MarketWish) -> Iterator[SimCandle]:
    return read_klines(wish.klines, wish.symbol) if wish.klines is not None else iter(())
