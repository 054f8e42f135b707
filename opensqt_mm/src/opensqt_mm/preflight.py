"""What is checked before the first order: each rule is pure, and says what to change when it refuses."""

from collections.abc import Callable, Iterator
from decimal import ROUND_CEILING, Decimal

import attrs

from opensqt_core.account import FeeRates, Position, SymbolSettings
from opensqt_core.instrument import Instrument, InstrumentStatus
from opensqt_mm.ladder import Ladder, ladder_fault
from opensqt_mm.settings import LimitSettings, TradingSettings

MAX_CLOCK_OFFSET_MS = 5_000
"""Beyond this our own times (journal, doubts) can't be compared with the venue's."""
MAINTENANCE_RATE = Decimal("0.01")
"""Share of the position's value that venues want kept: above the lowest tier of all five, so on the safe side."""


@attrs.frozen(kw_only=True)
class Facts:
    """What was read from the venue for the checks."""

    instrument: Instrument
    price: Decimal
    settings: SymbolSettings
    fees: FeeRates
    margin: Decimal
    """Wallet of the quote currency, in quote units."""
    position: Position
    clock_offset_ms: int
    anchor: Decimal | None = None
    """The journal's, if there is one."""


@attrs.frozen(kw_only=True)
class Finding:
    """One rule's verdict."""

    rule: str
    passed: bool
    text: str
    """The figure when it passed, what to change when it did not."""
    warning: bool = False
    """Does not refuse the start."""


def preflight(facts: Facts, trading: TradingSettings, limits: LimitSettings) -> list[Finding]:
    """Return every rule's finding, all of them, so that a user mends everything at once."""
    return [finding for rule in _RULES for finding in rule(facts, trading, limits)]


def refused(findings: list[Finding]) -> list[Finding]:
    """Return the findings that forbid the start."""
    return [finding for finding in findings if not finding.passed and not finding.warning]


Rule = Callable[[Facts, TradingSettings, LimitSettings], Iterator[Finding]]


def _ladder(facts: Facts, trading: TradingSettings) -> Ladder:
    anchor = facts.anchor if facts.anchor is not None else facts.instrument.round_price(facts.price)
    return Ladder(anchor, trading.price_interval, facts.instrument.tick_size)


def _trading_status(facts: Facts, _: TradingSettings, __: LimitSettings) -> Iterator[Finding]:
    instrument = facts.instrument
    passed = instrument.status is InstrumentStatus.TRADING
    text = f"{instrument.symbol} is {instrument.status.value} at {instrument.venue}"
    yield Finding(rule="symbol_trading", passed=passed, text=text if passed else f"{text}: choose another symbol")


def _interval(facts: Facts, trading: TradingSettings, _: LimitSettings) -> Iterator[Finding]:
    fault = ladder_fault(facts.instrument, trading.price_interval)
    text = f"price_interval {_plain(trading.price_interval)}, tick {_plain(facts.instrument.tick_size)}"
    yield Finding(rule="interval", passed=fault is None, text=fault or text)


def _order_size(facts: Facts, trading: TradingSettings, _: LimitSettings) -> Iterator[Finding]:
    instrument = facts.instrument
    quantity = instrument.floor_quantity(trading.order_quantity / facts.price)
    minimum = max(instrument.min_notional, trading.min_order_value or Decimal(0))
    # One lot of room, because sizes are floored to the lot and the price moves.
    needed = max(minimum, instrument.min_quantity * facts.price) + instrument.lot_size * facts.price
    passed = quantity >= instrument.min_quantity and quantity > 0 and quantity * facts.price >= minimum
    text = f"order_quantity {_plain(trading.order_quantity)} buys {_plain(quantity)} {instrument.base}"
    if not passed:
        text += (
            f", worth {_plain(quantity * facts.price)} {instrument.quote}, under the smallest order of "
            f"{_plain(minimum)} {instrument.quote} and {_plain(instrument.min_quantity)} {instrument.base}: "
            f"use order_quantity {_plain(needed.to_integral_value(ROUND_CEILING))} or more"
        )
    yield Finding(rule="order_size", passed=passed, text=text)


def earning_interval(price: Decimal, fee: Decimal, tick_size: Decimal) -> Decimal:
    """Return the smallest interval whose trip earns more than both its maker fees at `price`."""
    if fee <= 0:
        return tick_size
    least = 2 * fee * price / (1 - fee)
    return (least / tick_size).to_integral_value(ROUND_CEILING) * tick_size + tick_size


def _fees(facts: Facts, trading: TradingSettings, _: LimitSettings) -> Iterator[Finding]:
    """size * interval - fee * (buy notional + sell notional) must be above zero."""
    size = facts.instrument.floor_quantity(trading.order_quantity / facts.price)
    fee, interval = facts.fees.maker, trading.price_interval
    profit = size * interval - fee * (size * facts.price + size * (facts.price + interval))
    earning = earning_interval(facts.price, fee, facts.instrument.tick_size)
    passed = profit > 0 or size == 0
    text = f"a trip earns {_plain(profit)} {facts.instrument.quote} after both fees of {_plain(fee * 100)} %"
    if not passed:
        text = (
            f"price_interval {_plain(interval)} does not cover both fees of {_plain(fee * 100)} %: a trip would lose "
            f"{_plain(-profit)} {facts.instrument.quote}; use price_interval {_plain(earning)} or more"
        )
    yield Finding(rule="fees", passed=passed, text=text)


def _leverage(facts: Facts, _: TradingSettings, limits: LimitSettings) -> Iterator[Finding]:
    leverage = facts.settings.leverage
    passed = leverage <= limits.max_leverage
    text = f"leverage {leverage}, at most {limits.max_leverage}"
    if not passed:
        text = (
            f"leverage of {facts.instrument.symbol} is {leverage}, above [limits] max_leverage {limits.max_leverage}: "
            "lower it at the exchange or raise the limit"
        )
    yield Finding(rule="leverage", passed=passed, text=text)


def _position_mode(facts: Facts, _: TradingSettings, __: LimitSettings) -> Iterator[Finding]:
    passed = not facts.settings.hedge_mode
    text = "one-way position mode"
    if not passed:
        text = "the account is in hedge position mode: switch it to one-way at the exchange"
    yield Finding(rule="position_mode", passed=passed, text=text)


def _clock(facts: Facts, _: TradingSettings, __: LimitSettings) -> Iterator[Finding]:
    offset = facts.clock_offset_ms
    passed = abs(offset) <= MAX_CLOCK_OFFSET_MS
    text = f"clocks differ by {offset} ms"
    if not passed:
        text += f", at most {MAX_CLOCK_OFFSET_MS} are safe: synchronise this machine's clock (NTP)"
    yield Finding(rule="clock", passed=passed, text=text)


def worst_case(facts: Facts, trading: TradingSettings) -> tuple[Decimal, Decimal, Decimal]:
    """Return (quantity, cost, lowest price) with every allowed level bought, from the price downwards."""
    ladder = _ladder(facts, trading)
    nearest = ladder.nearest(facts.price)
    quantity = cost = Decimal(0)
    lowest = facts.price
    for level in range(nearest, nearest - trading.max_held_levels, -1):
        price = ladder.price(level)
        if price <= 0 or (trading.price_low is not None and price < trading.price_low):
            break
        if trading.price_high is not None and price > trading.price_high:
            continue
        size = facts.instrument.floor_quantity(trading.order_quantity / price)
        quantity, cost, lowest = quantity + size, cost + size * price, price
    return quantity, cost, lowest


def _margin(facts: Facts, trading: TradingSettings, _: LimitSettings) -> Iterator[Finding]:
    quantity, cost, lowest = worst_case(facts, trading)
    held = facts.position.quantity != 0
    quote = facts.instrument.quote
    needed = cost / facts.settings.leverage
    passed = needed <= facts.margin
    text = f"{trading.max_held_levels} held levels need {_money(needed)} of {_money(facts.margin)} {quote} margin"
    if not passed:
        text += ": lower max_held_levels or order_quantity, or add margin"
    yield Finding(rule="margin", passed=passed, text=text, warning=held)
    if quantity == 0:
        return
    liquidation = max(Decimal(0), (cost - facts.margin) / (quantity * (1 - MAINTENANCE_RATE)))
    passed = liquidation < lowest
    text = f"liquidation at {_money(liquidation)} with every level held, the lowest at {_plain(lowest)}"
    if not passed:
        text += ": lower max_held_levels or order_quantity, or add margin"
    yield Finding(rule="liquidation", passed=passed, text=text, warning=held)


_RULES: tuple[Rule, ...] = (
    _trading_status,
    _interval,
    _order_size,
    _fees,
    _leverage,
    _position_mode,
    _clock,
    _margin,
)


def _plain(value: Decimal) -> str:
    text = format(value.quantize(Decimal("1E-8")) if value.as_tuple().exponent < -8 else value, "f")  # type: ignore[operator]
    return text.rstrip("0").rstrip(".") if "." in text else text


def _money(value: Decimal) -> str:
    return _plain(value.quantize(Decimal("0.01")))
