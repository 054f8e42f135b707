"""The daemon as a process on a simulated venue: real sockets on both sides, and faults in between."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from live_fakes import OldPage
from rig import BIN, Process, Venue, wait_until
from trio_websocket import open_websocket_url

from opensqt_core.drivers import find_drivers
from opensqt_core.exchange import Exchange
from opensqt_core.order import NewOrder, Order, OrderType, Side, TimeInForce
from opensqt_core.secret import Secret


class Live(Process):
    """`opensqt-live run`, on any free port."""

    def __init__(self, config: Path) -> None:
        command = [str(BIN / "opensqt-live"), "run", "--config", str(config), "--port", ":0"]
        super().__init__("live", command, config.parent)
        self.url: str = wait_until("the live daemon listens", self._listening)

    def _listening(self) -> str | None:
        assert self.running, self.text()
        for line in self.text().splitlines():
            told = json.loads(line)
            if told["event"] == "listening":
                return str(told["urls"][0])
        return None

    def health(self) -> dict[str, Any]:
        return dict(httpx.get(f"{self.url}/health").json())


def write_settings(venue: Venue, directory: Path, **keys: str) -> Path:
    facts = {
        "api_key": venue.facts["api_key"],
        "secret_key": venue.facts["secret_key"],
        "rest_url": venue.facts["rest"],
        "ws_url": venue.facts["ws"],
        **keys,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in facts.items() if value]
    path = directory / "live.toml"
    path.write_text(
        "\n".join(
            [
                '[exchange]\nname = "binance"\n[binance]\nstale_after = 2.0',
                *lines,
                '[trading]\nsymbol = "ETHUSDT"',
                "[limits]\nconnections_per_address = 200\nnew_connections_burst = 200",
                "[supervision]\naccount_idle = 2.0",
                '[logging]\nformat = "json"',
            ]
        )
    )
    return path


@contextmanager
def running(venue: Venue, directory: Path, **keys: str) -> Iterator[Live]:
    with Live(write_settings(venue, directory, **keys)) as live:
        yield live
        assert live.stop() == 0, live.text()
        assert "Traceback" not in live.text()


@pytest.mark.parametrize(("wrong", "words"), [("secret_key", "does not accept the key"), ("symbol", "got 'ETHUSDC'")])
def test_mistakes_that_the_venue_finds(tmp_path: Path, wrong: str, words: str) -> None:
    with Venue(tmp_path) as venue:
        config = write_settings(venue, tmp_path, **({"secret_key": "x" * 64} if wrong == "secret_key" else {}))
        if wrong == "symbol":
            config.write_text(config.read_text().replace('symbol = "ETHUSDT"', 'symbol = "ETHUSDC"'))
        done = subprocess.run(
            [BIN / "opensqt-live", "run", "--config", config, "--port", ":0"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert words in line
        assert "x" * 64 not in line


def test_check_finds_everything_in_order(tmp_path: Path) -> None:
    with Venue(tmp_path) as venue:
        config = write_settings(venue, tmp_path)
        command = [str(BIN / "opensqt-live"), "check", "--config", str(config)]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert [line.split()[1] for line in shown.stdout.splitlines()] == ["settings", "exchange", "symbol", "key"]
        as_json = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60, check=True)
        assert {each["rule"] for each in json.loads(as_json.stdout)} == {"settings", "exchange", "symbol", "key"}


class Trader:
    """Somebody else with the same key: what the live daemon should show."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._number = 0

    async def place(self, side: Side, quantity: str, price: Decimal | None = None) -> Order:
        trading = self._exchange.trading
        assert trading is not None
        self._number += 1
        return await trading.place(
            NewOrder(
                symbol="ETHUSDT",
                side=side,
                quantity=Decimal(quantity),
                client_order_id=f"t{self._number}",
                price=price,
                type=OrderType.LIMIT if price is not None else OrderType.MARKET,
                time_in_force=TimeInForce.GTC,
            )
        )

    async def trade_a_little(self) -> None:
        """Fill at once, rest, rest and cancel."""
        trading = self._exchange.trading
        assert trading is not None
        book = await self._exchange.market.top_of_book("ETHUSDT")
        await self.place(Side.BUY, "0.050")
        await self.place(Side.SELL, "0.020")
        far = book.bid.quantize(Decimal(1)) - 500
        await self.place(Side.BUY, "0.100", far)
        gone = await self.place(Side.BUY, "0.100", far - 1)
        await trading.cancel("ETHUSDT", client_order_id=gone.client_order_id)


async def watch(url: str, watcher: OldPage) -> None:
    async with open_websocket_url(url, message_queue_size=10_000) as socket:
        while True:
            watcher.take(str(await socket.get_message()))


def check_books(watcher: OldPage, ledger: dict[str, Any]) -> None:
    """Compare what a viewer has with the venue's own truth."""
    fills = [(each["side"], Decimal(each["price"]), Decimal(each["quantity"])) for each in ledger["fills"]]
    assert [(each["side"], Decimal(each["price"]), Decimal(each["amount"])) for each in watcher.trades] == fills
    resting = {each["order_id"] for each in ledger["orders"] if each["status"] in ("NEW", "PARTIALLY_FILLED")}
    assert set(watcher.orders) == resting
    assert Decimal(watcher.position["amount"]) == Decimal(ledger["positions"][0]["quantity"])
    wallet = {each["asset"]: Decimal(each["wallet"]) for each in ledger["balances"]}
    assert Decimal(watcher.account["balance"]) == wallet["USDT"]
    times = sorted(watcher.candles)
    assert times == list(range(times[0], times[-1] + 60, 60)), "the candles have a hole"


def settled(live: Live, venue: Venue, watchers: list[OldPage]) -> bool:
    """Whether what the venue did has reached the viewers."""
    ledger = venue.ledger()
    resting = [each for each in ledger["orders"] if each["status"] in ("NEW", "PARTIALLY_FILLED")]
    return live.health()["status"] == "ok" and all(
        len(watcher.trades) >= len(ledger["fills"]) and len(watcher.orders) == len(resting) for watcher in watchers
    )


async def until(condition: Any) -> None:
    with trio.fail_after(60):
        while not await trio.to_thread.run_sync(condition):  # noqa: ASYNC110
            await trio.sleep(0.1)


@contextmanager
def everything(directory: Path, *arguments: str) -> Iterator[tuple[Venue, Live]]:
    with Venue(directory, "--speed", "20", *arguments) as venue, running(venue, directory) as live:
        yield venue, live


def open_venue(venue: Venue) -> Any:
    driver = find_drivers().get("binance")
    settings = driver.settings(
        api_key=Secret(venue.facts["api_key"]),
        secret_key=Secret(venue.facts["secret_key"]),
        rest_url=venue.facts["rest"],
        ws_url=venue.facts["ws"],
    )
    return driver.open(settings)


@pytest.mark.parametrize("fault", ["drop", "stall"])
@pytest.mark.parametrize(("channel", "stream"), [("kline", "candle ETHUSDT 1m"), ("private", "account")])
async def test_a_stream_that_is_cut_or_silent_recovers_and_nothing_is_lost(
    tmp_path: Path, fault: str, channel: str, stream: str
) -> None:
    with everything(tmp_path) as (venue, live):
        watchers = [OldPage() for _ in range(5)]
        async with open_venue(venue) as exchange, trio.open_nursery() as nursery:
            trader = Trader(exchange)
            for watcher in watchers:
                nursery.start_soon(watch, live.url.replace("http", "ws", 1) + "/ws", watcher)
            await until(lambda: all(watcher.types for watcher in watchers))
            await trader.trade_a_little()
            await until(lambda: settled(live, venue, watchers))
            before = live.health()["streams"]
            venue.fault(fault, channel=channel, count=1)
            await trader.trade_a_little()
            await until(lambda: live.health()["streams"][stream]["restarts"] > before[stream]["restarts"])
            await trader.trade_a_little()
            await until(lambda: settled(live, venue, watchers))
            after = live.health()["streams"]
            others = [name for name in after if name != stream]
            assert [after[name]["restarts"] for name in others] == [before[name]["restarts"] for name in others]
            await until(lambda: Decimal(watchers[0].position["amount"]) == Decimal("0.09"))
            for watcher in watchers:
                check_books(watcher, venue.ledger())
            nursery.cancel_scope.cancel()


async def test_viewers_cost_the_venue_nothing(tmp_path: Path) -> None:
    with everything(tmp_path) as (venue, live):
        url = live.url.replace("http", "ws", 1) + "/ws"
        await until(lambda: live.health()["status"] == "ok")
        asked = venue.ledger()["requests"]
        async with trio.open_nursery() as nursery:
            watchers = [OldPage() for _ in range(60)]
            for watcher in watchers:
                nursery.start_soon(watch, url, watcher)
            await until(lambda: all("orders" in watcher.types for watcher in watchers))
            nursery.cancel_scope.cancel()
        await until(lambda: live.health()["clients"] == 0)
        more = venue.ledger()["requests"]
        # Candles are read once at start; what is read of the account now and then does not depend on viewers.
        assert more["candles"] == asked["candles"]


def test_the_venue_may_vanish_for_a_while(tmp_path: Path) -> None:
    with everything(tmp_path) as (venue, live):
        os.kill(venue.popen.pid, signal.SIGKILL)
        wait_until("every stream is down", lambda: live.health()["status"] == "degraded")
        assert httpx.get(f"{live.url}/health/live").status_code == 200
        states = {name: each["state"] for name, each in live.health()["streams"].items()}
        assert "live" not in states.values()
        assert live.running
