"""The market maker on recorded trades, through a stall, drops and crashes: its report equals the venue's ledger."""

import gzip
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
from rig import MarketMaker, Venue, data_file, differences, intolerable, report, wait_until, write_settings


@attrs.frozen(kw_only=True)
class Recording:
    """One run: what is played, how fast, and what a grid makes of it."""

    symbol: str
    trades: str
    speed: int
    price_interval: float
    order_quantity: float
    trips: int
    bbo: bool = True
    rows: int | None = None
    """Only so many rows of the trades; their quotes end where they end."""
    instrument: str | None = None
    arguments: Sequence[str] = ()


NEXO_INSTRUMENT = '{"tick_size": "0.001", "lot_size": "0.1", "min_notional": "5"}'

ETH_JULY = Recording(
    symbol="ETHUSDT",
    trades="binance-um-ETHUSDT-2024-07-18_19.csv.gz",
    speed=20,
    price_interval=0.5,
    order_quantity=300,
    trips=10,
    arguments=("--maker-fee", "0"),
)
ETH_AUGUST = attrs.evolve(ETH_JULY, trades="binance-um-ETHUSDT-2024-08-08.csv.gz", trips=20)
NEXO = Recording(
    symbol="NEXOUSDT",
    trades="binance-spot-NEXOUSDT-2024-07-23_25.csv.gz",
    speed=1000,
    price_interval=0.002,
    order_quantity=50,
    trips=100,
    instrument=NEXO_INSTRUMENT,
)
# How many trips there are depends on how long the restarts take on a busy machine; the soak holds them to a figure.
ETH_JULY_IN_SUITE = attrs.evolve(ETH_JULY, trips=1)
NEXO_SLICE = attrs.evolve(NEXO, rows=4_000, trips=1)
KRAKEN = Recording(
    symbol="BTCUSDT",
    trades="kraken-spot-BTCUSDT-2023-11-17_22.csv.gz",
    speed=1500,
    price_interval=30,
    order_quantity=300,
    trips=300,
    bbo=False,
)


def sources(recording: Recording, directory: Path) -> list[str]:
    trades = data_file(f"trades/{recording.trades}")
    quotes = data_file(f"bbo/{recording.trades}") if recording.bbo else None
    if trades is None or (recording.bbo and quotes is None):
        pytest.skip("recordings are found through the environment variable OPENSQT_DATA")
    if recording.rows is not None:
        trades, end_ms = cut(trades, directory / "trades.csv", recording.rows, time_column=5, until=None)
        if quotes is not None:
            quotes, _ = cut(quotes, directory / "bbo.csv", None, time_column=5, until=end_ms)
    arguments = ["--trades", str(trades), "--speed", str(recording.speed), "--start-on-subscribe"]
    if quotes is not None:
        arguments += ["--bbo", str(quotes)]
    if recording.instrument is not None:
        path = directory / "instrument.json"
        path.write_text(recording.instrument)
        arguments += ["--instrument", str(path)]
    return [*arguments, *recording.arguments]


def cut(source: Path, target: Path, rows: int | None, *, time_column: int, until: int | None) -> tuple[Path, int]:
    """Copy the beginning of a recording; return the copy and its last time."""
    last_ms = 0
    with gzip.open(source, "rt") as lines, target.open("w") as out:
        out.write(next(lines))
        for number, line in enumerate(lines):
            ms = int(line.split(",")[time_column])
            if (rows is not None and number >= rows) or (until is not None and ms > until):
                break
            last_ms = ms
            out.write(line)
    return target, last_ms


def play(recording: Recording, directory: Path) -> None:
    """One run with one silent stall, two drops of every socket and two crashes, evenly over its length."""
    with Venue(directory, *sources(recording, directory), symbol=recording.symbol) as venue:
        trading = {"price_interval": recording.price_interval, "order_quantity": recording.order_quantity}
        config = write_settings(directory, venue, trading=trading)
        market_maker = MarketMaker(config)
        try:
            wait_until("the market maker trades", lambda: venue.ledger()["orders"])
            began, first_ms = time.monotonic(), venue.market["market_ms"]
            length = max(12.0, _length_s(recording, first_ms))
            for share, act in ((0.15, "stall"), (0.35, "crash"), (0.5, "drop"), (0.65, "crash"), (0.8, "drop")):
                time.sleep(max(0.0, began + share * length - time.monotonic()))
                if act == "stall":
                    venue.fault("stall", count=1)
                elif act == "drop":
                    venue.fault("drop", count=1)
                else:
                    market_maker.kill()
                    market_maker.__exit__()
                    market_maker = MarketMaker(config)
            wait_until("the recording ends", lambda: venue.market["finished"], within=length + 60, every=0.3)
            time.sleep(2)  # the last fills' updates
            wait_until("nothing is unknown", lambda: report(config)["unknown"] == [], every=0.5)
            status = market_maker.stop()
            assert status == 0, market_maker.text()[-3000:]
        finally:
            market_maker.__exit__()
        told, ledger = report(config), venue.ledger()
    assert differences(ledger, told) == []
    assert intolerable(ledger) == []
    assert told["trips"] >= recording.trips
    assert told["open_orders"] == []
    assert told["unknown"] == []
    assert told["state"] == "stopped"
    assert told["check"] == {"missing": [], "duplicate": [], "misplaced": [], "orphan": []}
    held = sum((Decimal(slot["held"]) for slot in told["slots"]), Decimal(0))
    assert held == Decimal(told["position"])


def _length_s(recording: Recording, first_ms: int) -> float:
    trades = data_file(f"trades/{recording.trades}")
    assert trades is not None
    with gzip.open(trades, "rt") as lines:
        next(lines)
        for number, line in enumerate(lines):
            if recording.rows is not None and number >= recording.rows:
                break
            last = line
    return (int(last.split(",")[5]) - first_ms) / 1000 / recording.speed


@pytest.mark.parametrize("recording", [ETH_JULY_IN_SUITE, NEXO_SLICE], ids=["ETHUSDT-2024-07-18", "NEXOUSDT-slice"])
def test_report_equals_ledger(recording: Recording, tmp_path: Path) -> None:
    play(recording, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize(
    "recording",
    [ETH_JULY, ETH_AUGUST, NEXO, KRAKEN],
    ids=["ETHUSDT-2024-07-18", "ETHUSDT-2024-08-08", "NEXOUSDT-34h", "BTCUSDT-5d"],
)
def test_report_equals_ledger_on_whole_recordings(recording: Recording, tmp_path: Path) -> None:
    play(recording, tmp_path)
