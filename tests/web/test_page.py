"""The page in Chromium, against a scripted daemon: what is drawn, not that it loads."""

import json
import re

import pytest
from browser import Opener, Viewer
from fake_live import FakeLive
from tests.web import market

LAST = market.START + 99 * 60
"""Opening time of the snapshot's running candle."""


def opened(view: Opener, live: FakeLive, path: str = "/live", **options: object) -> Viewer:
    """Open the page and wait until the snapshot is drawn."""
    viewer = view(live.address + path, **options)
    live.wait_for_clients(1)
    viewer.until("window.opensqt?.state === 'live' && window.opensqt.drawn.candles > 0")
    viewer.until("document.querySelectorAll('.rung').length > 0 || window.opensqt.drawn.lines.length === 0")
    return viewer


def lines(viewer: Viewer) -> dict[float, str]:
    """Return the order lines on the chart: title by price."""
    return {line["price"]: line["title"] for line in viewer.drawn()["lines"]}


def test_the_snapshot_is_drawn(view: Opener, live: FakeLive) -> None:
    viewer = opened(view, live)
    drawn = viewer.drawn()
    running = live.snapshot[0]["data"][-1]
    assert (drawn["candles"], drawn["volumes"]) == (100, 100)
    assert drawn["last"]["time"] == LAST
    assert drawn["last"]["close"] == float(running["close"])
    assert viewer.value("price") == running["close"]
    assert viewer.text("symbol") == "ETHUSDT"
    assert viewer.text("interval") == "1m"
    assert viewer.text("balance") == "10,000.00"
    assert viewer.value("balance") == "10000.00000000"
    assert viewer.text("open-orders") == "6"
    assert lines(viewer) == {
        3010.5: "buy 0.050",
        3009.0: "buy 0.050",
        3007.5: "buy 0.050",
        3013.5: "sell 0.050",
        3015.0: "sell 0.050",
        3016.5: "sell 0.050",
    }
    assert viewer.text("state-text") == "Live"


def test_candles_move_begin_and_never_go_back(view: Opener, live: FakeLive) -> None:
    viewer = opened(view, live)
    live.send("kline", market.candle(LAST, close="3020.10"))
    viewer.until_text("price", "3,020.10")
    assert viewer.drawn()["candles"] == 100
    live.send("kline", market.candle(LAST - 60, close="1.00"))
    live.send("kline", market.candle(LAST + 60, close="3021.25", volume="7"))
    viewer.until_text("price", "3,021.25")
    drawn = viewer.drawn()
    assert drawn["candles"] == 101
    assert drawn["last"]["close"] == 3021.25
    assert viewer.page.title().startswith("3,021.25 ETHUSDT")


def test_order_lines_appear_move_and_vanish(view: Opener, live: FakeLive) -> None:
    live.snapshot[3] = market.frame("orders", [])
    viewer = opened(view, live)
    assert lines(viewer) == {}
    live.send("orders", market.order("9007199254740993", "BUY", "3001.00"))
    live.send("orders", market.order("9007199254740992", "SELL", "3031.00", amount="0.1"))
    viewer.until("window.opensqt.drawn.lines.length === 2")
    assert lines(viewer) == {3001.0: "buy", 3031.0: "sell 0.1"}
    colours = {line["title"][:4]: line["color"] for line in viewer.drawn()["lines"]}
    assert colours["buy"] != colours["sell"]
    live.send("orders", market.order("9007199254740993", "BUY", "3001.00", "PARTIALLY_FILLED"))
    live.send("orders", market.order("9007199254740992", "SELL", "3031.00", "CANCELED"))
    viewer.until("window.opensqt.drawn.lines.length === 1")
    assert lines(viewer) == {3001.0: "buy"}
    for number, end in enumerate(("FILLED", "EXPIRED", "REJECTED")):
        live.send("orders", market.order(f"x{number}", "BUY", "3000.00"))
        live.send("orders", market.order(f"x{number}", "BUY", "3000.00", end))
    live.send("orders", market.order("9007199254740993", "BUY", "3001.00", "FILLED"))
    viewer.until("window.opensqt.drawn.lines.length === 0")
    viewer.until_text("open-orders", "0")


def test_the_ladder_shows_the_nearest_levels_and_counts_the_rest(view: Opener, live: FakeLive) -> None:
    live.snapshot[3] = market.frame("orders", market.grid("3012.00", 20))
    viewer = opened(view, live)
    asks = viewer.page.get_by_test_id("asks").locator(".rung-price").all_inner_texts()
    bids = viewer.page.get_by_test_id("bids").locator(".rung-price").all_inner_texts()
    assert (len(asks), asks[-1]) == (5, "3,013.50")
    assert (len(bids), bids[0]) == (5, "3,010.50")
    assert viewer.text("asks-more") == "15 more"
    assert len(viewer.drawn()["lines"]) == 40


def test_fills_are_counted_listed_and_marked_once_per_candle_and_side(view: Opener, live: FakeLive) -> None:
    viewer = opened(view, live)
    for second in (1, 20, 59):
        live.send("trade_event", market.fill("buy", "3010.50", LAST + second, "0.1"))
    live.send("trade_event", market.fill("sell", "3013.50", LAST - 30, "0.2"))
    viewer.until("window.opensqt.drawn.markers.length === 2")
    sell, buy = viewer.drawn()["markers"]
    assert (sell["time"], sell["shape"], sell["position"], sell["text"]) == (LAST - 60, "arrowDown", "aboveBar", "")
    assert (buy["time"], buy["shape"], buy["position"], buy["text"]) == (LAST, "arrowUp", "belowBar", "3")
    assert (viewer.text("buys"), viewer.text("buys-amount")) == ("3", "0.3")
    assert (viewer.text("sells"), viewer.text("sells-amount")) == ("1", "0.2")
    newest = viewer.page.get_by_test_id("fills").locator(".fill").first.inner_text()
    assert re.sub(r"\s+", " ", newest).endswith("sell 0.2 3,013.50")


def test_thousands_of_fills_and_orders_do_not_freeze_it(view: Opener, live: FakeLive) -> None:
    viewer = opened(view, live)
    for number in range(4_000):
        live.send("trade_event", market.fill("buy" if number % 2 else "sell", "3012.00", LAST - number))
        live.send("orders", market.order(f"n{number}", "BUY", "3001.00"))
        live.send("orders", market.order(f"n{number}", "BUY", "3001.00", "FILLED"))
    live.send("kline", market.candle(LAST, close="3033.33"))
    viewer.until_text("price", "3,033.33")
    viewer.until("document.querySelector('[data-testid=\"buys\"]').textContent === '2000'")
    assert viewer.text("sells") == "2000"
    assert viewer.text("open-orders") == "6"
    places = {((LAST - number) // 60, number % 2) for number in range(4_000)}
    viewer.until(f"window.opensqt.drawn.markers.length === {len(places)}")
    assert viewer.page.locator(".fill").count() == 12


def test_position_comes_turns_and_goes(view: Opener, live: FakeLive) -> None:
    viewer = opened(view, live)
    assert viewer.text("position-side") == "flat"
    live.send("position", market.position("0.500", "3010.25000000", "1.12500000"))
    viewer.until_text("position-side", "long")
    assert viewer.text("position-amount") == "0.5"
    assert viewer.text("position-entry") == "3,010.25"
    assert viewer.text("position-pnl") == "+1.125"
    assert viewer.value("position-pnl") == "1.12500000"
    live.send("position", market.position("-1.5", profit="-0.75"))
    viewer.until_text("position-side", "short")
    assert (viewer.text("position-amount"), viewer.value("position-amount")) == ("1.5", "-1.5")
    assert viewer.text("position-pnl") == "\N{MINUS SIGN}0.75"
    live.send("position", market.position("0"))
    viewer.until_text("position-side", "flat")
    assert (viewer.text("position-amount"), viewer.text("position-entry")) == ("0", "\N{EN DASH}")


def test_balance_follows_the_stable_coin_only(view: Opener, live: FakeLive) -> None:
    viewer = opened(view, live)
    live.send("account", market.account("3", "BNB"))
    live.send("account", market.account("10001.23456789", "USDC"))
    viewer.until_text("balance", "10,001.23456789")
    assert viewer.text("asset") == "USDC"


def test_it_reconnects_by_itself_and_takes_the_snapshot_for_the_truth(view: Opener, live: FakeLive) -> None:
    viewer = opened(view, live)
    live.send("trade_event", market.fill("buy", "3010.50", LAST))
    viewer.until_text("buys", "1")
    live.refusing = True
    live.drop()
    viewer.until_text("state-text", "Reconnecting in")
    viewer.until_text("announcer", "Connection lost")
    assert viewer.page.get_by_test_id("state").get_attribute("data-state") in {"waiting", "connecting"}
    live.snapshot = market.snapshot(
        market.candles(50, start=market.START + 3_000), [market.order("z", "SELL", "3040.00")], amount="0.25"
    )
    live.refusing = False
    viewer.until("window.opensqt.state === 'live' && window.opensqt.drawn.candles === 50", 30_000)
    viewer.until_text("position-amount", "0.25")
    assert lines(viewer) == {3040.0: "sell"}
    viewer.until_text("since", "1 gap")
    assert viewer.text("buys") == "1"
    viewer.until_text("announcer", "Live")


def test_it_says_why_the_daemon_hung_up(view: Opener, live: FakeLive) -> None:
    viewer = opened(view, live)
    live.refusing = True
    live.close(1001, "restarting")
    viewer.until_text("state-detail", "the daemon is going away: restarting")


def test_silence_is_said(view: Opener, live: FakeLive) -> None:
    viewer = view("about:blank")
    viewer.page.clock.install()
    viewer.page.goto(live.address)
    live.wait_for_clients(1)
    viewer.page.clock.run_for(1_000)
    viewer.until_text("state-text", "Live")
    viewer.page.clock.run_for(17_000)
    viewer.until_text("state-text", "No data for 1")
    viewer.until_text("price-age", "ago")
    viewer.until_text("announcer", "No data is arriving")
    live.send("kline", market.candle(LAST, close="3020.10"))
    viewer.until("window.opensqt.state === 'live'")
    viewer.page.clock.run_for(1_000)
    viewer.until_text("state-text", "Live")


def test_it_names_the_part_that_is_missing(view: Opener, live: FakeLive) -> None:
    live.health = {
        "status": "degraded",
        "clients": 12,
        "time": 1,
        "streams": {
            "candles": {"state": "failed", "since": 1, "restarts": 5, "last_event_age_ms": None, "reason": "refused"},
            "orders": {"state": "live", "since": 1, "restarts": 0, "last_event_age_ms": 5, "reason": ""},
        },
    }
    viewer = opened(view, live)
    viewer.until_text("parts", "candles failed (refused)")
    assert "orders" not in viewer.text("parts")
    assert viewer.page.get_by_test_id("state").get_attribute("data-state") == "partial"
    assert viewer.text("viewers") == "12 watching"
    live.send("orders", market.order("q", "BUY", "3000.00"))
    viewer.until_text("open-orders", "7")
    live.health["streams"]["candles"] |= {"state": "live", "reason": ""}
    viewer.until("document.querySelector('[data-testid=\"parts\"]').hidden")


def test_what_it_cannot_read_is_counted_and_stops_nothing(view: Opener, live: FakeLive) -> None:
    viewer = opened(view, live)
    live.send_text("{")
    live.send_text(json.dumps({"type": "kline", "data": {"time": "soon"}}))
    live.send("orders", market.order("q", "BUY", "NaN"))
    live.send("slots", {"levels": []})
    live.send("kline", market.candle(LAST, close="3020.10"))
    viewer.until_text("price", "3,020.10")
    viewer.until_text("trouble", "3 frames could not be read")
    tally = viewer.page.evaluate("window.opensqt.tally")
    assert (tally["malformed"], tally["unknown"]) == (3, 1)
    assert viewer.complaints == []


def test_sound_is_silent_until_asked_and_remembered(view: Opener, live: FakeLive) -> None:
    viewer = opened(view, live)
    button = viewer.page.get_by_test_id("sound")
    live.send("trade_event", market.fill("buy", "3010.50", LAST))
    viewer.until_text("buys", "1")
    assert viewer.page.evaluate("window.opensqt.sound") == {"on": False, "played": 0}
    assert "/coin.mp3" not in live.requests
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    viewer.until("window.opensqt.sound.played === 1")
    assert button.get_attribute("aria-pressed") == "true"
    viewer.page.wait_for_timeout(200)
    live.send("trade_event", market.fill("buy", "3010.50", LAST))
    viewer.until("window.opensqt.sound.played === 2")
    assert "/coin.mp3" in live.requests
    viewer.page.reload()
    viewer.until("window.opensqt?.sound.on === true")
    viewer.page.get_by_test_id("sound").click()
    assert viewer.text("sound-text") == "Sound off"


def test_scrolling_back_fetches_older_candles(view: Opener, live: FakeLive) -> None:
    live.older = market.candles(300, start=market.START - 300 * 60)
    viewer = opened(view, live)
    box = viewer.page.get_by_test_id("chart").bounding_box()
    assert box is not None
    viewer.page.mouse.move(box["x"] + 200, box["y"] + 150)
    viewer.page.mouse.down()
    viewer.page.mouse.move(box["x"] + 900, box["y"] + 150, steps=10)
    viewer.page.mouse.up()
    viewer.until("window.opensqt.drawn.candles === 400")
    drawn = viewer.drawn()
    assert drawn["first"]["time"] == market.START - 300 * 60
    assert drawn["last"]["time"] == LAST
    asked = [request for request in live.requests if request.startswith("/api/history")]
    assert asked[0] == f"/api/history?symbol=ETHUSDT&interval=1m&before={market.START}&limit=500"
    assert viewer.complaints == []


def test_it_asks_for_the_symbol_of_its_own_address(view: Opener, live: FakeLive) -> None:
    opened(view, live, "/live?symbol=ETHUSDT")
    assert live.clients[0].asked == "/ws?symbol=ETHUSDT"


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_nothing_breaks_the_policy_and_nothing_comes_from_elsewhere(view: Opener, live: FakeLive, scheme: str) -> None:
    viewer = view("about:blank", color_scheme=scheme)
    asked: list[str] = []
    viewer.page.on("request", lambda request: asked.append(request.url))
    viewer.page.goto(f"{live.address}/live")
    viewer.until("window.opensqt?.drawn.candles === 100")
    live.wait_for_clients(1)
    live.send("trade_event", market.fill("buy", "3010.50", LAST))
    viewer.until("window.opensqt.drawn.markers.length === 1")
    viewer.page.get_by_test_id("sound").click()
    viewer.until("window.opensqt.sound.played === 1")
    assert viewer.violations == []
    assert viewer.complaints == []
    assert {url for url in asked if not url.startswith(live.address)} == set()


def test_dark_and_light_follow_the_system(view: Opener, live: FakeLive) -> None:
    viewer = opened(view, live, color_scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark, dark_line = viewer.page.evaluate(colour), viewer.drawn()["lines"][0]["color"]
    viewer.page.emulate_media(color_scheme="light")
    viewer.until(f"window.opensqt.drawn.lines[0].color !== {dark_line!r}")
    assert viewer.page.evaluate(colour) != dark
    assert viewer.drawn()["candles"] == 100


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_phone_needs_no_sideways_scrolling(view: Opener, live: FakeLive, width: int) -> None:
    live.snapshot = market.snapshot(market.candles(100), market.grid("3012.00", 20), amount="-12.3456789")
    live.snapshot[1] = market.frame("account", market.account("1234567890.12345678"))
    viewer = opened(view, live, viewport={"width": width, "height": 844}, is_mobile=True, has_touch=True)
    live.send("trade_event", market.fill("sell", "3010.50", LAST, "0.12345678"))
    viewer.until_text("sells", "1")
    assert viewer.page.evaluate("document.documentElement.scrollWidth") <= width
    box = viewer.page.get_by_test_id("chart").bounding_box()
    assert box is not None
    assert box["width"] > width * 0.85
    assert box["height"] > 300
    assert box["y"] < 300


def test_a_wrong_address_is_said(view: Opener, live: FakeLive) -> None:
    viewer = view(f"{live.address}/live?ws=ftp%3A%2F%2Fexample.org")
    viewer.until_text("parts", "no WebSocket address")


def test_a_number_too_long_for_its_tile_is_whole_in_its_title(view: Opener, live: FakeLive) -> None:
    viewer = opened(view, live)
    entry = "2998.626622073578595317725753"
    live.send("position", market.position("0.598", entry))
    viewer.until_text("position-side", "long")
    tile = viewer.page.get_by_test_id("position-entry")
    assert tile.get_attribute("title") == entry
    box = tile.bounding_box()
    assert box is not None
    assert box["height"] < 40
