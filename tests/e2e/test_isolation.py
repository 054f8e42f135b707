"""What happens to the live daemon and its viewers does not reach the market maker: stepped runs are compared."""

import bisect
import json
import random
import signal
import socket
import statistics
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import httpx
import trio
from rig import BIN, Process, Venue, trading, wait_until, write_settings

from opensqt_core.journal import events as ev
from opensqt_core.journal.reader import open_reader
from opensqt_mm import client_ids
from opensqt_mm.control import call, socket_path

STEPS = 200
T0 = 1_790_000_000_000
VIEWERS = 50


@attrs.frozen
class Run:
    """What a run left in the journal, without times and names that differ by chance.

    Decisions are sorted within a step: whether a trade's price or its fill comes first, on two sockets, is chance.
    """

    decisions: list[list[tuple[Any, ...]]]
    latencies_ms: list[int]


def idle(journal: Path) -> dict[str, Any]:
    answer: dict[str, Any] = trio.run(call, socket_path(journal), "idle")
    return answer


def settle(venue: Venue, journal: Path) -> None:
    """Return when the market maker has seen this step and has nothing left to do about it."""

    def quiet() -> bool:
        told = idle(journal)
        touch = httpx.get(
            venue.facts["rest"] + "/fapi/v1/ticker/bookTicker", params={"symbol": venue.symbol}, timeout=10
        ).json()
        if not told["idle"] or Decimal(told["bid"]) != Decimal(touch["bidPrice"]):
            return False
        ledger = venue.ledger()
        position = sum((Decimal(each["quantity"]) for each in ledger["positions"]), Decimal(0))
        resting = sum(1 for each in ledger["orders"] if each["status"] in ("NEW", "PARTIALLY_FILLED"))
        return position == Decimal(told["position"]) and resting == told["open_orders"]

    wait_until("the market maker is idle", quiet, every=0.002)


def play(directory: Path, disturb: Callable[[int, Venue], None]) -> Run:
    directory.mkdir()
    trades = write_trades(directory / "trades.csv")
    with Venue(directory, "--trades", str(trades), "--maker-fee", "0", "--lockstep") as venue:
        config = write_settings(
            directory,
            venue,
            trading={"price_interval": 0.5, "order_quantity": 300},
            supervision={"order_stream_ack": 5, "order_stream_idle": 600},
        )
        journal = directory / "mm.sqlite"
        ends: list[int] = []
        with trading(config) as market_maker:
            venue.control("POST", "/step")
            wait_until("trading", lambda: '"event": "trading"' in market_maker.text())
            for number in range(STEPS):
                venue.control("POST", "/step")
                disturb(number, venue)
                settle(venue, journal)
                with open_reader(journal) as reader:
                    ends.append(reader.last_seq())
            assert market_maker.stop() == 0
    return read(journal, ends)


def write_trades(path: Path) -> Path:
    """A market of one trade a second: each step is one new price and nothing else."""
    chance = random.Random(5)
    lines = ["agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"]
    price = Decimal(3000)
    for number in range(1, STEPS + 10):
        size = Decimal(chance.randint(1, 900)) / 1000
        price += Decimal(chance.randint(-60, 60)) / 100
        seller = chance.choice(("true", "false"))
        lines.append(f"{number},{price},{size},{number},{number},{T0 + number * 1000},{seller}")
    path.write_text("\n".join(lines) + "\n")
    return path


def read(journal: Path, ends: list[int]) -> Run:
    decisions: list[list[tuple[Any, ...]]] = [[] for _ in ends]
    sent: dict[str, int] = {}
    latencies: list[int] = []
    with open_reader(journal) as reader:
        for entry in reader.entries():
            step = bisect.bisect_left(ends, entry.seq)
            if step == len(ends):
                break
            match entry.event:
                case ev.OrderIntended() as order:
                    sent[order.client_order_id] = order.ms
                    decisions[step].append(("order", order.level, order.side.value, order.price, order.quantity))
                case ev.CancelIntended() as cancel:
                    decisions[step].append(("cancel", level_of(cancel.client_order_id), cancel.reason))
                case ev.OrderAcknowledged() as acknowledged:
                    latencies.append(acknowledged.ms - sent[acknowledged.client_order_id])
                case _:
                    pass
    return Run([sorted(step) for step in decisions], latencies)


def level_of(client_order_id: str) -> tuple[int, str]:
    """The sequence in an id depends on the order within a step; its level and side do not."""
    decoded = client_ids.decode(client_order_id)
    assert decoded is not None
    return decoded.level, decoded.side.value


class Hostility:
    """A live daemon that is killed and started anew, with viewers that come and vanish."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.live: Process | None = None
        self.port = 0
        self.browsers: list[subprocess.Popen[bytes]] = []

    def __call__(self, number: int, venue: Venue) -> None:
        if number % 50 == 10:
            self.start(venue)
        elif number % 50 == 25:
            for _ in range(VIEWERS):
                self.vanish()
        elif number % 50 == 40 and self.live is not None:
            self.live.kill()
            self.live.__exit__()
            self.live = None

    def start(self, venue: Venue) -> None:
        config = self.directory / "live_server.toml"
        facts = venue.facts
        keys = {"api_key": facts["api_key"], "secret_key": facts["secret_key"]}
        keys |= {"rest_url": facts["rest"], "ws_url": facts["ws"]}
        lines = ['[exchange]\nname = "binance"', "[binance]", *(f"{key} = {json.dumps(keys[key])}" for key in keys)]
        lines += ["[trading]", f'symbol = "{venue.symbol}"', "[limits]", "connections_per_address = 500"]
        lines += ["new_connections_burst = 500"]
        config.write_text("\n".join(lines) + "\n")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [str(BIN / "opensqt-live"), "run", "--config", str(config), "--port", str(self.port)]
        self.live = Process("live", command, self.directory)
        live = self.live
        wait_until("the live daemon is healthy", lambda: not live.running or self.healthy())
        assert live.running, live.text()

    def healthy(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def vanish(self) -> None:
        """Connect as a browser does, read a little, and be gone without a word."""
        request = (
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Origin: http://127.0.0.1:{self.port}\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as viewer:
            viewer.sendall(request.encode())
            assert viewer.recv(200).startswith(b"HTTP/1.1 101")
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def close(self) -> None:
        if self.live is not None:
            self.live.popen.send_signal(signal.SIGKILL)
            self.live.__exit__()


def test_nothing_that_happens_to_the_live_daemon_reaches_the_market_maker(tmp_path: Path) -> None:
    quiet = play(tmp_path / "quiet", lambda number, venue: None)
    hostility = Hostility(tmp_path)
    try:
        disturbed = play(tmp_path / "disturbed", hostility)
    finally:
        hostility.close()
    assert sum(len(step) for step in quiet.decisions) > 60
    assert disturbed.decisions == quiet.decisions
    # Time is shared with the daemon and its viewers here, on two cores; a tail is theirs, a new normal would be ours.
    assert statistics.median(disturbed.latencies_ms) <= 3 * statistics.median(quiet.latencies_ms) + 5
