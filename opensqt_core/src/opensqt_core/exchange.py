"""The driver interface: what a venue can be asked and what it can stream.

An `Exchange` has three facets. `market` needs no key; `account` reads; `trading` acts. Something that must not trade is
handed an object without the third one. Requests are plain async methods that return typed values or raise an
`ExchangeError`; streams are async context managers that yield a `Stream`.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, runtime_checkable

import attrs

from opensqt_core.account import Balance, FeeRates, FundingPayment, Position, SymbolSettings
from opensqt_core.capabilities import Capabilities
from opensqt_core.errors import ExchangeError
from opensqt_core.instrument import Instrument
from opensqt_core.market import Candle, FundingRate, MarkPrice, TopOfBook, Trade
from opensqt_core.order import Fill, NewOrder, Order
from opensqt_core.streams import Stream, StreamStatus

API_VERSION = 1
"""Raised when a driver written for an older interface would misbehave."""

AccountEvent = Order | Fill | Balance | Position
"""What the account stream carries: an order's new state, one execution, a changed balance, a changed position."""


class MarketData(Protocol):
    """What everybody can see."""

    async def instruments(self) -> Sequence[Instrument]:
        """Return every linear perpetual of the venue."""
        ...

    async def server_time_ms(self) -> int:
        """Return the venue's clock and correct our estimate of it."""
        ...

    async def candles(
        self, symbol: str, interval: str, *, limit: int = 100, end_ms: int | None = None
    ) -> Sequence[Candle]:
        """Return up to `limit` candles, oldest first, whatever the venue's order.

        Without `end_ms` the last one is the running candle (`closed` False); with it, only closed candles that opened
        before `end_ms`. Drivers page where the venue's limit is smaller.
        """
        ...

    async def top_of_book(self, symbol: str) -> TopOfBook:
        """Return best bid and ask."""
        ...

    async def mark_price(self, symbol: str) -> MarkPrice:
        """Return mark price and expected funding."""
        ...

    async def funding_rates(self, symbol: str, *, limit: int = 100) -> Sequence[FundingRate]:
        """Return settled funding rates, oldest first."""
        ...

    def candle_stream(self, symbol: str, interval: str) -> AbstractAsyncContextManager[Stream[Candle]]:
        """Stream the running candle on every change, and each candle once as closed."""
        ...

    def top_of_book_stream(self, symbol: str) -> AbstractAsyncContextManager[Stream[TopOfBook]]:
        """Stream best bid and ask; conflated to the newest."""
        ...

    def trade_stream(self, symbol: str) -> AbstractAsyncContextManager[Stream[Trade]]:
        """Stream public trades, none left out."""
        ...

    def mark_price_stream(self, symbol: str) -> AbstractAsyncContextManager[Stream[MarkPrice]]:
        """Stream mark price and expected funding; conflated to the newest."""
        ...


class AccountData(Protocol):
    """What the owner of a key can see."""

    @property
    def fingerprint(self) -> str:
        """A short hash that tells accounts apart and gives nothing away."""
        ...

    async def balances(self) -> Sequence[Balance]:
        """Return the assets of the margin account."""
        ...

    async def positions(self, symbol: str | None = None) -> Sequence[Position]:
        """Return open positions; for a symbol exactly one, with quantity 0 if there is none."""
        ...

    async def symbol_settings(self, symbol: str) -> SymbolSettings:
        """Return leverage, margin mode and position mode."""
        ...

    async def fee_rates(self, symbol: str) -> FeeRates:
        """Return what this account pays."""
        ...

    async def open_orders(self, symbol: str) -> Sequence[Order]:
        """Return resting orders, those of people and other programs included."""
        ...

    async def order(self, symbol: str, *, client_order_id: str | None = None, order_id: str | None = None) -> Order:
        """Return one order by either id. Raises `OrderNotFound`, which proves nothing by itself (see capabilities)."""
        ...

    async def orders(self, symbol: str, *, start_ms: int, end_ms: int | None = None) -> Sequence[Order]:
        """Return orders in any status created since `start_ms`, oldest first, all pages."""
        ...

    async def fills(self, symbol: str, *, start_ms: int, order_id: str | None = None) -> Sequence[Fill]:
        """Return executions at or after `start_ms` (of one order, if given), oldest first, all pages."""
        ...

    async def funding_payments(self, symbol: str, *, start_ms: int) -> Sequence[FundingPayment]:
        """Return funding received and paid at or after `start_ms`, oldest first, all pages."""
        ...

    def account_stream(self) -> AbstractAsyncContextManager[Stream[AccountEvent]]:
        """Stream changes of orders, executions, balances and positions of this account; none left out."""
        ...


class Trading(Protocol):
    """What moves money."""

    def placements_available(self) -> int:
        """Return how many orders could be sent now without waiting for the venue's limits; cancels keep a reserve."""
        ...

    async def place(self, order: NewOrder) -> Order:
        """Place one order and return the venue's acknowledgement (`status` may already be terminal)."""
        ...

    async def place_batch(self, orders: Sequence[NewOrder]) -> Sequence[Order | ExchangeError]:
        """Place up to `capabilities.max_batch_place` orders of one symbol; one outcome each, in order.

        Never raises for what concerns one order only. If the whole request failed, every entry is that error.
        """
        ...

    async def cancel(
        self, symbol: str, *, client_order_id: str | None = None, order_id: str | None = None
    ) -> Order | None:
        """Cancel one order by either id. Returns its last state where the venue tells it, else None.

        `OrderNotFound` means that it is not open (any more): ask for its state.
        """
        ...

    async def cancel_batch(
        self, symbol: str, client_order_ids: Sequence[str]
    ) -> Sequence[Order | ExchangeError | None]:
        """Cancel up to `capabilities.max_batch_cancel` orders; one outcome each, in order. Never raises for one."""
        ...

    async def cancel_all(self, symbol: str) -> None:
        """Cancel every open order of the symbol, whoever placed it. For a person's command only."""
        ...

    async def arm_dead_man(self, symbol: str, seconds: int) -> None:
        """Have the venue cancel our orders in `seconds` unless this is called again; 0 disarms.

        Raises `Rejected` where `capabilities.dead_man` is None.
        """
        ...


@attrs.frozen(kw_only=True)
class Exchange:
    """An open venue. `account` and `trading` are None without a key, `trading` also for whoever must not trade."""

    name: str
    capabilities: Capabilities
    market: MarketData
    account: AccountData | None = None
    trading: Trading | None = None
    streams: Mapping[str, StreamStatus] = attrs.field(factory=dict)
    """The status of every stream that was opened, by name; a live view."""

    def without_trading(self) -> "Exchange":
        """Return the same venue for somebody who must not trade."""
        return attrs.evolve(self, trading=None)


@runtime_checkable
class Driver(Protocol):
    """The object behind an entry point of group `opensqt.exchanges`."""

    name: str
    """The entry point's name and the name of the settings block: `binance`."""
    title: str
    """For people: `Binance USD-M futures`."""
    api_version: int
    """The `API_VERSION` the driver was written for."""
    settings: type[Any]
    """The attrs class of its settings block."""
    capabilities: Capabilities

    def open(self, settings: Any, /) -> AbstractAsyncContextManager[Exchange]:
        """Open the venue. Connects lazily: entering does no I/O that can fail for lack of a network."""
        ...
