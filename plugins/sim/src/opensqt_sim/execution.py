"""How orders change: accepted, filled, ended. Every change goes through here, and each is told at once."""

from decimal import Decimal

from opensqt_core.order import OrderStatus, Side
from opensqt_sim.account import Account, round_money
from opensqt_sim.listing import Listing
from opensqt_sim.model import (
    AccountChanged,
    AccountReason,
    Change,
    HistoryLine,
    Listener,
    OrderChanged,
    Reason,
    SimFill,
    SimOrder,
    VenueEvent,
)
from opensqt_sim.records import Records
from opensqt_sim.rules import AccountSettings


class Execution:
    """The account's orders and money; knows nothing of when something matches."""

    def __init__(self, settings: AccountSettings) -> None:
        self.settings = settings
        self.account = Account(settings)
        self.records = Records(settings.first_order_id, settings.first_trade_id)
        self.listeners: tuple[Listener, ...] = ()

    def tell(self, event: VenueEvent) -> None:
        """Hand an event to every listener."""
        for listener in self.listeners:
            listener(event)

    def accept(self, order: SimOrder, now_ms: int) -> None:
        """Record a new order and tell that it is there."""
        self.records.add(order)
        self.order_changed(order, Change.NEW, now_ms)

    def fill(
        self,
        listing: Listing,
        order: SimOrder,
        price: Decimal,
        quantity: Decimal,
        *,
        maker: bool,
        now_ms: int,
        change: Change = Change.TRADE,
    ) -> None:
        """Execute a part of an order: money, position, order, in this order; then knock out what it made too large."""
        held, settings = listing.held, self.settings
        notional = price * quantity
        fee = round_money(notional * (settings.maker_fee if maker else settings.taker_fee))
        realised = self.account.fill(held, order.side, price, quantity, fee)
        held.updated_ms = now_ms
        fill = SimFill(
            trade_id=self.records.new_trade_id(),
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            price=price,
            quantity=quantity,
            fee=fee,
            fee_asset=settings.asset,
            maker=maker,
            realised=realised,
            ms=now_ms,
        )
        self.records.fills.append(fill)
        order.filled += quantity
        order.filled_notional += notional
        if order.filled == order.quantity:
            order.status = OrderStatus.FILLED
            self._close(listing, order)
        else:
            order.status = OrderStatus.PARTIALLY_FILLED
        self.account_changed(AccountReason.ORDER, listing, now_ms)
        self.order_changed(order, change, now_ms, fill=fill)
        self.knock_out_reduce_only(listing, now_ms)

    def end(self, listing: Listing, order: SimOrder, status: OrderStatus, reason: Reason, now_ms: int) -> None:
        """End an order that is not filled; `status` is CANCELED or EXPIRED."""
        order.status = status
        order.reason = reason
        self._close(listing, order)
        change = Change.CANCELED if status is OrderStatus.CANCELED else Change.EXPIRED
        self.order_changed(order, change, now_ms, note=reason)

    def knock_out_reduce_only(self, listing: Listing, now_ms: int) -> None:
        """Expire reduce-only orders that together exceed the position: the last in line first."""
        held = listing.held
        for side in Side:
            resting = held.resting(side)
            allowed = max(Decimal(0), -side.sign * held.quantity)
            excess = resting.reduce_only_quantity() - allowed
            for order in reversed(tuple(resting)):
                if excess <= 0:
                    break
                if order.reduce_only:
                    excess -= order.remaining
                    self.end(listing, order, OrderStatus.EXPIRED, Reason.REDUCE_ONLY, now_ms)

    def order_changed(
        self, order: SimOrder, change: Change, now_ms: int, *, fill: SimFill | None = None, note: str | None = None
    ) -> None:
        """Write a line of the order's history and tell a copy of it."""
        order.updated_ms = now_ms
        order.history += (HistoryLine(now_ms, order.status, order.filled, note),)
        if self.listeners:
            self.tell(OrderChanged(order.snapshot(), change, fill, now_ms))

    def account_changed(self, reason: AccountReason, listing: Listing, now_ms: int) -> None:
        """Tell the balance and one symbol's position."""
        if self.listeners:
            account = self.account
            self.tell(AccountChanged(reason, (account.balance(),), (account.position(listing.held),), now_ms))

    def _close(self, listing: Listing, order: SimOrder) -> None:
        listing.held.resting(order.side).remove(order)
        self.records.open.pop(order.order_id, None)
