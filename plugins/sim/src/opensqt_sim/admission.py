"""Whether a venue admits a request: everything that needs the account, the book and the instrument together.

Nothing here changes anything; each function returns nothing or raises `Refusal`.
"""

from decimal import Decimal

from opensqt_core.order import NewOrder, OrderType, Side, TimeInForce
from opensqt_sim import checks, matching
from opensqt_sim.execution import Execution
from opensqt_sim.listing import Listing
from opensqt_sim.model import Refusal, RefusalKind, SelfTradePrevention, SimOrder

_ZERO = Decimal(0)


def admit_new(execution: Execution, listing: Listing, order: NewOrder, self_trade: SelfTradePrevention) -> None:
    """Check a new order, in the order of Binance's checks as far as they show: fields, identity, position, money."""
    checks.check_new_order(listing.rules, order, listing.mark)
    _check_client_order_id(execution, order)
    limit = listing.instrument.max_open_orders
    if (
        limit is not None
        and order.type is OrderType.LIMIT
        and len(listing.held.buys) + len(listing.held.sells) >= limit
    ):
        raise Refusal(RefusalKind.MAX_OPEN_ORDERS, f"{listing.symbol} has {limit} open orders already")
    if order.reduce_only:
        _check_reduces(listing, order.side, order.quantity)
    if order.post_only and matching.would_match(listing, order.side, order.price):
        raise Refusal(RefusalKind.WOULD_TAKE, f"post-only order at {order.price} would match at once")
    if not order.reduce_only:
        _check_margin(execution, listing, order.side, order.quantity * _margin_price(listing, order))
    if order.time_in_force is TimeInForce.FOK:
        steps = matching.plan(listing, order.side, order.price, order.quantity, self_trade)
        if sum((step.quantity for step in steps), _ZERO) < order.quantity:
            raise Refusal(RefusalKind.FOK_UNFILLABLE, "the order cannot be filled entirely")


def admit_amendment(
    execution: Execution, listing: Listing, order: SimOrder, *, side: Side | None, price: Decimal, quantity: Decimal
) -> None:
    """Check new price and total quantity of an open order."""
    if order.type is not OrderType.LIMIT or order.price is None:
        raise Refusal(RefusalKind.NOT_AMENDABLE, "only limit orders can be amended")
    if side is not None and side is not order.side:
        raise Refusal(RefusalKind.NOT_AMENDABLE, "the side of an order cannot be changed")
    if (price, quantity) == (order.price, order.quantity):
        raise Refusal(RefusalKind.NOTHING_TO_CHANGE, "price and quantity are what they were")
    checks.check_limit(listing.rules, order.side, price, quantity, listing.mark, reduce_only=order.reduce_only)
    remaining = max(_ZERO, quantity - order.filled)
    if order.reduce_only:
        _check_reduces(listing, order.side, remaining, replaced=order.remaining)
    else:
        _check_margin(execution, listing, order.side, remaining * price, replaced=order.remaining * order.price)


def _check_client_order_id(execution: Execution, order: NewOrder) -> None:
    earlier = execution.records.by_client_id(order.symbol, order.client_order_id)
    if earlier is not None and (earlier.open or not execution.settings.client_ids_reusable):
        raise Refusal(RefusalKind.DUPLICATE_CLIENT_ID, f"client order id {order.client_order_id} is in use")


def _check_reduces(listing: Listing, side: Side, quantity: Decimal, *, replaced: Decimal = _ZERO) -> None:
    together = listing.held.resting(side).reduce_only_quantity() - replaced + quantity
    reducible = -side.sign * listing.held.quantity
    if together > reducible:
        raise Refusal(
            RefusalKind.REDUCE_ONLY,
            f"reduce-only {side} orders would be {together} together, the position leaves {max(reducible, _ZERO)}",
        )


def _check_margin(
    execution: Execution, listing: Listing, side: Side, notional: Decimal, *, replaced: Decimal = _ZERO
) -> None:
    if not execution.account.affords(listing.held, side, notional, replaced=replaced):
        available = execution.account.balance().available
        raise Refusal(
            RefusalKind.INSUFFICIENT_MARGIN, f"an order of {notional} needs more than the {available} available"
        )


def _margin_price(listing: Listing, order: NewOrder) -> Decimal:
    """Return the price an order is margined at: its own, or for a market order the touch it takes."""
    if order.price is not None:
        return order.price
    if listing.book is None:
        return listing.mark
    return listing.book.ask if order.side is Side.BUY else listing.book.bid
