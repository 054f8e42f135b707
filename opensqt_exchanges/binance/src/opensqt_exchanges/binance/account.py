"""The account facet: what the owner of a key can see."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal

import attrs
import trio

from opensqt_core.account import Balance, FeeRates, FundingPayment, Position, SymbolSettings
from opensqt_core.errors import AuthFailed, Banned, ExchangeError, Rejected
from opensqt_core.exchange import AccountEvent
from opensqt_core.order import Fill, Order
from opensqt_core.streams import SessionLost, Stream, StreamSpec
from opensqt_exchanges.binance import calls
from opensqt_exchanges.binance.api import Api
from opensqt_exchanges.binance.capabilities import LOOKBACK_MS, WINDOW_MS
from opensqt_exchanges.binance.errors import LISTEN_KEY_GONE
from opensqt_exchanges.binance.market import ROTATE_AFTER
from opensqt_exchanges.binance.sessions import AccountSession, Oddities
from opensqt_exchanges.binance.settings import Settings

RENEW_EVERY = 30 * 60.0
RENEW_AGAIN_AFTER = 60.0
_AHEAD_MS = 60_000
"""Our estimate of the venue's time is slightly behind: what happened just now must not fall out of the last span."""
KEY_LIVES = 60 * 60.0
"""Seconds a listenKey lives after it was created or renewed."""


class ListenKeys:
    """The key of the user data stream: one request for it at a time, whoever asks."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._asking = trio.Lock()

    async def create(self) -> str:
        """Return the account's key, for another 60 minutes."""
        async with self._asking:
            return await self._api.read(calls.create_listen_key())

    async def keep_alive(self) -> None:
        """Renew the key every 30 minutes. Raises `SessionLost` when it is gone, or about to be."""
        renewed_at = trio.current_time()
        pause = RENEW_EVERY
        while True:
            await trio.sleep(pause)
            try:
                async with self._asking:
                    await self._api.read(calls.renew_listen_key())
            except (AuthFailed, Banned):
                raise
            except ExchangeError as error:
                if error.code == LISTEN_KEY_GONE:
                    raise SessionLost("account: the listenKey is gone") from error
                if trio.current_time() + RENEW_AGAIN_AFTER > renewed_at + KEY_LIVES:
                    raise SessionLost(f"account: the listenKey could not be renewed: {error}") from error
                pause = RENEW_AGAIN_AFTER
            else:
                renewed_at = trio.current_time()
                pause = RENEW_EVERY


@attrs.frozen
class Account:
    """An `AccountData`."""

    fingerprint: str
    _api: Api
    _settings: Settings
    _keys: ListenKeys
    _oddities: Oddities

    async def balances(self) -> Sequence[Balance]:
        """Return the assets of the margin account."""
        return await self._api.read(calls.balances())

    async def positions(self, symbol: str | None = None) -> Sequence[Position]:
        """Return open positions; for a symbol exactly one. Raises `Rejected` if the account hedges.

        The venue lists symbols with a position or an order only.
        """
        rows = await self._api.read(calls.positions(symbol))
        found = [position for position in rows if position is not None and symbol in (None, position.symbol)]
        if symbol is None:
            return [position for position in found if position.quantity != 0]
        return found or [Position(symbol=symbol, quantity=Decimal(0), entry_price=Decimal(0))]

    async def symbol_settings(self, symbol: str) -> SymbolSettings:
        """Return leverage, margin mode and position mode."""
        for name, leverage, margin_mode in await self._api.read(calls.symbol_config(symbol)):
            if name == symbol:
                hedge_mode = await self._api.read(calls.account_config())
                return SymbolSettings(symbol=symbol, leverage=leverage, margin_mode=margin_mode, hedge_mode=hedge_mode)
        raise Rejected(f"the account has no settings for {symbol}")

    async def fee_rates(self, symbol: str) -> FeeRates:
        """Return what this account pays."""
        return await self._api.read(calls.commission_rate(symbol))

    async def open_orders(self, symbol: str) -> Sequence[Order]:
        """Return resting orders, those of people and other programs included."""
        return await self._api.read(calls.open_orders(symbol))

    async def order(self, symbol: str, *, client_order_id: str | None = None, order_id: str | None = None) -> Order:
        """Return one order by either id.

        Raises `OrderNotFound` also for orders that ended without a fill more than three days ago.
        """
        return await self._api.read(calls.order(symbol, client_order_id=client_order_id, order_id=order_id))

    async def orders(self, symbol: str, *, start_ms: int, end_ms: int | None = None) -> Sequence[Order]:
        """Return orders in any status created since `start_ms`, oldest first, as far back as the venue remembers.

        A span of which the reply is full is asked for again in halves: whether a full reply holds the oldest or the
        newest of its span is not documented.
        """
        spans = await self._spans(start_ms, end_ms)
        found: dict[str, Order] = {}
        while spans:
            first_ms, last_ms = spans.pop()
            page = await self._api.read(calls.all_orders(symbol, first_ms, last_ms))
            if len(page) >= calls.PAGE and first_ms < last_ms:
                middle_ms = (first_ms + last_ms) // 2
                spans += [(middle_ms + 1, last_ms), (first_ms, middle_ms)]
            else:
                found |= {order.order_id: order for order in page}
        return sorted(found.values(), key=lambda order: (order.created_ms or 0, int(order.order_id)))

    async def fills(self, symbol: str, *, start_ms: int, order_id: str | None = None) -> Sequence[Fill]:
        """Return executions at or after `start_ms`, oldest first, as far back as the venue remembers (three months)."""
        found: dict[int, Fill] = {}
        for first_ms, last_ms in reversed(await self._spans(start_ms, None)):
            call = calls.user_trades(symbol, first_ms, last_ms)
            while True:
                page = {int(fill.trade_id): fill for fill in await self._api.read(call)}
                found |= page
                if len(page) < calls.PAGE:
                    break
                call = calls.user_trades_from(symbol, max(page) + 1)  # has no end: it may run on to the present
        return [
            fill for _, fill in sorted(found.items()) if fill.time_ms >= start_ms and order_id in (None, fill.order_id)
        ]

    async def funding_payments(self, symbol: str, *, start_ms: int) -> Sequence[FundingPayment]:
        """Return funding received and paid at or after `start_ms`, oldest first, paged by time."""
        found: dict[str, FundingPayment] = {}
        while True:
            page = await self._api.read(calls.funding_income(symbol, start_ms))
            found |= {payment.payment_id: payment for payment in page}
            if len(page) < calls.PAGE:
                return sorted(found.values(), key=lambda payment: payment.time_ms)
            newest_ms = max(payment.time_ms for payment in page)
            start_ms = max(newest_ms, start_ms + 1)

    def account_stream(self) -> AbstractAsyncContextManager[Stream[AccountEvent]]:
        """Stream changes of orders, executions, balances and positions of this account; none left out."""

        async def address() -> str:
            route = f"{self._settings.ws_url}{self._settings.ws_private_path}/ws"
            return f"{route}?listenKey={await self._keys.create()}"

        return self._api.open_stream(
            StreamSpec(
                name="account",
                url=address,
                session=lambda: AccountSession(self._oddities),
                max_age=ROTATE_AFTER,
                background=self._keys.keep_alive,
            )
        )

    async def _spans(self, start_ms: int, end_ms: int | None) -> list[tuple[int, int]]:
        """Return what the venue answers in one request each, the oldest last."""
        now_ms = await self._api.now_ms()
        last_ms = now_ms + _AHEAD_MS if end_ms is None else end_ms
        firsts = range(max(start_ms, now_ms - LOOKBACK_MS), last_ms + 1, WINDOW_MS)
        return [(first, min(first + WINDOW_MS - 1, last_ms)) for first in reversed(firsts)]
