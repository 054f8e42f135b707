"""Recorded market data: Binance's public CSV layouts, plain or gzip'd, with or without a header line.

- trades: `agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker`
- quotes: `update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time`
- klines: `open_time,open,high,low,close,volume,...`, 1 minute

Further columns are ignored. Times are milliseconds UTC; microseconds (Binance's spot dumps since 2025) are understood.
Files are read lazily. A row that cannot be what its column says, or goes back in time, raises `MarketFileError`, which
names file, line, column and value: nothing is ever skipped.
"""

import contextlib
import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, TextIO, TypeVar, cast

from opensqt_core.order import Side
from opensqt_sim.candles import MINUTE_MS, minute_candle
from opensqt_sim.model import Book, MarketQuote, MarketTrade, SimCandle

TRADE_COLUMNS = (
    "agg_trade_id",
    "price",
    "quantity",
    "first_trade_id",
    "last_trade_id",
    "transact_time",
    "is_buyer_maker",
)
QUOTE_COLUMNS = ("update_id", "best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty", "transaction_time")
KLINE_COLUMNS = ("open_time", "open", "high", "low", "close", "volume")

_EARLIEST_MS = 1_230_768_000_000  # 2009
_LATEST_MS = 4_102_444_800_000  # 2100
_LONGEST_SILENCE_MS = 7 * 86_400_000
"""A longer gap between two rows is taken for a damaged time: every missing minute would become a candle."""
_LARGEST = 10**15
"""Of prices and quantities: beyond any market, and within the digits that Decimal computes with."""
_GZIP_MAGIC = b"\x1f\x8b"
_MAKER = {"true": Side.SELL, "True": Side.SELL, "false": Side.BUY, "False": Side.BUY}
"""The taker's side by `is_buyer_maker`."""


T = TypeVar("T")


class MarketFileError(ValueError):
    """A file does not hold what it should; the message names file, line, column and value."""


class _BadValue(ValueError):
    """A value of the row being read is wrong; the reader adds file and line."""

    def __init__(self, column: str, value: str, why: str) -> None:
        super().__init__(f"column {column}: {value!r} {why}")


def read_trades(path: Path, symbol: str) -> Iterator[MarketTrade]:
    """Yield every trade of a file, in order of time and trade id. Raises `MarketFileError`."""
    last_ms = last_id = 0

    def parse(row: list[str]) -> MarketTrade:
        nonlocal last_ms, last_id
        trade_id = _integer(row, 0, TRADE_COLUMNS)
        price = _positive(row, 1, TRADE_COLUMNS)
        quantity = _positive(row, 2, TRADE_COLUMNS)
        last_ms = _time(row, 5, TRADE_COLUMNS, last_ms)
        taker_side = _MAKER.get(row[6])
        if taker_side is None:
            raise _BadValue("is_buyer_maker", row[6], "is neither true nor false")
        if trade_id <= last_id:
            raise _BadValue("agg_trade_id", row[0], f"does not come after {last_id}")
        last_id = trade_id
        return MarketTrade(symbol, trade_id, price, quantity, taker_side, last_ms)

    return _read(path, TRADE_COLUMNS, parse)


def read_quotes(path: Path, symbol: str) -> Iterator[MarketQuote]:
    """Yield every best bid and offer of a file, in order of time. Raises `MarketFileError`."""
    last_ms = 0

    def parse(row: list[str]) -> MarketQuote:
        nonlocal last_ms
        bid = _positive(row, 1, QUOTE_COLUMNS)
        ask = _positive(row, 3, QUOTE_COLUMNS)
        if bid >= ask:
            raise _BadValue("best_ask_price", row[3], f"is not above the bid {bid}")
        book = Book(bid, _positive(row, 2, QUOTE_COLUMNS), ask, _positive(row, 4, QUOTE_COLUMNS))
        last_ms = _time(row, 5, QUOTE_COLUMNS, last_ms)
        return MarketQuote(symbol, book, last_ms)

    return _read(path, QUOTE_COLUMNS, parse)


def read_klines(path: Path, symbol: str) -> Iterator[SimCandle]:
    """Yield the 1 minute candles of a file, in order of time. Raises `MarketFileError`."""
    last_ms = 0

    def parse(row: list[str]) -> SimCandle:
        nonlocal last_ms
        earlier = last_ms
        last_ms = _time(row, 0, KLINE_COLUMNS, earlier)
        if last_ms % MINUTE_MS or last_ms == earlier:
            raise _BadValue("open_time", row[0], "does not begin a new minute")
        first = _positive(row, 1, KLINE_COLUMNS)
        high = _positive(row, 2, KLINE_COLUMNS)
        low = _positive(row, 3, KLINE_COLUMNS)
        last = _positive(row, 4, KLINE_COLUMNS)
        if high < max(first, last):
            raise _BadValue("high", row[2], "is below open or close")
        if low > min(first, last):
            raise _BadValue("low", row[3], "is above open or close")
        volume = _decimal(row, 5, KLINE_COLUMNS)
        if volume < 0:
            raise _BadValue("volume", row[5], "is negative")
        return minute_candle(symbol, last_ms, (first, high, low, last), volume)

    return _read(path, KLINE_COLUMNS, parse)


def _read(path: Path, columns: tuple[str, ...], parse: Callable[[list[str]], T]) -> Iterator[T]:
    line = 0
    try:
        with _open(path) as text:
            rows = csv.reader(text)
            for row in rows:
                line = rows.line_num
                if line == 1 and row and not row[0][:1].isdigit():
                    _check_header(row, columns)
                    continue
                _check_width(row, columns)
                yield parse(row)
    except _BadValue as error:
        raise MarketFileError(f"{path}: line {line}: {error}") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise MarketFileError(f"{path}: after line {line}: {error}") from error


@contextlib.contextmanager
def _open(path: Path) -> Iterator[TextIO]:
    with path.open("rb") as raw:
        packed = raw.peek(2)[:2] == _GZIP_MAGIC
        binary = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if packed else raw
        with io.TextIOWrapper(binary, encoding="utf-8", newline="") as text:
            yield text


def _check_header(row: list[str], columns: tuple[str, ...]) -> None:
    for index, name in enumerate(columns):
        found = row[index].strip() if index < len(row) else ""
        if found.removesuffix("_ms") != name:
            raise _BadValue(name, found, "stands where this column should be")


def _check_width(row: list[str], columns: tuple[str, ...]) -> None:
    if len(row) < len(columns):
        raise _BadValue(columns[len(row)], "", "is missing")


def _integer(row: list[str], index: int, columns: tuple[str, ...]) -> int:
    text = row[index]
    # isdecimal: int() would also take signs, spaces and underscores; the length keeps int() cheap
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise _BadValue(columns[index], text, "is not a whole number")
    return int(text)


def _decimal(row: list[str], index: int, columns: tuple[str, ...]) -> Decimal:
    try:
        value = Decimal(row[index])
    except InvalidOperation:
        raise _BadValue(columns[index], row[index], "is not a number") from None
    if not value.is_finite():
        raise _BadValue(columns[index], row[index], "is not a number")
    if value > _LARGEST:
        raise _BadValue(columns[index], row[index], f"is above {_LARGEST}")
    return value


def _positive(row: list[str], index: int, columns: tuple[str, ...]) -> Decimal:
    value = _decimal(row, index, columns)
    if value <= 0:
        raise _BadValue(columns[index], row[index], "is not above zero")
    return value


def _time(row: list[str], index: int, columns: tuple[str, ...], earlier_ms: int) -> int:
    time_ms = _integer(row, index, columns)
    if time_ms > _LATEST_MS:
        time_ms //= 1000
    if not _EARLIEST_MS <= time_ms <= _LATEST_MS:
        raise _BadValue(columns[index], row[index], "is not a time in milliseconds or microseconds UTC")
    if time_ms < earlier_ms:
        raise _BadValue(columns[index], row[index], f"is before the row above ({earlier_ms})")
    if earlier_ms and time_ms - earlier_ms > _LONGEST_SILENCE_MS:
        raise _BadValue(columns[index], row[index], "is more than a week after the row above")
    return time_ms
