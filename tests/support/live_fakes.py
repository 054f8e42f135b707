"""A venue in one process for tests of the live daemon: what it says and when is the test's to decide."""

import json
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from typing import Any, TypeVar

import attrs
import trio

from opensqt_core.account import Balance, Position, SymbolSettings
from opensqt_core.capabilities import (
    Acknowledgement,
    Capabilities,
    ClientIdRule,
    LookupPath,
    Lookups,
)
from opensqt_core.errors import OrderNotFound
from opensqt_core.exchange import API_VERSION, AccountEvent, Exchange
from opensqt_core.instrument import Instrument
from opensqt_core.market import INTERVAL_MS, Candle
from opensqt_core.order import Fill, Order, OrderStatus, OrderType, Side
from opensqt_core.streams import Lost, Resumed, Stream, StreamState, StreamStatus

T = TypeVar("T")

START_MS = 1_700_000_040_000
MINUTE = 60_000

_path = LookupPath(live_for_ms=None, unfilled_for_ms=None)
CAPABILITIES = Capabilities(
    max_batch_place=1,
    max_batch_cancel=1,
    acknowledgement=Acknowledgement.ACCEPTED,
    client_id=ClientIdRule(max_length=36),
    expiry=None,
    indexing_delay_ms=5_000,
    lookups=Lookups(by_client_id=_path, open_orders=_path, history=_path, fills=_path, fills_carry_client_id=True),
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


class FakeClock:
    """Wall time that moves with trio's."""

    def now_ms(self) -> int:
        return START_MS + round(trio.current_time() * 1000) % 10**9

    def monotonic(self) -> float:
        return trio.current_time()


def candle(
    minute: int = 0,
    close: str = "100",
    volume: str = "1",
    *,
    closed: bool = False,
    symbol: str = "ETHUSDT",
    interval: str = "1m",
) -> Candle:
    """The candle of so many minutes after the start."""
    return Candle(
        symbol=symbol,
        interval=interval,
        open_time_ms=START_MS + minute * INTERVAL_MS[interval],
        open=Decimal(100),
        high=Decimal(110),
        low=Decimal(90),
        close=Decimal(close),
        volume=Decimal(volume),
        closed=closed,
    )


def order(
    order_id: str = "1",
    status: OrderStatus = OrderStatus.NEW,
    *,
    filled: str = "0",
    price: str | None = "100.50",
    side: Side = Side.BUY,
    updated_ms: int | None = None,
    symbol: str = "ETHUSDT",
) -> Order:
    return Order(
        symbol=symbol,
        order_id=order_id,
        client_order_id=f"c{order_id}",
        side=side,
        type=OrderType.LIMIT if price is not None else OrderType.MARKET,
        price=None if price is None else Decimal(price),
        quantity=Decimal(1),
        filled=Decimal(filled),
        status=status,
        updated_ms=updated_ms,
    )


def fill(trade_id: str = "1", time_ms: int = START_MS, *, order_id: str = "1", symbol: str = "ETHUSDT") -> Fill:
    return Fill(
        symbol=symbol,
        trade_id=trade_id,
        order_id=order_id,
        client_order_id=None,
        side=Side.SELL,
        price=Decimal("100.50"),
        quantity=Decimal("0.010"),
        fee=Decimal(0),
        fee_asset="USDT",
        maker=True,
        time_ms=time_ms,
    )


def position(quantity: str = "1", *, updated_ms: int | None = None, symbol: str = "ETHUSDT") -> Position:
    return Position(
        symbol=symbol,
        quantity=Decimal(quantity),
        entry_price=Decimal("99.5") if Decimal(quantity) else Decimal(0),
        unrealised=Decimal("0.5") if Decimal(quantity) else None,
        updated_ms=updated_ms,
    )


def balance(wallet: str = "1000", *, asset: str = "USDT", updated_ms: int | None = None, **figures: str) -> Balance:
    return Balance(
        asset=asset,
        wallet=Decimal(wallet),
        updated_ms=updated_ms,
        **{name: Decimal(figure) for name, figure in figures.items()},
    )


class FakeStream(Stream[T]):
    """A subscription; the test is the venue."""

    def __init__(self, name: str, *, live: bool = True) -> None:
        self.status = StreamStatus(name, since_ms=START_MS)
        self._send, self._receive = trio.open_memory_channel[T | Lost | Resumed](float("inf"))
        self._live = trio.Event()
        self.restarts: list[str] = []
        if live:
            self.go_live()

    async def receive(self) -> T | Lost | Resumed:
        return await self._receive.receive()

    async def aclose(self) -> None:
        await self._receive.aclose()

    async def wait_live(self) -> None:
        await self._live.wait()

    def restart(self, reason: str) -> None:
        self.restarts.append(reason)
        self.lose(reason)
        self.resume()

    def go_live(self) -> None:
        self.status.state = StreamState.LIVE
        self._live.set()

    def put(self, *values: T | Lost | Resumed) -> None:
        for value in values:
            self._send.send_nowait(value)
        self.status.last_event_monotonic = trio.current_time()

    def lose(self, reason: str = "cut", state: StreamState = StreamState.BACKING_OFF) -> None:
        self.status.state, self.status.reason = state, reason
        self.put(Lost(START_MS, reason))

    def resume(self) -> None:
        self.status.state, self.status.reason = StreamState.LIVE, ""
        self.put(Resumed(1_000))

    def end(self) -> None:
        self._send.close()


@attrs.define(eq=False)
class FakeVenue:
    """`MarketData` and `AccountData` at once: its lists are what REST answers."""

    history: list[Candle] = attrs.field(factory=list)
    balance_list: list[Balance] = attrs.field(factory=list)
    position_list: list[Position] = attrs.field(factory=list)
    order_list: dict[str, Order] = attrs.field(factory=dict)
    fill_list: list[Fill] = attrs.field(factory=list)
    symbols: tuple[str, ...] = ("ETHUSDT",)
    clock: FakeClock = attrs.field(factory=FakeClock)
    live: bool = True
    """Whether streams are live when they are opened."""
    calls: Counter[str] = attrs.field(factory=Counter)
    asked: list[tuple[Any, ...]] = attrs.field(factory=list)
    """Arguments of what was asked for candles and fills."""
    failures: dict[str, deque[Exception]] = attrs.field(factory=lambda: defaultdict(deque))
    """What the next calls of a name raise."""
    holds: dict[str, trio.Event] = attrs.field(factory=dict)
    """Calls of a name wait for it, having made up their answer."""
    candle_streams: list[FakeStream[Candle]] = attrs.field(factory=list)
    account_streams: list[FakeStream[AccountEvent]] = attrs.field(factory=list)
    fingerprint: str = "fake"

    async def _answer(self, name: str, value: T) -> T:
        self.calls[name] += 1
        await trio.lowlevel.checkpoint()
        if name in self.holds:
            await self.holds[name].wait()
        if self.failures[name]:
            raise self.failures[name].popleft()
        return value

    async def instruments(self) -> Sequence[Instrument]:
        return await self._answer("instruments", [_instrument(symbol) for symbol in self.symbols])

    async def server_time_ms(self) -> int:
        return await self._answer("server_time_ms", self.clock.now_ms())

    async def candles(
        self, symbol: str, interval: str, *, limit: int = 100, end_ms: int | None = None
    ) -> Sequence[Candle]:
        self.asked.append(("candles", symbol, interval, limit, end_ms))
        found = [each for each in self.history if (each.symbol, each.interval) == (symbol, interval)]
        if end_ms is not None:
            found = [each for each in found if each.open_time_ms < end_ms and each.closed]
        return await self._answer("candles", found[-limit:])

    async def balances(self) -> Sequence[Balance]:
        return await self._answer("balances", list(self.balance_list))

    async def positions(self, symbol: str | None = None) -> Sequence[Position]:
        found = [each for each in self.position_list if symbol in (None, each.symbol)]
        if symbol is not None and not found:
            found = [position("0", symbol=symbol)]
        return await self._answer("positions", found)

    async def symbol_settings(self, symbol: str) -> SymbolSettings:
        settings = SymbolSettings(symbol=symbol, leverage=5, margin_mode="cross", hedge_mode=False)
        return await self._answer("symbol_settings", settings)

    async def open_orders(self, symbol: str) -> Sequence[Order]:
        found = [each for each in self.order_list.values() if each.symbol == symbol and not each.status.terminal]
        return await self._answer("open_orders", found)

    async def order(self, symbol: str, *, client_order_id: str | None = None, order_id: str | None = None) -> Order:
        found = self.order_list.get(order_id or "")
        if found is None:
            await self._answer("order", None)
            raise OrderNotFound("no such order")
        return await self._answer("order", found)

    async def fills(self, symbol: str, *, start_ms: int, order_id: str | None = None) -> Sequence[Fill]:
        self.asked.append(("fills", symbol, start_ms))
        found = [each for each in self.fill_list if each.symbol == symbol and each.time_ms >= start_ms]
        return await self._answer("fills", found)

    @asynccontextmanager
    async def candle_stream(self, symbol: str, interval: str) -> AsyncIterator[Stream[Candle]]:
        self.calls["candle_stream"] += 1
        if self.failures["candle_stream"]:
            raise self.failures["candle_stream"].popleft()
        stream = FakeStream[Candle](f"candle {symbol} {interval}", live=self.live)
        self.candle_streams.append(stream)
        yield stream

    @asynccontextmanager
    async def account_stream(self) -> AsyncIterator[Stream[AccountEvent]]:
        self.calls["account_stream"] += 1
        stream = FakeStream[AccountEvent]("account", live=self.live)
        self.account_streams.append(stream)
        yield stream

    def exchange(self, *, with_key: bool = True) -> Exchange:
        facets: Any = self
        return Exchange(
            name="fake", capabilities=CAPABILITIES, market=facets, account=facets if with_key else None, trading=facets
        )


def _instrument(symbol: str) -> Instrument:
    return Instrument(
        venue="fake",
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        quote="USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.001"),
        min_quantity=Decimal("0.001"),
        max_quantity=Decimal(1000),
        min_notional=Decimal(5),
        reduce_only_below_minimum=True,
    )


class OldPage:
    """What an old page makes of its frames, and what it would stumble over."""

    def __init__(self) -> None:
        self.candles: dict[int, Any] = {}
        self.account: Any = None
        self.position: Any = None
        self.orders: dict[str, Any] = {}
        self.trades: list[Any] = []
        self.types: list[str] = []

    def take(self, text: str) -> None:
        frame = json.loads(text)
        data = frame["data"]
        self.types.append(frame["type"])
        match frame["type"]:
            case "history":
                self.candles = {each["time"]: each for each in data}
            case "kline":
                assert data["time"] >= max(self.candles, default=0), "an old page can't go back in time"
                self.candles[data["time"]] = data
            case "account":
                self.account = data
            case "position":
                self.position = data
            case "orders" if isinstance(data, list):
                self.orders = {each["id"]: each for each in data}
            case "orders":
                self.orders.pop(data["id"], None)
                if data["status"] in ("NEW", "PARTIALLY_FILLED"):
                    self.orders[data["id"]] = data
            case "trade_event":
                self.trades.append(data)


@attrs.frozen
class FakeSettings:
    """A settings block without keys."""


@attrs.define
class FakeDriver:
    """A driver whose venue is the test's."""

    venue: FakeVenue = attrs.field(factory=FakeVenue)
    with_key: bool = True
    name: str = "fake"
    title: str = "Fake futures"
    api_version: int = API_VERSION
    settings: type[Any] = FakeSettings
    capabilities: Capabilities = CAPABILITIES

    def open(self, settings: Any, /) -> AbstractAsyncContextManager[Exchange]:
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Exchange]:
        yield self.venue.exchange(with_key=self.with_key)
