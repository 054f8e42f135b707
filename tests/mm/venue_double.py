"""A venue's account and trading facets under a test's control: what the engine's shells talk to in virtual time."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal

import attrs
import trio

from opensqt_core.account import Balance, FeeRates, FundingPayment, Position, SymbolSettings
from opensqt_core.capabilities import (
    Acknowledgement,
    Capabilities,
    ClientIdRule,
    LookupPath,
    Lookups,
    PlacementExpiry,
)
from opensqt_core.errors import ExchangeError, OrderNotFound
from opensqt_core.exchange import AccountEvent
from opensqt_core.order import Fill, NewOrder, Order, OrderStatus, OrderType, Side
from opensqt_core.streams import Stream

DAY_MS = 86_400_000
REMEMBERED = LookupPath(live_for_ms=90 * DAY_MS, unfilled_for_ms=3 * DAY_MS)

CAPABILITIES = Capabilities(
    max_batch_place=5,
    max_batch_cancel=10,
    acknowledgement=Acknowledgement.ACCEPTED,
    client_id=ClientIdRule(max_length=36),
    expiry=PlacementExpiry(mechanism="window", window_ms=5_000),
    indexing_delay_ms=1_000,
    lookups=Lookups(
        by_client_id=REMEMBERED,
        open_orders=REMEMBERED,
        history=REMEMBERED,
        fills=REMEMBERED,
        fills_carry_client_id=False,
    ),
    cancel_all_by_symbol=True,
    amend=False,
    dead_man=None,
    reduce_only=True,
    post_only_reported_by="error",
    self_trade_prevention=None,
    fee_sign="paid_is_positive",
    quantity_unit="base",
    candle_limit=1000,
    connection_lifetime_s=None,
    request_limits=(),
)


def order(client_order_id: str, **changes: object) -> Order:
    """Return an order as a venue describes it."""
    usual = Order(
        symbol="ETHUSDT",
        order_id=f"v-{client_order_id}",
        client_order_id=client_order_id,
        side=Side.BUY,
        type=OrderType.LIMIT,
        price=Decimal(3000),
        quantity=Decimal("0.1"),
        filled=Decimal(0),
        status=OrderStatus.NEW,
        updated_ms=1,
    )
    return attrs.evolve(usual, **changes)  # type: ignore[arg-type]


@attrs.define
class FakeVenue:
    """An `AccountData` and a `Trading` in one, answering from plain attributes."""

    known: dict[str, Order] = attrs.field(factory=dict)
    """By client order id: what single look-ups and the history tell."""
    resting: list[Order] = attrs.field(factory=list)
    executions: list[Fill] = attrs.field(factory=list)
    held: Decimal = Decimal(0)
    failure: ExchangeError | None = None
    """Raised by every look-up."""
    answers: list[Sequence[Order | ExchangeError]] = attrs.field(factory=list)
    """What placements and cancels are answered with, one entry a request; accepted if there is none left."""
    delay: float = 0.01
    placed: list[Sequence[NewOrder]] = attrs.field(factory=list)
    cancelled: list[Sequence[str]] = attrs.field(factory=list)
    asked: list[str] = attrs.field(factory=list)
    available: int = 1_000
    fingerprint: str = "f00d"

    async def _look(self, what: str) -> None:
        await trio.sleep(self.delay)
        self.asked.append(what)
        if self.failure is not None:
            raise self.failure

    async def order(self, symbol: str, *, client_order_id: str | None = None, order_id: str | None = None) -> Order:
        await self._look("order")
        for found in self.known.values():
            if client_order_id == found.client_order_id or (order_id is not None and order_id == found.order_id):
                return found
        raise OrderNotFound("no such order")

    async def open_orders(self, symbol: str) -> Sequence[Order]:
        await self._look("open_orders")
        return list(self.resting)

    async def orders(self, symbol: str, *, start_ms: int, end_ms: int | None = None) -> Sequence[Order]:
        await self._look("orders")
        return []

    async def fills(self, symbol: str, *, start_ms: int, order_id: str | None = None) -> Sequence[Fill]:
        await self._look("fills")
        return [fill for fill in self.executions if order_id in (None, fill.order_id)]

    async def positions(self, symbol: str | None = None) -> Sequence[Position]:
        await self._look("positions")
        return [Position(symbol="ETHUSDT", quantity=self.held, entry_price=Decimal(0))]

    async def funding_payments(self, symbol: str, *, start_ms: int) -> Sequence[FundingPayment]:
        await self._look("funding")
        return []

    async def balances(self) -> Sequence[Balance]:
        await self._look("balances")
        return []

    async def symbol_settings(self, symbol: str) -> SymbolSettings:
        await self._look("settings")
        return SymbolSettings(symbol=symbol, leverage=5, margin_mode="cross", hedge_mode=False)

    async def fee_rates(self, symbol: str) -> FeeRates:
        await self._look("fees")
        return FeeRates(maker=Decimal(0), taker=Decimal(0))

    def placements_available(self) -> int:
        return self.available

    async def place(self, new: NewOrder) -> Order:
        (outcome,) = await self._answer_placements([new])
        if isinstance(outcome, ExchangeError):
            raise outcome
        return outcome

    async def place_batch(self, orders: Sequence[NewOrder]) -> Sequence[Order | ExchangeError]:
        return await self._answer_placements(orders)

    async def _answer_placements(self, orders: Sequence[NewOrder]) -> Sequence[Order | ExchangeError]:
        self.placed.append(orders)
        await trio.sleep(self.delay)
        if self.answers:
            return self.answers.pop(0)
        return [order(each.client_order_id, side=each.side, quantity=each.quantity) for each in orders]

    async def cancel(
        self, symbol: str, *, client_order_id: str | None = None, order_id: str | None = None
    ) -> Order | None:
        (outcome,) = await self.cancel_batch(symbol, [client_order_id or order_id or ""])
        if isinstance(outcome, ExchangeError):
            raise outcome
        return outcome

    async def cancel_batch(self, symbol: str, client_order_ids: Sequence[str]) -> Sequence[Order | ExchangeError]:
        self.cancelled.append(client_order_ids)
        await trio.sleep(self.delay)
        if self.answers:
            return self.answers.pop(0)
        return [order(each, status=OrderStatus.CANCELED) for each in client_order_ids]

    async def cancel_all(self, symbol: str) -> None:
        raise AssertionError("the engine never cancels what is not its own")

    async def arm_dead_man(self, symbol: str, seconds: int) -> None:
        raise AssertionError("not declared in the capabilities")

    def account_stream(self) -> AbstractAsyncContextManager[Stream[AccountEvent]]:
        raise AssertionError("streams are the feeds' business")
