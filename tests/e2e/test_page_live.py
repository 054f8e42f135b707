"""The page in Chromium, fed by a live daemon beside a market maker on a simulated venue, all of them real processes.

The market moves when a test says so, trade by trade, and rests in between: then what is drawn must equal the venue's
books and the market maker's report to the last digit.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser import BUILT, Opener, Viewer, skip, v1_server
from fake_live import serve
from rig import (
    Live,
    MarketMaker,
    Venue,
    differences,
    report,
    trading,
    wait_until,
    write_live_settings,
    write_settings,
)
from tap import Tap

pytestmark = pytest.mark.soak  # starved on a busy machine of two cores; run on a quiet one by `make soak`

CANDLES = "candle ETHUSDT 1m"
INTERVAL = Decimal("0.5")
RESTING = ("NEW", "PARTIALLY_FILLED")
PATIENT = {"stale_after": 60}
"""A market that rests is silent, and that is no fault."""
SEEN = """
    (() => {
      const shown = (name) => document.querySelector(`[data-testid="${name}"]`);
      const value = (name) => shown(name).getAttribute("data-value");
      return {
        drawn: window.opensqt.drawn,
        price: value("price"),
        balance: value("balance"),
        position: value("position-amount"),
        open_orders: shown("open-orders").textContent,
        buys: [shown("buys").textContent, value("buys-amount")],
        sells: [shown("sells").textContent, value("sells-amount")],
      };
    })()
"""


@pytest.fixture(autouse=True, scope="module")
def page() -> None:
    """The daemon serves the page that was built last."""
    if not (BUILT / "live.html").is_file():
        skip("The built page", "make page")


@contextmanager
def market(directory: Path) -> Iterator[tuple[Venue, Path]]:
    """A venue whose market has not begun, and the settings of a market maker on it."""
    with Venue(directory, "--seed", "7", "--maker-fee", "0", "--lockstep") as venue:
        grid = {"price_interval": float(INTERVAL), "order_quantity": 300, "max_price_age": 60}
        yield venue, write_settings(directory, venue, trading=grid, binance=PATIENT)


def play(venue: Venue, trades: int) -> None:
    """Let so many trades happen."""
    with httpx.Client() as client:
        for _ in range(trades):
            client.post(venue.facts["control"] + "/step").raise_for_status()


def play_until_rest(venue: Venue, trades: int) -> dict[str, Any]:
    """Let trades happen, and return the ledger when the market maker has nothing left to do about them."""
    play(venue, trades)

    def rested() -> dict[str, Any] | None:
        before = venue.ledger()
        time.sleep(0.4)
        after = venue.ledger()
        return after if before["orders"] == after["orders"] else None

    ledger: dict[str, Any] = wait_until("the market maker rests", rested)
    return ledger


def wait_for_orders(venue: Venue) -> None:
    """Return when the market maker quotes. It wants to see a price move first."""

    def quotes() -> bool:
        play(venue, 1)
        return bool(venue.ledger()["orders"])

    wait_until("the market maker quotes", quotes)


def running_candle(venue: Venue) -> dict[str, Decimal]:
    """Return the venue's newest candle as the chart has it."""
    asked: dict[str, str | int] = {"symbol": venue.symbol, "interval": "1m", "limit": 1}
    ((opened, *prices),) = httpx.get(venue.facts["rest"] + "/fapi/v1/klines", params=asked, timeout=10).json()
    return {"time": Decimal(opened // 1000)} | dict(
        zip(("open", "high", "low", "close"), map(Decimal, prices), strict=False)
    )


def drawn_lines(lines: list[dict[str, Any]]) -> Counter[tuple[str, Decimal]]:
    return Counter((line["title"].split()[0].lower(), Decimal(str(line["price"]))) for line in lines)


def resting_orders(ledger: Mapping[str, Any]) -> Counter[tuple[str, Decimal]]:
    return Counter((each["side"], Decimal(each["price"])) for each in ledger["orders"] if each["status"] in RESTING)


def exact(candle: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return a drawn candle without what only concerns its looks."""
    return {key: Decimal(str(candle[key])) for key in ("time", "open", "high", "low", "close")}


def wallet(ledger: Mapping[str, Any]) -> Decimal:
    return next(Decimal(each["wallet"]) for each in ledger["balances"] if each["asset"] == "USDT")


def position(ledger: Mapping[str, Any]) -> Decimal:
    return sum((Decimal(each["quantity"]) for each in ledger["positions"]), Decimal(0))


def state_of(ledger: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a page that has just been opened must know."""
    lines = resting_orders(ledger)
    return {
        "lines": lines,
        "open orders": lines.total(),
        "position": position(ledger),
        "balance": wallet(ledger),
    }


def fills_of(fills: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a page that has seen all these fills must say of them."""
    markers = Counter((each["ms"] // 60_000 * 60, each["side"]) for each in fills)
    told: dict[str, Any] = {"markers": markers}
    for side in ("buy", "sell"):
        sizes = [Decimal(each["quantity"]) for each in fills if each["side"] == side]
        told[f"{side}s"] = (len(sizes), sum(sizes, Decimal(0)))
    return told


def shown(viewer: Viewer) -> dict[str, Any]:
    """Return what the page shows, and what its chart's library holds, at one moment."""
    seen = viewer.page.evaluate(SEEN)
    sides = {"arrowUp": "buy", "arrowDown": "sell"}
    markers: Counter[tuple[int, str]] = Counter()
    for marker in seen["drawn"]["markers"]:
        markers[marker["time"], sides[marker["shape"]]] += int(marker["text"] or 1)
    told = {
        "lines": drawn_lines(seen["drawn"]["lines"]),
        "open orders": int(seen["open_orders"]),
        "position": Decimal(seen["position"]),
        "balance": Decimal(seen["balance"] or 0),
        "markers": markers,
        "candles": seen["drawn"]["candles"],
        "running": exact(seen["drawn"]["last"]),
        "price": Decimal(seen["price"]),
    }
    for side in ("buys", "sells"):
        count, amount = seen[side]
        told[side] = (int(count.replace(",", "")), Decimal(amount or 0))
    return told


def until_it_shows(viewer: Viewer, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page shows once it is what it should be; the assertion tells of all that is not."""
    deadline = time.monotonic() + 15
    while True:
        seen = shown(viewer)
        if time.monotonic() > deadline or all(seen[key] == value for key, value in wanted.items()):
            break
        viewer.page.wait_for_timeout(50)
    assert {key: seen[key] for key in wanted} == wanted
    return seen


def nearest_buy(ledger: Mapping[str, Any]) -> Decimal:
    return max(price for side, price in resting_orders(ledger) if side == "buy")


def stop(market_maker: MarketMaker) -> None:
    assert market_maker.stop() == 0, market_maker.text()[-3000:]


def opened(view: Opener, live: Live) -> Viewer:
    viewer = view(live.url)
    viewer.until("window.opensqt?.state === 'live' && window.opensqt.drawn.candles > 0")
    return viewer


def test_the_page_equals_the_report_and_the_ledger(view: Opener, tmp_path: Path) -> None:
    with market(tmp_path) as (venue, config), Live(write_live_settings(tmp_path, venue, binance=PATIENT)) as live:
        viewer = opened(view, live)
        nothing = {"buys": (0, Decimal(0)), "sells": (0, Decimal(0)), "markers": Counter()}
        first = until_it_shows(viewer, nothing | state_of(venue.ledger()) | {"open orders": 0, "candles": 100})
        with trading(config) as market_maker:
            wait_for_orders(venue)
            moments = [first]
            for trades in (200, 900, 200):
                ledger = play_until_rest(venue, trades)
                while position(ledger) == 0:  # nothing to sell
                    ledger = play_until_rest(venue, 10)
                wanted = state_of(ledger) | fills_of(ledger["fills"]) | {"running": running_candle(venue)}
                moments.append(until_it_shows(viewer, wanted))
                assert abs(nearest_buy(ledger) - moments[-1]["price"]) <= 3 * INTERVAL, "the buys follow the price"

            told = report(config)
            assert differences(ledger, told) == []
            last = moments[-1]
            assert last["buys"][0] + last["sells"][0] == len(told["fills"])
            assert last["open orders"] == len(told["open_orders"])
            assert last["position"] == Decimal(told["position"])
            stop(market_maker)
        until_it_shows(viewer, state_of(venue.ledger()) | {"lines": Counter(), "open orders": 0})

        assert len({str(moment["running"]) for moment in moments}) == 4, "candles move"
        assert [moment["candles"] for moment in moments[:2]] == [100, moments[1]["candles"]]
        assert last["candles"] > 100, "candles begin"
        lines = [set(moment["lines"]) for moment in moments]
        assert len({frozenset(each) for each in lines[1:]}) > 1, "lines follow the price"
        assert all({side for side, _ in each} == {"buy", "sell"} for each in lines[1:])
        assert min(last["buys"][0], last["sells"][0]) > 5
        assert viewer.text("state-text") == "Live"
        assert viewer.complaints == []
        assert viewer.violations == []


def test_a_page_of_the_older_servers_works_from_another_origin(view: Opener, tmp_path: Path) -> None:
    pages = v1_server()
    pages.policy = "default-src * data:"
    with serve(pages), market(tmp_path) as (venue, config):
        allowed = {"allowed_origins": [pages.address]}
        with Live(write_live_settings(tmp_path, venue, binance=PATIENT, server=allowed)) as live:
            viewer = view(f"{pages.address}/live?ws={live.ws}")
            viewer.until("window.v1?.frames.length >= 4")
            assert viewer.page.evaluate("window.v1.frames.slice(0, 4)") == ["history", "account", "position", "orders"]
            assert viewer.page.evaluate("window.v1.candles.length") == 100
            viewer.page.mouse.click(5, 5)  # sound needs a gesture
            with trading(config) as market_maker:
                wait_for_orders(venue)
                ledger = play_until_rest(venue, 900)
                check_v1(viewer, venue, ledger)
                stop(market_maker)
            viewer.until("window.v1.lines.length === 0")
            assert viewer.complaints == []

            stranger = pages.address.replace("127.0.0.1", "localhost")
            refused = view(f"{stranger}/live?ws={live.ws}")
            wait_until("the refusal names the setting", lambda: "allowed_origins" in live.text())
            assert stranger in live.text()
            assert refused.page.evaluate("window.v1.frames") == []


def check_v1(viewer: Viewer, venue: Venue, ledger: Mapping[str, Any]) -> None:
    """Compare everything the older page draws with the venue's books."""
    fills, resting = ledger["fills"], resting_orders(ledger)
    viewer.until(f"window.v1.markers.length === {len(fills)} && window.v1.lines.length === {resting.total()}")
    assert drawn_lines(viewer.page.evaluate("window.v1.lines")) == resting
    markers = viewer.page.evaluate("window.v1.markers")
    drawn = Counter((marker["time"], *marker["text"].split(" ")) for marker in markers)
    assert {(at, side, Decimal(size)) for at, side, size in drawn} == {
        (each["ms"] // 60_000 * 60, each["side"], Decimal(each["quantity"])) for each in fills
    }
    candle = running_candle(venue)
    viewer.until(f"window.v1.candles.at(-1).close === {candle['close']}")
    candles = viewer.page.evaluate("window.v1.candles")
    assert exact(candles[-1]) == candle
    times = [each["time"] for each in candles]
    assert times == list(range(times[0], times[0] + 60 * len(times), 60)), "the candles have a hole"
    assert len(candles) > 100
    for side in ("buy", "sell"):
        assert int(viewer.page.inner_text(f"#{side}s")) == sum(each["side"] == side for each in fills) > 0
    viewer.until(f"Number(document.getElementById('position').textContent) === {position(ledger)}")
    viewer.until(f"Math.abs(document.getElementById('balance').textContent - {wallet(ledger)}) <= 0.01")
    assert viewer.page.inner_text("#symbol") == "ETHUSDT"
    assert viewer.page.evaluate("window.v1.counted.sounds") > 0


def test_the_page_comes_back_with_the_truth_after_the_daemon_was_killed(view: Opener, tmp_path: Path) -> None:
    with market(tmp_path) as (venue, config), trading(config) as market_maker:
        settings = write_live_settings(tmp_path, venue, binance=PATIENT)
        with Live(settings) as live:
            viewer = opened(view, live)
            wait_for_orders(venue)
            ledger = play_until_rest(venue, 200)
            before = until_it_shows(viewer, state_of(ledger) | fills_of(ledger["fills"]))
            live.kill()
            viewer.until("['waiting', 'connecting'].includes(window.opensqt.state)")
        missed = play_until_rest(venue, 500)
        assert len(missed["fills"]) > len(ledger["fills"])
        with Live(settings, port=httpx.URL(live.url).port or 0) as again:
            assert again.url == live.url
            viewer.until("window.opensqt.state === 'live' && window.opensqt.connects === 2", 20_000)
            state = until_it_shows(viewer, state_of(missed) | {"running": running_candle(venue)})
            assert state["lines"] != before["lines"]
            assert (state["buys"], state["sells"]) == (before["buys"], before["sells"])
            viewer.until_text("since", "1 gap")

            ledger = play_until_rest(venue, 200)
            fills = [each for each in ledger["fills"] if each not in missed["fills"]]
            added = {
                side: tuple(map(sum, zip(before[side], fills_of(fills)[side], strict=True)))
                for side in ("buys", "sells")
            }
            assert fills
            until_it_shows(viewer, state_of(ledger) | added)
        assert market_maker.running
    assert all("ERR_CONNECTION_REFUSED" in complaint for complaint in viewer.complaints), viewer.complaints


def until_it_names_the_candles(viewer: Viewer) -> None:
    """Wait until the page says that candles are missing, and nothing else."""
    viewer.until_text("parts", f"Not live: {CANDLES}")
    viewer.until("document.querySelector('[data-testid=\"state\"]').dataset.state === 'partial'")
    assert "account" not in viewer.text("parts")


def test_candles_that_never_come_leave_the_rest_of_the_page_alive(view: Opener, tmp_path: Path) -> None:
    with market(tmp_path) as (venue, config), Tap(venue.facts["ws"]) as tap:
        tap.close_route("/market")
        settings = write_live_settings(tmp_path, venue, binance={"ws_url": tap.url})
        with Live(settings) as live, trading(config) as market_maker:
            viewer = opened(view, live)
            wait_for_orders(venue)
            until_it_names_the_candles(viewer)
            for _ in range(2):
                ledger = play_until_rest(venue, 200)
                until_it_shows(viewer, state_of(ledger) | fills_of(ledger["fills"]))
            assert ledger["fills"]
            status, health = live.health()
            assert (status, health["status"]) == (503, "degraded")
            live_parts = {name: each["state"] == "live" for name, each in health["streams"].items()}
            assert live_parts == {CANDLES: False, "account": True}
            until_it_names_the_candles(viewer)
            stop(market_maker)


def test_candles_that_end_while_somebody_watches_come_back_without_a_hole(view: Opener, tmp_path: Path) -> None:
    with (
        market(tmp_path) as (venue, config),
        Live(write_live_settings(tmp_path, venue)) as live,
        trading(config) as market_maker,
    ):
        viewer = view("about:blank")
        viewer.page.clock.install()
        viewer.page.goto(live.url)
        viewer.until("window.opensqt?.drawn.candles > 0")
        wait_for_orders(venue)
        faults = [
            venue.fault("stall", channel="kline"),
            venue.fault("refuse", endpoint="candles", code=-1001, http=503),
        ]
        ledger = play_until_rest(venue, 400)
        until_it_shows(viewer, state_of(ledger) | fills_of(ledger["fills"]))
        wait_until("the loss is noticed", lambda: live.health()[0] == 503)
        viewer.page.clock.fast_forward(20_000)  # it asks for the daemon's health now and then
        play(venue, 20)
        until_it_names_the_candles(viewer)
        before = shown(viewer)
        for fault in faults:
            venue.end_fault(fault["id"])
        ledger = play_until_rest(venue, 800)
        wanted = state_of(ledger) | fills_of(ledger["fills"]) | {"running": running_candle(venue)}
        after = until_it_shows(viewer, wanted)
        passed = after["running"]["time"] - before["running"]["time"]
        assert after["candles"] - before["candles"] == passed / 60 > 0
        wait_until("everything is live", lambda: live.health()[0] == 200)
        viewer.page.clock.fast_forward(6_000)
        viewer.until("document.querySelector('[data-testid=\"parts\"]').hidden")
        stop(market_maker)
