"""Everything that is asked of a venue before the first browser may connect."""

import difflib
from collections.abc import Sequence

import attrs
import trio

from opensqt_core.errors import AuthFailed, ExchangeError, Unavailable
from opensqt_core.exchange import Exchange
from opensqt_core.instrument import Instrument
from opensqt_live.exits import StartRefused
from opensqt_live.loading import Loaded
from opensqt_live.snapshot import Market

ANSWER_WITHIN = 30.0
"""Seconds for all of it; a driver's own limits are per request."""


@attrs.frozen
class Finding:
    """One thing that was checked and is fine."""

    rule: str
    text: str


@attrs.frozen
class Prepared:
    """What is shown, and what was checked on the way."""

    markets: Sequence[Market]
    findings: Sequence[Finding]


async def prepare(loaded: Loaded, exchange: Exchange) -> Prepared:
    """Find the symbols and try the key. Raises `StartRefused` in words for the user."""
    name = exchange.name
    try:
        with trio.fail_after(ANSWER_WITHIN):
            return await _read(loaded, exchange)
    except AuthFailed as error:
        raise StartRefused(
            f"{loaded.path}: {name}: the exchange does not accept the key: {error}; "
            "check the key, its secret and its permissions"
        ) from error
    except Unavailable as error:
        raise StartRefused(
            f"{loaded.path}: {name}: the exchange can't be reached: {error}; check its addresses and the network"
        ) from error
    except ExchangeError as error:
        raise StartRefused(f"{loaded.path}: {name}: the exchange can't be read: {error}") from error
    except trio.TooSlowError as error:
        raise StartRefused(
            f"{loaded.path}: {name}: the exchange can't be reached: no answer within {ANSWER_WITHIN:g} s"
        ) from error


async def _read(loaded: Loaded, exchange: Exchange) -> Prepared:
    trading = loaded.settings.trading
    instruments = {instrument.symbol: instrument for instrument in await exchange.market.instruments()}
    findings = [
        Finding("settings", f"{loaded.path} has no faults"),
        Finding("exchange", f"{loaded.driver.title} answers, {len(instruments)} symbols"),
    ]
    markets = []
    for position, symbol in enumerate(trading.symbols):
        key = "trading.symbol" if position == 0 else f"trading.more_symbols[{position - 1}]"
        instrument = _find(instruments, symbol, key, loaded)
        leverage = 0
        if exchange.account is not None:
            leverage = (await exchange.account.symbol_settings(symbol)).leverage
        markets.append(Market(symbol, instrument.quote, trading.interval, leverage))
        findings.append(Finding("symbol", f"{symbol} is {instrument.status.value}"))
    key_text = "accepted" if exchange.account is not None else "none: candles only, no account, orders and fills"
    findings.append(Finding("key", key_text))
    return Prepared(markets, findings)


def _find(instruments: dict[str, Instrument], symbol: str, key: str, loaded: Loaded) -> Instrument:
    if symbol in instruments:
        return instruments[symbol]
    names = sorted(instruments)
    near = difflib.get_close_matches(symbol, names, n=3) or names[:3]
    raise StartRefused(
        f"{loaded.path}: {key}: expected a symbol of {loaded.driver.title}, got {symbol!r}"
        f" (there are {len(names)}, for example {', '.join(near)})"
    )
