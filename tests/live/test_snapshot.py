from live_fakes import balance, candle, fill, order, position

from opensqt_core.order import OrderStatus
from opensqt_live import wire
from opensqt_live.snapshot import Change, Lane, Market, Snapshot


def snapshot() -> Snapshot:
    return Snapshot(Market("ETHUSDT", "USDT", "1m", 5), 10)


def test_join_tells_the_parts_in_order() -> None:
    known = snapshot()
    assert [message.type for message in known.on_join()] == ["history", "orders"]
    known.merge_candles([candle(0)])
    for change in (order(), position(), balance()):
        known.apply(change)
    told = known.on_join()
    assert [message.type for message in told] == ["history", "account", "position", "orders"]
    assert told[0].data == [wire.Kline.of(candle(0))]
    assert told[3].data == [wire.OrderData.of(order())]


def test_other_markets_are_no_news() -> None:
    known = snapshot()
    strangers: list[Change] = [
        candle(0, symbol="BTCUSDT"),
        candle(0, interval="5m"),
        order(symbol="BTCUSDT"),
        fill(symbol="BTCUSDT"),
        position(symbol="BTCUSDT"),
        balance(asset="BNB"),
    ]
    assert [known.apply(change) for change in strangers] == [[]] * 6


def test_a_fill_is_told_once() -> None:
    known = snapshot()
    (told,) = known.apply(fill("7"))
    assert (told.type, told.lane) == ("trade_event", Lane.FACT)
    assert known.apply(fill("7")) == []
    assert len(known.apply(fill("8"))) == 1


def test_a_position_that_went_to_zero_is_told_once() -> None:
    known = snapshot()
    assert len(known.apply(position("1", updated_ms=1))) == 1
    assert known.apply(position("1", updated_ms=1)) == []
    (told,) = known.apply(position("0", updated_ms=2))
    assert told.data == wire.PositionData.of(position("0"), 5)
    assert known.apply(position("0", updated_ms=3)) == []
    assert known.apply(position("1", updated_ms=1)) == []
    assert known.position is not None
    assert known.position.quantity == 0


def test_an_older_balance_is_no_news() -> None:
    known = snapshot()
    assert len(known.apply(balance("10", updated_ms=5))) == 1
    assert known.apply(balance("9", updated_ms=4)) == []
    assert known.apply(balance("10", updated_ms=6)) == []
    assert len(known.apply(balance("9", updated_ms=7))) == 1


def test_a_wallet_without_more_moves_the_other_figures() -> None:
    known = snapshot()
    known.apply(balance("1000", margin="1010", available="700"))
    (told,) = known.apply(balance("990"))
    assert told.data == wire.Account("USDT", "690", "990", "1000", "ETHUSDT")


def test_the_first_candles_of_all_are_a_history() -> None:
    known = snapshot()
    assert known.merge_candles([]) == []
    assert [message.type for message in known.merge_candles([candle(0), candle(1)])] == ["history"]
    missed = known.merge_candles([candle(1, "101", closed=True), candle(2)])
    assert [(message.type, message.lane) for message in missed] == [("kline", Lane.STATE)] * 2
    assert missed[0].key != missed[1].key


def test_an_order_that_ends_is_told_and_no_longer_open() -> None:
    known = snapshot()
    known.apply(order())
    (told,) = known.apply(order(status=OrderStatus.CANCELED))
    assert told.data == wire.OrderData.of(order(status=OrderStatus.CANCELED))
    assert known.on_join()[-1].data == []
