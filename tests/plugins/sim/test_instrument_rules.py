"""The rules of an instrument: files, well-known symbols, guesses from data."""

from decimal import Decimal
from pathlib import Path

import pytest

from opensqt_core.order import Side
from opensqt_sim.markets.instrument import InstrumentFileError, derived_rules, known_rules, rules_from_file
from opensqt_sim.model import MarketTrade

D = Decimal


def test_well_known_symbols() -> None:
    eth, btc = known_rules("ETHUSDT", "binance"), known_rules("BTCUSDT", "binance")
    assert eth is not None
    assert btc is not None
    assert (eth.instrument.tick_size, eth.instrument.lot_size, eth.instrument.min_notional) == (
        D("0.01"),
        D("0.001"),
        D(20),
    )
    assert (btc.instrument.tick_size, btc.instrument.lot_size, btc.instrument.min_notional) == (
        D("0.1"),
        D("0.001"),
        D(50),
    )
    assert (eth.instrument.base, eth.instrument.quote, eth.instrument.venue) == ("ETH", "USDT", "binance")
    assert eth.instrument.max_open_orders == 200
    assert known_rules("NOPEUSDT", "binance") is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("i.json", '{"tick_size": 0.5, "lot_size": "0.1", "max_leverage": 20, "price_band": "0.1"}'),
        ("i.toml", 'tick_size = 0.5\nlot_size = "0.1"\nmax_leverage = 20\nprice_band = 0.1\n'),
        (
            "i.toml",
            '[ABCUSDT]\nsymbol = "ABCUSDT"\ntick_size = 0.5\nlot_size = "0.1"\nmax_leverage = 20\nprice_band = 0.1\n',
        ),
    ],
)
def test_files(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    rules = rules_from_file(path, "ABCUSDT", "test")
    assert (rules.instrument.tick_size, rules.instrument.lot_size, rules.instrument.min_quantity) == (
        D("0.5"),
        D("0.1"),
        D("0.1"),
    )
    assert (rules.max_leverage, rules.price_band, rules.instrument.min_notional) == (20, D("0.1"), D(5))


def test_a_file_completes_what_is_well_known(tmp_path: Path) -> None:
    path = tmp_path / "i.json"
    path.write_text('{"min_notional": 100, "base": "WETH", "quote": "USDT"}', encoding="utf-8")
    instrument = rules_from_file(path, "ETHUSDT", "test").instrument
    assert (instrument.min_notional, instrument.tick_size, instrument.base) == (D(100), D("0.01"), "WETH")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"tick_size": 0.5}', "lot_size: missing"),
        ('{"tick_size": 0, "lot_size": 1}', "tick_size: expected a number above zero, got 0"),
        ('{"tick_size": "x", "lot_size": 1}', "tick_size: expected a number, got 'x'"),
        ('{"tick_size": true, "lot_size": 1}', "tick_size: expected a number"),
        ('{"tick_size": 1, "lot_size": 1, "max_leverage": 1.5}', "max_leverage: expected a whole number"),
        ('{"tick_size": 1, "lot_size": 1, "ticksize": 1}', "ticksize: unknown key"),
        ('{"symbol": "XYZUSDT"}', "symbol is 'XYZUSDT', expected 'ABCUSDT'"),
        ('{"ABCUSDT": 5}', "ABCUSDT is not a table"),
        ("[]", "expected a table"),
        ("{", "Expecting property name"),
    ],
)
def test_bad_files_name_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "i.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InstrumentFileError, match=message.replace("[", r"\[")) as caught:
        rules_from_file(path, "ABCUSDT", "test")
    assert str(path) in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InstrumentFileError, match="none"):
        rules_from_file(tmp_path / "none.toml", "ABCUSDT", "test")


def test_rules_read_off_trades() -> None:
    def trade(price: str, quantity: str) -> MarketTrade:
        return MarketTrade("XRPETH", 1, D(price), D(quantity), Side.BUY, 1)

    instrument = derived_rules("XRPETH", "test", [trade("0.00141342", "23"), trade("0.0014", "54.50")]).instrument
    assert (instrument.tick_size, instrument.lot_size) == (D("1E-8"), D("0.1"))
    assert (instrument.base, instrument.quote) == ("XRP", "ETH")
    assert derived_rules("BIGUSDT", "test", [trade("1200", "100")]).instrument.tick_size == 1
    with pytest.raises(ValueError, match="no trades"):
        derived_rules("XRPETH", "test", [])
    with pytest.raises(ValueError, match="base and quote"):
        derived_rules("WHAT", "test", [trade("1", "1")])
