"""Each rule refuses what it should, in words that say what to change, and nothing else."""

from decimal import Decimal
from typing import Any

import attrs
import pytest
from tests.mm.given import INSTRUMENT, SETTINGS, settings

from opensqt_core.account import FeeRates, Position, SymbolSettings
from opensqt_core.instrument import InstrumentStatus
from opensqt_mm.preflight import Facts, Finding, earning_interval, preflight, refused, worst_case
from opensqt_mm.settings import LimitSettings

D = Decimal
FACTS = Facts(
    instrument=INSTRUMENT,
    price=D(3000),
    settings=SymbolSettings(symbol="ETHUSDT", leverage=5, margin_mode="cross", hedge_mode=False),
    fees=FeeRates(maker=D("0.0002"), taker=D("0.0005")),
    margin=D(10_000),
    position=Position(symbol="ETHUSDT", quantity=D(0), entry_price=D(0)),
    clock_offset_ms=10,
)


def failures(changes: dict[str, Any] | None = None, **trading: Any) -> dict[str, Finding]:
    facts = attrs.evolve(FACTS, **(changes or {}))
    findings = preflight(facts, settings(**trading), LimitSettings())
    return {finding.rule: finding for finding in refused(findings)}


def test_good_settings_pass_every_rule() -> None:
    findings = preflight(FACTS, SETTINGS, LimitSettings())
    assert refused(findings) == []
    assert len(findings) == 9


@pytest.mark.parametrize(
    ("changes", "trading", "rule", "word"),
    [
        ({"instrument": attrs.evolve(INSTRUMENT, status=InstrumentStatus.HALTED)}, {}, "symbol_trading", "halted"),
        ({}, {"price_interval": D("0.001")}, "interval", "0.01"),
        ({}, {"order_quantity": D(10)}, "order_size", "use order_quantity 23"),
        ({}, {"price_interval": D(1)}, "fees", "use price_interval 1.22"),
        ({"settings": attrs.evolve(FACTS.settings, leverage=20)}, {}, "leverage", "max_leverage 10"),
        ({"settings": attrs.evolve(FACTS.settings, hedge_mode=True)}, {}, "position_mode", "one-way"),
        ({"clock_offset_ms": -9_000}, {}, "clock", "NTP"),
        ({"margin": D(500)}, {}, "margin", "max_held_levels"),
        ({"margin": D(5_900)}, {"max_held_levels": 250}, "liquidation", "liquidation at"),
    ],
)
def test_a_rule_that_refuses_says_what_to_change(
    changes: dict[str, Any], trading: dict[str, Any], rule: str, word: str
) -> None:
    found = failures(changes, **trading)
    assert rule in found
    assert word in found[rule].text


def test_the_suggested_interval_earns_and_a_tick_less_than_needed_does_not() -> None:
    fee, price = D("0.0002"), D(3000)
    suggested = earning_interval(price, fee, D("0.01"))
    assert failures(price_interval=suggested) == {}
    assert "fees" in failures(price_interval=suggested - D("0.02"))
    assert earning_interval(price, D(0), D("0.01")) == D("0.01")


def test_a_rebate_earns_at_any_interval() -> None:
    assert failures({"fees": FeeRates(maker=D("-0.0001"), taker=D(0))}, price_interval=D("0.01")) == {}


def test_with_a_position_the_margin_is_a_warning() -> None:
    held = attrs.evolve(FACTS.position, quantity=D(1))
    assert "margin" not in failures({"margin": D(500), "position": held})


def test_the_worst_case_ends_at_the_lowest_allowed_price() -> None:
    quantity, cost, lowest = worst_case(FACTS, settings(price_low=D(2980)))
    assert lowest == 2980
    assert quantity == D("0.1") + 2 * D("0.1")
    assert cost == D("0.1") * (3000 + 2990 + 2980)


def test_levels_above_the_highest_allowed_price_are_not_counted() -> None:
    quantity, _, _ = worst_case(FACTS, settings(price_low=D(2980), price_high=D(2985)))
    assert quantity == D("0.1")
