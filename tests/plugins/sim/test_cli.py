"""The command `opensqt-sim`: its first line, its end, and how it tells the user what is wrong."""

import gzip
import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from opensqt_sim import cli

TRADES_HEAD = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
START_MS = 1_721_347_200_000


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    command = [sys.executable, "-c", "from opensqt_sim.cli import main; main()", "serve", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            assert line, process.stderr.read()
            yield process, json.loads(line)
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=20)


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as reply:
        return json.loads(reply.read())


def post(url: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=10) as reply:
        return json.loads(reply.read())


def write_trades(folder: Path, *rows: str) -> Path:
    path = folder / "trades.csv"
    path.write_text(TRADES_HEAD + "".join(f"{row}\n" for row in rows))
    return path


def trade(number: int, price: str, ms: int) -> str:
    return f"{number},{price},0.5,{number},{number},{START_MS + ms},false"


def mistake(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command in this process; return the one line it leaves."""
    monkeypatch.setattr(sys, "argv", ["opensqt-sim", *arguments])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = [line for line in captured.err.splitlines() if not line.startswith("{")]
    return line.removeprefix("opensqt-sim: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_announces_itself_and_ends_cleanly(number: signal.Signals) -> None:
    with serving("--symbol", "ethusdt", "--seed", "3") as (process, line):
        assert line.keys() == {
            "venue",
            "symbols",
            "rest",
            "ws",
            "api_key",
            "secret_key",
            "passphrase",
            "control",
        }
        assert (line["venue"], line["symbols"], line["passphrase"]) == ("binance", ["ETHUSDT"], None)
        assert line["rest"].removeprefix("http") == line["ws"].removeprefix("ws")
        assert get(f"{line['rest']}/fapi/v1/ping") == {}
        assert get(f"{line['control']}/health")["started"] is True
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Traceback" not in errors


def test_a_recording_is_played_to_its_end(tmp_path: Path) -> None:
    trades = write_trades(tmp_path, trade(1, "3000.00", 0), trade(2, "3001.00", 10), trade(3, "3002.50", 70_000))
    options = ("--trades", str(trades), "--speed", "max", "--api-key", "abc", "--secret-key", "def", "--balance", "500")
    with serving(*options) as (_, line):
        assert (line["api_key"], line["secret_key"]) == ("abc", "def")
        while not (ledger := get(f"{line['control']}/ledger"))["market"]["finished"]:
            pass
        assert ledger["balances"][0]["wallet"] == "500"
        rows = get(f"{line['rest']}/fapi/v1/klines?symbol=ETHUSDT&interval=1m&limit=3")
        assert [(row[0], row[4]) for row in rows[-2:]] == [
            (START_MS, "3001.00"),
            (START_MS + 60_000, "3002.50"),
        ]
        assert rows[0][0] == START_MS - 60_000


def test_lockstep_releases_trade_by_trade(tmp_path: Path) -> None:
    trades = write_trades(tmp_path, *(trade(number, f"300{number}.00", number) for number in range(1, 4)))
    with serving("--trades", str(trades), "--lockstep") as (_, line):
        price = f"{line['rest']}/fapi/v2/ticker/price?symbol=ETHUSDT"
        assert get(price)["price"] == "3001.00"
        assert post(f"{line['control']}/step")["finished"] is False
        assert get(price)["price"] == "3002.00"
        post(f"{line['control']}/step")
        assert get(price)["price"] == "3003.00"
        assert post(f"{line['control']}/step")["finished"] is True


def test_a_market_can_wait_and_can_happen_now(tmp_path: Path) -> None:
    trades = write_trades(tmp_path, trade(1, "3000.00", 0), trade(2, "3001.00", 10))
    options = ("--trades", str(trades), "--speed", "max", "--start-on-subscribe", "--shift-to-now")
    with serving(*options) as (_, line):
        health = get(f"{line['control']}/health")
        assert health["started"] is False
        assert 0 <= health["time"] - health["market_ms"]["ETHUSDT"] < 180_000
        assert get(f"{line['rest']}/fapi/v1/ticker/bookTicker?symbol=ETHUSDT")["bidPrice"] == "2999.99"
        assert post(f"{line['control']}/start") == {"started": True}
        while not get(f"{line['control']}/ledger")["market"]["finished"]:
            pass
        assert get(f"{line['rest']}/fapi/v2/ticker/price?symbol=ETHUSDT")["price"] == "3001.00"


def test_a_recording_that_turns_out_to_be_damaged_ends_the_venue_with_the_line(tmp_path: Path) -> None:
    rows = [trade(number, "3000.00", number) for number in range(1, 1500)]
    trades = write_trades(tmp_path, *rows, "1500,zero,1,1500,1500,1721347300000,true")
    command = [sys.executable, "-c", "from opensqt_sim.cli import main; main()", "serve"]
    options = ["--trades", str(trades), "--speed", "max"]
    ended = subprocess.run([*command, *options], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "line 1501: column price: 'zero' is not a number" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Missing command"),
        (("dance",), "No such command 'dance'"),
        (("serve", "--nonsense"), "No such option"),
        (("serve", "--venue", "nowhere"), "'nowhere' is not"),
        (("serve", "--trades", "/nowhere.csv"), "does not exist"),
        (("serve", "--speed", "0"), "0 is not above zero"),
        (("serve", "--speed", "fast"), "'fast' is not a number"),
        (("serve", "--balance", "NaN"), "'NaN' is not a number"),
        (("serve", "--maker-fee", "2"), "between -1 and 1"),
        (("serve", "--leverage", "0"), "0 is not in the range"),
        (("serve", "--listen", "here"), "'here' is not HOST:PORT"),
        (("serve", "--listen", "1.2.3.4:99999"), "is not HOST:PORT"),
        (("serve", "--api-key", "no spaces"), "--api-key"),
        (("serve", "--symbol", "DOGEUSDT"), "--instrument"),
        (("serve", "--listen", "192.0.2.1:0"), "cannot listen on 192.0.2.1:0"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert words in mistake(monkeypatch, capsys, *arguments)


def test_a_taken_port_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port}" in mistake(monkeypatch, capsys, "serve", "--listen", f"127.0.0.1:{port}")


def test_mistakes_in_files_name_file_and_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trades = write_trades(tmp_path, trade(1, "3000.00", 0), trade(2, "nil", 1))
    assert f"{trades}: line 3: column price: 'nil'" in mistake(monkeypatch, capsys, "serve", "--trades", str(trades))
    empty = write_trades(tmp_path)
    assert "no trades" in mistake(monkeypatch, capsys, "serve", "--trades", str(empty))
    rules = tmp_path / "rules.toml"
    rules.write_text('tick_size = "thick"')
    assert "tick_size" in mistake(monkeypatch, capsys, "serve", "--instrument", str(rules))
    quotes = tmp_path / "bbo.csv"
    quotes.write_text("")
    assert "--bbo needs --trades" in mistake(monkeypatch, capsys, "serve", "--bbo", str(quotes))
    good = write_trades(tmp_path, trade(1, "3000.00", 0))
    old = tmp_path / "klines.csv.gz"
    with gzip.open(old, "wt") as text:
        text.write("open_time,open,high,low,close,volume\n1600000020000,1,2,1,2,5\n")
    line = mistake(monkeypatch, capsys, "serve", "--trades", str(good), "--klines", str(old))
    assert "more than a day before" in line


def test_version_and_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for argument, words in (("--version", "opensqt-sim, version"), ("--help", "Commands:")):
        monkeypatch.setattr(sys, "argv", ["opensqt-sim", argument])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        assert exit_.value.code == 0
        assert words in capsys.readouterr().out
