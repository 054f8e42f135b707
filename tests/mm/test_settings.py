"""Settings refuse what cannot work, in words that fit behind `file: path: expected`."""

from decimal import Decimal
from typing import Any

import pytest

from opensqt_mm.settings import LimitSettings, LoggingSettings, StateSettings, SystemSettings, TradingSettings

D = Decimal
NEEDED: dict[str, Any] = {"symbol": "ETHUSDT", "price_interval": D(10), "order_quantity": D(300)}


def test_the_defaults_are_those_of_the_documentation() -> None:
    settings = TradingSettings(**NEEDED)
    assert (settings.buy_window_size, settings.sell_window_size, settings.slack) == (10, 10, 10)
    assert (settings.max_held_levels, settings.order_cleanup_threshold) == (100, 50)
    assert (settings.on_would_take, settings.max_price_age) == ("reprice", D(5))
    assert (settings.reconcile_interval, settings.margin_lock_duration_seconds) == (60, 10)
    assert (settings.price_low, settings.price_high, settings.min_order_value) == (None, None, None)
    limits = LimitSettings()
    assert (limits.max_leverage, limits.max_drawdown, limits.max_consecutive_rejects) == (10, D("0.2"), 10)
    state = StateSettings()
    assert (str(state.journal), state.durability) == ("mm.sqlite", "power")


def test_trail_slack_follows_the_window_unless_given() -> None:
    assert TradingSettings(**NEEDED, buy_window_size=4).slack == 4
    assert TradingSettings(**NEEDED, buy_window_size=4, trail_slack=0).slack == 0


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("price_interval", D(0), "above zero"),
        ("price_interval", D("NaN"), "above zero"),
        ("order_quantity", D("Infinity"), "above zero"),
        ("order_quantity", D(-1), "above zero"),
        ("min_order_value", D(0), "above zero"),
        ("price_low", D(-5), "above zero"),
        ("buy_window_size", 0, "1 or more"),
        ("sell_window_size", -1, "1 or more"),
        ("trail_slack", -1, "0 or more"),
        ("max_held_levels", 0, "1 or more"),
        ("order_cleanup_threshold", 0, "1 or more"),
        ("on_would_take", "cross", 'one of "reprice", "wait", "take"'),
        ("max_price_age", D(0), "above zero"),
    ],
)
def test_what_cannot_work_is_refused(key: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TradingSettings(**(NEEDED | {key: value}))


def test_bounds_must_not_be_crossed() -> None:
    with pytest.raises(ValueError, match="at least price_low, which is 3000"):
        TradingSettings(**NEEDED, price_low=D(3000), price_high=D(2999))
    TradingSettings(**NEEDED, price_low=D(3000), price_high=D(3000))


@pytest.mark.parametrize(
    ("given", "meant"), [(True, "all"), ("all", "all"), ("buys", "buys"), (False, "none"), ("none", "none")]
)
def test_cancel_on_exit(given: bool | str, meant: str) -> None:
    assert SystemSettings(cancel_on_exit=given).exit_cancels == meant


def test_words_that_are_not_choices() -> None:
    with pytest.raises(ValueError, match='one of true, false, "all", "buys", "none"'):
        SystemSettings(cancel_on_exit="some")
    with pytest.raises(ValueError, match='one of "power", "process"'):
        StateSettings(durability="none")
    with pytest.raises(ValueError, match="one of"):
        LoggingSettings(level="loud")
    with pytest.raises(ValueError, match="1 or more"):
        LimitSettings(max_leverage=0)
    with pytest.raises(ValueError, match="above zero"):
        LimitSettings(max_drawdown=D(0))
