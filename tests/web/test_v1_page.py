"""A page that knows v1 of the contract and nothing more: it proves that what a daemon says is what older pages need."""

from browser import Opener, Viewer
from fake_live import FakeLive
from tests.web import market

LAST = market.START + 99 * 60


def opened(view: Opener, live: FakeLive) -> Viewer:
    """Open the page and wait for the whole snapshot."""
    viewer = view(f"{live.address}/live")
    live.wait_for_clients(1)
    viewer.until("window.v1?.frames.length === 4")
    return viewer


def test_it_draws_the_snapshot(view: Opener, v1_live: FakeLive) -> None:
    viewer = opened(view, v1_live)
    assert viewer.page.evaluate("window.v1.frames") == ["history", "account", "position", "orders"]
    assert viewer.page.evaluate("window.v1.candles.length") == 100
    assert viewer.page.evaluate("window.v1.lines.length") == 6
    assert viewer.page.inner_text("#balance") == "10000.00"
    assert viewer.page.inner_text("#symbol") == "ETHUSDT"
    assert viewer.page.inner_text("#position") == "0.5"
    assert viewer.complaints == []
    assert viewer.violations == []


def test_it_follows_what_happens(view: Opener, v1_live: FakeLive) -> None:
    viewer = opened(view, v1_live)
    viewer.page.mouse.click(5, 5)  # sound needs a gesture
    v1_live.send("kline", market.candle(LAST, close="3020.10"))
    v1_live.send("kline", market.candle(LAST + 60, close="3021.00"))
    v1_live.send("orders", market.order("n", "BUY", "3001.00"))
    v1_live.send("orders", market.order("s1", "SELL", "3013.50", "FILLED"))
    v1_live.send("trade_event", market.fill("sell", "3013.50", LAST + 61))
    v1_live.send("risk_status", {"symbol": market.SYMBOL, "type": "x", "severity": "info", "message": "additive"})
    viewer.until("window.v1.frames.length === 10 && window.v1.counted.sounds === 1")
    assert viewer.page.evaluate("window.v1.candles.at(-1)")["close"] == 3021.0
    assert viewer.page.evaluate("window.v1.candles.length") == 101
    assert sorted(line["price"] for line in viewer.page.evaluate("window.v1.lines")) == [
        3001.0,
        3007.5,
        3009.0,
        3010.5,
        3015.0,
        3016.5,
    ]
    assert [marker["time"] for marker in viewer.page.evaluate("window.v1.markers")] == [LAST + 60]
    assert viewer.page.inner_text("#sells") == "1"
    assert viewer.complaints == []


def test_a_candle_that_goes_back_in_time_breaks_it(view: Opener, v1_live: FakeLive) -> None:
    """Why the contract forbids it."""
    viewer = opened(view, v1_live)
    v1_live.send("kline", market.candle(LAST - 60, close="3020.10"))
    viewer.until("window.v1.frames.length === 5")
    viewer.page.wait_for_timeout(50)
    assert any("Cannot update oldest data" in complaint for complaint in viewer.complaints)
