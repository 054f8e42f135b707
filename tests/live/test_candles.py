from decimal import Decimal

from live_fakes import MINUTE, candle

from opensqt_live.candles import CandleRing


def ring(*candles: object, limit: int = 5) -> CandleRing:
    made = CandleRing("1m", limit)
    made.merge(list(candles))  # type: ignore[arg-type]
    return made


def test_the_ring_is_bounded() -> None:
    filled = ring(candle(0), limit=3)
    for minute in range(1, 6):
        assert filled.update(candle(minute))
    assert [each.open_time_ms for each in filled.all] == [candle(minute).open_time_ms for minute in (3, 4, 5)]
    assert filled.end_ms == candle(5).open_time_ms + MINUTE


def test_time_never_goes_back() -> None:
    filled = ring(candle(0, closed=True), candle(1))
    assert not filled.update(candle(0, "99", "5", closed=True))
    assert not filled.update(candle(1))
    assert filled.update(candle(1, "101"))
    assert filled.update(candle(1, "102", closed=True))
    assert not filled.update(candle(1, "103", "9"))
    assert filled.last == candle(1, "102", closed=True)


def test_an_update_from_before_the_reading_is_no_news() -> None:
    filled = ring(candle(0, "105", "10"))
    assert not filled.update(candle(0, "104", "9"))
    assert filled.update(candle(0, "106", "10"))
    assert filled.update(candle(1, "106", "0.5"))


def test_a_closed_candle_counts_even_with_less_volume_than_read() -> None:
    filled = ring(candle(0, "105", "10"))
    assert filled.update(candle(0, "104", "9", closed=True))


def test_a_reading_that_lags_behind_the_stream_changes_nothing() -> None:
    filled = ring(candle(0, "105", "10"))
    assert filled.merge([candle(0, "104", "8")]) == []
    assert filled.last == candle(0, "105", "10")
    filled.update(candle(0, "106", "11", closed=True))
    assert filled.merge([candle(0, "105", "10.5")]) == []


def test_a_reading_tells_what_was_missed_from_the_last_candle_on() -> None:
    filled = ring(candle(0, closed=True), candle(1, "101"))
    missed = [candle(1, "102", "3", closed=True), candle(2, closed=True), candle(3)]
    assert filled.merge([candle(0, closed=True), *missed]) == missed
    assert [each.open_time_ms for each in filled.all] == [candle(minute).open_time_ms for minute in range(4)]


def test_a_reading_that_mends_the_past_can_not_be_told_as_updates() -> None:
    filled = ring(candle(0, "100", closed=True), candle(1))
    assert filled.merge([candle(0, "99.5", "2", closed=True), candle(1)]) is None
    assert filled.all[0].close == Decimal("99.5")


def test_nothing_from_before_a_hole_is_kept() -> None:
    filled = ring(candle(0, closed=True), candle(1))
    assert filled.merge([candle(5, closed=True), candle(6)]) is None
    assert [each.open_time_ms for each in filled.all] == [candle(5).open_time_ms, candle(6).open_time_ms]


def test_the_first_reading_is_a_history_and_an_empty_one_is_no_news() -> None:
    empty = CandleRing("1m", 5)
    assert empty.merge([]) == []
    assert empty.merge([candle(0)]) is None
    assert empty.end_ms is not None
    assert CandleRing("1m", 5).end_ms is None


def test_what_follows() -> None:
    assert not CandleRing("1m", 5).follows(candle(0))
    running = ring(candle(1))
    assert running.follows(candle(0))
    assert running.follows(candle(1))
    assert not running.follows(candle(2))  # its last state was not told
    done = ring(candle(1, closed=True))
    assert done.follows(candle(2))
    assert not done.follows(candle(3))
