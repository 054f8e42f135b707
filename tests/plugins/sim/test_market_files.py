"""Recorded data: what is read, and what is refused with file, line, column and value."""

import gzip
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from opensqt_core.order import Side
from opensqt_sim.markets.files import MarketFileError, read_klines, read_quotes, read_trades
from opensqt_sim.markets.merge import merge, peek, shifted
from opensqt_sim.model import Book, MarketEvent, MarketQuote, MarketTrade

D = Decimal

MS = 1_721_347_022_956
TRADES = """agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time_ms,is_buyer_maker
7,63943.9,0.003,7,7,1721347022956,true
9,63944,0.017,9,9,1721347022956,false
"""
QUOTES = """update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time
1,63943.9,46.371,63944,0.095,1721347022507,1721347022509
"""
KLINES = """open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume
1688426760000,1951.6,1952.78,1951.59,1952.61,558.792,1688426819999,,,,
"""
EXPECTED = [
    MarketTrade("BTCUSDT", 7, D("63943.9"), D("0.003"), Side.SELL, MS),
    MarketTrade("BTCUSDT", 9, D(63944), D("0.017"), Side.BUY, MS),
]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "data.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        TRADES,
        TRADES.partition("\n")[2],
        TRADES.replace("true", "True").replace("false", "False").replace("transact_time_ms", "transact_time"),
        TRADES.replace("956,", "956123,"),
        TRADES.replace("true", "true,True").replace("false", "false,True"),
        TRADES.replace("\n", "\r\n"),
    ],
    ids=["header", "no header", "Python's booleans", "microseconds", "spot's eighth column", "CRLF"],
)
@pytest.mark.parametrize("packed", [False, True])
def test_trades_in_every_public_layout(tmp_path: Path, text: str, packed: bool) -> None:
    path = tmp_path / "trades"  # the content says whether it is packed, not the name
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert list(read_trades(path, "BTCUSDT")) == EXPECTED


def test_quotes_and_klines(tmp_path: Path) -> None:
    (quote,) = read_quotes(write(tmp_path, QUOTES), "BTCUSDT")
    assert quote == MarketQuote("BTCUSDT", Book(D("63943.9"), D("46.371"), D(63944), D("0.095")), 1_721_347_022_507)
    (candle,) = read_klines(write(tmp_path, KLINES), "ETHUSDT")
    assert (candle.open, candle.high, candle.low, candle.close) == (
        D("1951.6"),
        D("1952.78"),
        D("1951.59"),
        D("1952.61"),
    )
    assert (candle.open_time_ms, candle.volume, candle.interval) == (1_688_426_760_000, D("558.792"), "1m")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("63944,", "abc,", "line 3: column price: 'abc' is not a number"),
        ("63944,", ",", "line 3: column price: '' is not a number"),
        ("63944,", "NaN,", "column price: 'NaN' is not a number"),
        ("63944,", "-1,", "column price: '-1' is not above zero"),
        ("0.017", "1E+400", "column quantity: '1E+400' is above"),
        ("0.017", "0", "column quantity: '0' is not above zero"),
        ("9,63944", "x9,63944", "line 3: column agg_trade_id: 'x9' is not a whole number"),
        ("9,63944", "7,63944", "column agg_trade_id: '7' does not come after 7"),
        ("1721347022956,false", "1721347022955,false", "column transact_time: '1721347022955' is before the row above"),
        ("1721347022956,false", "1731347022956,false", "more than a week after"),
        ("1721347022956,false", "5,false", "column transact_time: '5' is not a time"),
        ("false", "no", "column is_buyer_maker: 'no' is neither true nor false"),
        ("9,9,1721347022956,false", "9", "line 3: column last_trade_id: '' is missing"),
        ("9,63944,0.017,9,9,1721347022956,false", "", "line 3: column agg_trade_id: '' is missing"),
        ("quantity", "size", "line 1: column quantity: 'size' stands where"),
        (",is_buyer_maker", "", "line 1: column is_buyer_maker: '' stands where"),
        ("9,63944", "9,63944\udc80", "can't decode"),
        ("9,63944", "9\0,63944", "column agg_trade_id"),
    ],
)
def test_a_bad_trade_names_file_line_column_and_value(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "trades.csv"
    path.write_bytes(TRADES.replace(old, new).encode("utf-8", "surrogateescape"))
    with pytest.raises(MarketFileError) as caught:
        list(read_trades(path, "BTCUSDT"))
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("read", "text", "old", "new", "message"),
    [
        (read_quotes, QUOTES, "63944,", "63943.9,", "column best_ask_price: '63943.9' is not above the bid 63943.9"),
        (read_quotes, QUOTES, "46.371", "0", "column best_bid_qty: '0' is not above zero"),
        (read_klines, KLINES, "1688426760000", "1688426760001", "column open_time: '1688426760001' does not begin"),
        (read_klines, KLINES, "1952.78", "1952", "column high: '1952' is below open or close"),
        (read_klines, KLINES, "1951.59", "1951.7", "column low: '1951.7' is above open or close"),
        (read_klines, KLINES, "558.792", "-1", "column volume: '-1' is negative"),
        (read_klines, KLINES, "558.792", "", "column volume: '' is not a number"),
    ],
)
def test_bad_quotes_and_klines(
    tmp_path: Path, read: Callable[[Path, str], Iterator[object]], text: str, old: str, new: str, message: str
) -> None:
    path = write(tmp_path, text.replace(old, new, 1))
    with pytest.raises(MarketFileError, match="line 2: ") as caught:
        list(read(path, "BTCUSDT"))
    assert message in str(caught.value)


def test_a_kline_twice(tmp_path: Path) -> None:
    row = KLINES.splitlines()[1]
    with pytest.raises(MarketFileError, match="line 3: column open_time"):
        list(read_klines(write(tmp_path, f"{KLINES}{row}\n"), "ETHUSDT"))


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    whole = gzip.compress(TRADES.encode() * 50)
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(whole[:-20])
    with pytest.raises(MarketFileError, match=r"cut\.csv\.gz: "):
        list(read_trades(path, "BTCUSDT"))
    with pytest.raises(MarketFileError, match="none"):
        list(read_trades(tmp_path / "none", "BTCUSDT"))


def test_rows_are_read_lazily(tmp_path: Path) -> None:
    trades = read_trades(write(tmp_path, TRADES.replace("63944,", "abc,")), "BTCUSDT")
    assert next(trades) == EXPECTED[0]
    with pytest.raises(MarketFileError):
        next(trades)


# merging


def trade(ms: int, trade_id: int, symbol: str = "ABCUSDT") -> MarketTrade:
    return MarketTrade(symbol, trade_id, D(1), D(1), Side.BUY, ms)


def quote(ms: int) -> MarketQuote:
    return MarketQuote("ABCUSDT", Book(D(1), D(1), D(2), D(1)), ms)


def test_merge_puts_trades_before_quotes_of_the_same_millisecond() -> None:
    quotes = [quote(1), quote(5), quote(5)]
    trades = [trade(5, 1), trade(5, 2), trade(6, 3)]
    other = [trade(5, 1, "XYZUSDT")]
    merged = list(merge(quotes, trades, other))
    assert merged == [quotes[0], trades[0], trades[1], other[0], quotes[1], quotes[2], trades[2]]


def test_peek_and_shift() -> None:
    market: list[MarketEvent] = [quote(1), trade(2, 1), trade(3, 1, "XYZUSDT"), trade(4, 2)]
    first, rest = peek(market, "ABCUSDT", 1)
    assert (first, list(rest)) == ([market[1]], market)
    everything, rest = peek(market, "ABCUSDT", 9)
    assert ([each.trade_id for each in everything], list(rest)) == ([1, 2], market)
    assert [event.market_ms for event in shifted(market, 60_000)] == [60_001, 60_002, 60_003, 60_004]
