"""The market maker against a venue that misbehaves: it comes back by itself, and the books are equal."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rig import MarketMaker, Venue, differences, intolerable, report, trading, wait_until, write_settings

TRADING = {"price_interval": 0.5, "order_quantity": 300}
LIVELY = ("--seed", "7", "--maker-fee", "0", "--speed", "10")


def finish(market_maker: MarketMaker, venue: Venue, config: Path) -> dict[str, Any]:
    """Stop cleanly and compare the books.

    An order whose fate is unknown can't be settled before the venue's window is over; an exit before that is a 4.
    """
    wait_until("nothing is unknown", lambda: report(config)["unknown"] == [], every=0.5)
    status = market_maker.stop()
    assert status == 0, market_maker.text()[-3000:]
    told, ledger = report(config), venue.ledger()
    assert differences(ledger, told) == []
    assert intolerable(ledger) == []
    assert told["open_orders"] == []
    ids = Counter(order["client_order_id"] for order in ledger["orders"])
    assert max(ids.values()) == 1
    return told


def wait_for_start(market_maker: MarketMaker) -> None:
    """Return when this process has begun to trade; its log also holds what those before it wrote."""
    before = market_maker.text().count('"event": "trading"')
    wait_until("it trades", lambda: market_maker.text().count('"event": "trading"') > before)


def fills(venue: Venue) -> int:
    return len(venue.ledger()["fills"])


def test_it_survives_losing_every_socket_again_and_again(tmp_path: Path) -> None:
    with Venue(tmp_path, *LIVELY) as venue:
        config = write_settings(tmp_path, venue, trading=TRADING)
        with trading(config) as market_maker:
            wait_until("trading", lambda: fills(venue) > 2)
            fault = venue.fault("drop", every=2.5)
            time.sleep(12)
            venue.end_fault(fault["id"])
            before = fills(venue)
            wait_until("trading goes on", lambda: fills(venue) > before + 2)
            assert market_maker.running
            finish(market_maker, venue, config)


@pytest.mark.parametrize("endpoint", ["place", "place_batch", "cancel", "cancel_batch"])
def test_a_request_that_times_out_after_executing_is_neither_lost_nor_doubled(endpoint: str, tmp_path: Path) -> None:
    with Venue(tmp_path, *LIVELY) as venue:
        extra = {"request_timeout": 1}
        config = write_settings(tmp_path, venue, trading=TRADING, binance=extra)
        if endpoint == "place_batch":
            venue.fault("timeout_after_execute", endpoint=endpoint, count=2)
        with trading(config) as market_maker:
            wait_until("trading", lambda: fills(venue) > 2)
            if endpoint != "place_batch":
                venue.fault("timeout_after_execute", endpoint=endpoint, count=2)
            before = fills(venue)
            wait_until("trading goes on", lambda: fills(venue) > before + 8)
            told = finish(market_maker, venue, config)
        assert told["unknown"] == []


def test_a_private_stream_that_goes_silent_is_noticed_and_replaced(tmp_path: Path) -> None:
    with Venue(tmp_path, *LIVELY) as venue:
        config = write_settings(tmp_path, venue, trading=TRADING)
        with trading(config) as market_maker:
            wait_until("trading", lambda: fills(venue) > 2)
            venue.fault("stall", channel="private", count=1)
            wait_until("the stall is noticed", lambda: "order stream lost" in market_maker.text())
            before = fills(venue)
            wait_until("trading goes on", lambda: fills(venue) > before + 4)
            finish(market_maker, venue, config)


def test_a_price_stream_that_goes_silent_pulls_the_buys_until_it_is_back(tmp_path: Path) -> None:
    with Venue(tmp_path, *LIVELY) as venue:
        config = write_settings(tmp_path, venue, trading=TRADING)
        with trading(config) as market_maker:
            wait_until("trading", lambda: fills(venue) > 2)
            fault = venue.fault("stall", channel="bookTicker")

            def resting_buys() -> int:
                return sum(1 for each in venue.ledger()["orders"] if each["status"] == "NEW" and each["side"] == "buy")

            wait_until("buys are pulled", lambda: resting_buys() == 0)
            venue.end_fault(fault["id"])
            wait_until("buys are back", lambda: resting_buys() > 5)
            finish(market_maker, venue, config)


def test_crashes_one_after_the_other_lose_nothing(tmp_path: Path) -> None:
    with Venue(tmp_path, *LIVELY) as venue:
        config = write_settings(tmp_path, venue, trading=TRADING)
        for pause in (0.2, 0.7, 0.05, 1.1):
            with trading(config) as market_maker:
                wait_for_start(market_maker)
                time.sleep(pause)
                market_maker.kill()
        with trading(config) as market_maker:
            wait_for_start(market_maker)
            before = fills(venue)
            wait_until("trading goes on", lambda: fills(venue) > before + 2)
            told = finish(market_maker, venue, config)
        assert told["instance"] == told["orders"][0]["client_order_id"][:4]
