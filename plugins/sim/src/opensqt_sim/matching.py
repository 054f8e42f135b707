"""When our orders match: against the touch as they arrive, against prints and quotes while they rest.

The rules are stated in `opensqt_sim.engine`.
"""

from decimal import Decimal

from opensqt_core.order import OrderStatus, OrderType, Side, TimeInForce
from opensqt_sim.execution import Execution
from opensqt_sim.listing import Listing, Take
from opensqt_sim.model import Book, MarketTrade, Reason, SelfTradePrevention, SimOrder
from opensqt_sim.resting import Resting

_ZERO = Decimal(0)


def would_match(listing: Listing, side: Side, price: Decimal | None) -> bool:
    """Return whether an incoming order would match at once, the market or one of our own."""
    return listing.touches(side, price) or listing.held.resting(side.opposite).crossed_by(price)


def plan(
    listing: Listing, side: Side, limit: Decimal | None, quantity: Decimal, self_trade: SelfTradePrevention
) -> list[Take]:
    """Return what an incoming order would take from the market, self-trade prevention regarded."""
    own = listing.held.resting(side.opposite)
    if self_trade is SelfTradePrevention.EXPIRE_MAKER or own.best is None or not own.crossed_by(limit):
        return listing.take(side, limit, quantity)
    # the incoming order is the one to go as soon as it meets ours: only what is better than our price is left to it
    return listing.take(side, own.best - side.sign * listing.instrument.tick_size, quantity)


def run_incoming(execution: Execution, listing: Listing, order: SimOrder, now_ms: int) -> None:
    """Match an accepted (or amended) order against the touch, then let the rest of it rest or expire."""
    steps = plan(listing, order.side, order.price, order.remaining, order.self_trade)
    left = order.remaining - sum((step.quantity for step in steps), _ZERO)
    met = _met(listing.held.resting(order.side.opposite), order, steps, left)
    if order.self_trade is not SelfTradePrevention.EXPIRE_TAKER:
        only_first = order.self_trade is SelfTradePrevention.EXPIRE_BOTH
        for maker in met[:1] if only_first else met:
            execution.end(listing, maker, OrderStatus.EXPIRED, Reason.SELF_TRADE, now_ms)
    for step in steps:
        listing.consume(order.side.opposite, step.quantity)
        execution.fill(listing, order, step.price, step.quantity, maker=False, now_ms=now_ms)
    if not order.open:
        return
    if met and order.self_trade is not SelfTradePrevention.EXPIRE_MAKER:
        execution.end(listing, order, OrderStatus.EXPIRED, Reason.SELF_TRADE, now_ms)
    elif order.type is OrderType.MARKET:
        execution.end(listing, order, OrderStatus.EXPIRED, Reason.MARKET, now_ms)
    elif order.time_in_force is not TimeInForce.GTC:
        execution.end(listing, order, OrderStatus.EXPIRED, Reason.IOC, now_ms)
    else:
        rest(listing, order)


def _met(own: Resting, order: SimOrder, steps: list[Take], left: Decimal) -> list[SimOrder]:
    """Return our resting orders that an incoming one meets, given what it takes and what is left of it after that."""
    if left:
        return _reached(own, order.price)
    if order.self_trade is SelfTradePrevention.EXPIRE_MAKER and steps:
        return _reached(own, steps[-1].price)
    return []


def rest(listing: Listing, order: SimOrder) -> None:
    """Put an order into the book, behind what is shown there."""
    if order.price is None:
        raise ValueError("an order without a price cannot rest")
    order.queue_ahead = listing.queue_at(order.side, order.price)
    listing.held.resting(order.side).add(order)


def match_trade(execution: Execution, listing: Listing, trade: MarketTrade, now_ms: int) -> None:
    """Fill what a print reaches: all of an order it went through, and what the queue leaves of it at its price."""
    price = trade.price
    for side in Side:
        left = trade.quantity
        for order in _reached(listing.held.resting(side), price):
            if not order.open:
                continue
            if order.price is not None and order.price != price:
                execution.fill(listing, order, order.price, order.remaining, maker=True, now_ms=now_ms)
            elif trade.taker_side is not side:
                ahead = order.queue_ahead or _ZERO
                eaten = min(ahead, left)
                if order.queue_ahead is not None:
                    order.queue_ahead = ahead - eaten
                quantity = min(order.remaining, left - eaten)
                if quantity:
                    left -= quantity
                    execution.fill(listing, order, price, quantity, maker=True, now_ms=now_ms)


def match_book(execution: Execution, listing: Listing, book: Book, now_ms: int) -> None:
    """Fill what the opposite touch has come to, up to the size it shows; and see who is ahead at our own touch."""
    for side, touch, shown, opposite in (
        (Side.BUY, book.bid, book.bid_quantity, book.ask),
        (Side.SELL, book.ask, book.ask_quantity, book.bid),
    ):
        resting = listing.held.resting(side)
        for order in _reached(resting, opposite):
            quantity = min(order.remaining, listing.left(side.opposite) or _ZERO)
            if order.open and order.price is not None and quantity:
                listing.consume(side.opposite, quantity)
                execution.fill(listing, order, order.price, quantity, maker=True, now_ms=now_ms)
        for order in _reached(resting, touch):
            if order.price != touch:
                order.queue_ahead = _ZERO  # everybody who was ahead has left
            elif order.queue_ahead is None:
                order.queue_ahead = shown


def _reached(resting: Resting, price: Decimal | None) -> list[SimOrder]:
    """Return our orders at `price` or better (None: all), in line. Some may end while the caller works through them."""
    if not resting.crossed_by(price):
        return []
    sign = resting.side.sign
    return [
        order for order in resting if price is None or (order.price is not None and (order.price - price) * sign >= 0)
    ]
