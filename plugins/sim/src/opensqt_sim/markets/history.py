"""Candles before the first trade, so that a client that asks for history gets some."""

import random
from collections.abc import Iterable
from decimal import Decimal

from opensqt_core.instrument import Instrument
from opensqt_sim.candles import MINUTE_MS, minute_candle
from opensqt_sim.model import SimCandle

ROWS = 1500
"""What a venue returns at most in one request (Binance: `limit` up to 1500)."""
_LONGEST_GAP_MS = 86_400_000
_STEP = 400
"""Standard deviation of one minute, in millionths of the price."""


def complete_history(
    instrument: Instrument,
    *,
    first_price: Decimal,
    first_ms: int,
    recorded: Iterable[SimCandle] = (),
    seed: int = 0,
    rows: int = ROWS,
) -> list[SimCandle]:
    """Return closed minutes up to the first trade's minute: the recorded ones, and seeded ones before them if too few.

    Recorded candles from that minute on are left out, because the trades make them. Raises `ValueError` if the recorded
    ones end more than a day before the first trade: they are of another time.
    """
    minute = first_ms - first_ms % MINUTE_MS
    history = [candle for candle in recorded if candle.open_time_ms < minute]
    if history and minute - history[-1].open_time_ms > _LONGEST_GAP_MS:
        raise ValueError(
            f"{instrument.symbol}: the candles end at {history[-1].open_time_ms}, "
            f"more than a day before the first trade at {first_ms}"
        )
    oldest_ms, price = (history[0].open_time_ms, history[0].open) if history else (minute, first_price)
    covered = (minute - oldest_ms) // MINUTE_MS
    return seeded_history(instrument, price, oldest_ms, rows - covered, seed) + history


def seeded_history(instrument: Instrument, price: Decimal, end_ms: int, rows: int, seed: int) -> list[SimCandle]:
    """Return `rows` closed minutes before `end_ms`, drawn backwards so that the last one closes at `price`."""
    source = random.Random(f"{seed} {instrument.symbol} history")  # noqa: S311  (a market, not a secret)
    tick = instrument.tick_size
    close = max(1, int(price / tick))
    candles: list[SimCandle] = []
    for back in range(1, rows + 1):
        deviation = max(1, close * _STEP // 1_000_000)
        first = max(1, close + (source.getrandbits(64).bit_count() - 32) * deviation // 4)
        high = max(first, close) + source.randrange(deviation + 1)
        low = max(1, min(first, close) - source.randrange(deviation + 1))
        volume = source.randrange(1, 10_000) * instrument.lot_size
        prices = (first * tick, high * tick, low * tick, close * tick)
        candles.append(minute_candle(instrument.symbol, end_ms - back * MINUTE_MS, prices, volume))
        close = first
    candles.reverse()
    return candles
