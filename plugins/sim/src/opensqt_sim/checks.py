"""Rules of an instrument that an order must obey: each check raises `Refusal` or returns nothing."""

from decimal import Decimal

from opensqt_core.instrument import InstrumentStatus
from opensqt_core.order import NewOrder, OrderType, Side
from opensqt_sim.model import Refusal, RefusalKind
from opensqt_sim.rules import Rules

_HIGHEST_PRICE = Decimal(10) ** 12
"""Beyond any market; keeps what follows within the digits that Decimal computes with."""


def check_new_order(rules: Rules, order: NewOrder, mark: Decimal) -> None:
    """Check everything about a new order that only its instrument and the mark price (0: none yet) decide."""
    instrument = rules.instrument
    if instrument.status is not InstrumentStatus.TRADING:
        raise Refusal(RefusalKind.NO_MARKET, f"{instrument.symbol} is halted")
    if order.type is OrderType.MARKET:
        if order.price is not None or order.post_only:
            raise Refusal(RefusalKind.PRICE_RANGE, "a market order has no price and cannot be post-only")
        if not mark:
            raise Refusal(RefusalKind.NO_MARKET, f"{instrument.symbol} has no price yet")
        check_quantity(rules, order.quantity, market=True)
        check_notional(rules, mark * order.quantity, reduce_only=order.reduce_only)
        return
    if order.price is None:
        raise Refusal(RefusalKind.PRICE_RANGE, "a limit order needs a price")
    check_limit(rules, order.side, order.price, order.quantity, mark, reduce_only=order.reduce_only)


def check_limit(
    rules: Rules, side: Side, price: Decimal, quantity: Decimal, mark: Decimal, *, reduce_only: bool
) -> None:
    """Check price and quantity of a limit order, new or amended."""
    check_price(rules, price)
    check_quantity(rules, quantity, market=False)
    check_notional(rules, price * quantity, reduce_only=reduce_only)
    check_band(rules, side, price, mark)


def check_price(rules: Rules, price: Decimal) -> None:
    """Check that a price is a positive number of ticks."""
    if not price.is_finite() or not 0 < price <= _HIGHEST_PRICE:
        raise Refusal(RefusalKind.PRICE_RANGE, f"price {price} is not within 0..{_HIGHEST_PRICE}")
    if price % rules.instrument.tick_size:
        raise Refusal(RefusalKind.TICK_SIZE, f"price {price} is not a multiple of {rules.instrument.tick_size}")


def check_quantity(rules: Rules, quantity: Decimal, *, market: bool) -> None:
    """Check that a quantity is a number of lots within the instrument's range."""
    instrument = rules.instrument
    step, largest = instrument.lot_size, instrument.max_quantity
    if market:
        step = rules.market_lot_size or step
        largest = rules.market_max_quantity or largest
    if not quantity.is_finite() or quantity <= 0:
        raise Refusal(RefusalKind.QUANTITY_RANGE, f"quantity {quantity} is not positive")
    if not instrument.min_quantity <= quantity <= largest:
        raise Refusal(
            RefusalKind.QUANTITY_RANGE, f"quantity {quantity} is not within {instrument.min_quantity}..{largest}"
        )
    if quantity % step:
        raise Refusal(RefusalKind.LOT_SIZE, f"quantity {quantity} is not a multiple of {step}")


def check_notional(rules: Rules, notional: Decimal, *, reduce_only: bool) -> None:
    """Check the smallest order value; reduce-only orders may be exempt."""
    instrument = rules.instrument
    if notional < instrument.min_notional and not (reduce_only and instrument.reduce_only_below_minimum):
        raise Refusal(RefusalKind.MIN_NOTIONAL, f"order value {notional} is below {instrument.min_notional}")


def check_band(rules: Rules, side: Side, price: Decimal, mark: Decimal) -> None:
    """Check that a buy is not priced too far above the mark, nor a sell too far below it."""
    if rules.price_band is None or not mark:
        return
    limit = mark * (1 + side.sign * rules.price_band)
    if (price - limit) * side.sign > 0:
        raise Refusal(RefusalKind.PRICE_BAND, f"price {price} is beyond {limit}")
