"""The trading facet: what moves money."""

from collections.abc import Sequence

import attrs

from opensqt_core.clock import Clock
from opensqt_core.errors import ExchangeError, OutcomeUnknown
from opensqt_core.order import NewOrder, Order
from opensqt_core.ratelimit import Priority
from opensqt_exchanges.binance import calls
from opensqt_exchanges.binance.api import Api
from opensqt_exchanges.binance.dialect import FIRST_PAUSE
from opensqt_exchanges.binance.errors import Refusal, explain
from opensqt_exchanges.binance.words import Refused

ONE_ORDER = {"weight": 1, "orders_10s": 1, "orders_1m": 1}
"""The most that one order costs, alone or as a part of a batch (`POST /fapi/v1/order`, `batchOrders`)."""


@attrs.frozen
class Trader:
    """A `Trading`."""

    _api: Api
    _clock: Clock

    def placements_available(self) -> int:
        """Return how many orders the weight and both order counts admit now."""
        return self._api.limiter.affordable(ONE_ORDER, Priority.PLACE)

    async def place(self, order: NewOrder) -> Order:
        """Place one order and return the matching engine's acknowledgement."""
        return await self._api.write(calls.place(order))

    async def place_batch(self, orders: Sequence[NewOrder]) -> Sequence[Order | ExchangeError]:
        """Place up to five orders of one symbol; one outcome each, in order."""
        return await self._batch(calls.place_batch(orders), [order.client_order_id for order in orders])

    async def cancel(
        self, symbol: str, *, client_order_id: str | None = None, order_id: str | None = None
    ) -> Order | None:
        """Cancel one order by either id and return its last state."""
        return await self._api.write(calls.cancel(symbol, client_order_id=client_order_id, order_id=order_id))

    async def cancel_batch(
        self, symbol: str, client_order_ids: Sequence[str]
    ) -> Sequence[Order | ExchangeError | None]:
        """Cancel up to ten orders; one outcome each, in order."""
        return await self._batch(calls.cancel_batch(symbol, client_order_ids), client_order_ids)

    async def cancel_all(self, symbol: str) -> None:
        """Cancel every open order of the symbol, whoever placed it; conditional orders stay."""
        await self._api.write(calls.cancel_all(symbol))

    async def arm_dead_man(self, symbol: str, seconds: int) -> None:
        """Have the venue cancel the symbol's open orders in `seconds` unless this is called again; 0 disarms."""
        await self._api.write(calls.countdown_cancel_all(symbol, seconds * 1000))

    async def _batch(
        self, call: calls.Call[list[Order | Refused]], ids: Sequence[str]
    ) -> Sequence[Order | ExchangeError]:
        """Return one outcome for each id; what went wrong with the request as a whole, went wrong with each."""
        if not ids:
            return []
        try:
            items = await self._api.write(call)
        except ExchangeError as error:
            return [error] * len(ids)
        return [self._outcome(item, expected) for item, expected in zip(items, ids, strict=True)]

    def _outcome(self, item: Order | Refused, expected: str) -> Order | ExchangeError:
        if isinstance(item, Order):
            if item.client_order_id == expected:
                return item
            return OutcomeUnknown(f"the answer to {expected} is about another order")
        refusal = Refusal(code=item.code, message=item.msg, write=True)
        return explain(refusal, pause=FIRST_PAUSE, now_ms=self._clock.now_ms())
