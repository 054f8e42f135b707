"""What the market maker's tests start from: one instrument, one grid, and events with few words."""

from decimal import Decimal
from typing import Any

import attrs

from opensqt_core.instrument import Instrument
from opensqt_core.journal import events as ev
from opensqt_core.market import TopOfBook
from opensqt_core.order import OrderStatus, Side
from opensqt_mm import client_ids
from opensqt_mm.decisions import Reason, View
from opensqt_mm.fold import fold_all
from opensqt_mm.settings import TradingSettings
from opensqt_mm.state import State

D = Decimal
Number = str | int | Decimal
BUY, SELL = Side.BUY, Side.SELL
T0 = 1_790_000_000_000

INSTRUMENT = Instrument(
    venue="sim",
    symbol="ETHUSDT",
    base="ETH",
    quote="USDT",
    tick_size=D("0.01"),
    lot_size=D("0.001"),
    min_quantity=D("0.001"),
    max_quantity=D(1000),
    min_notional=D(20),
    reduce_only_below_minimum=False,
)

CREATED = ev.JournalCreated(
    ms=T0,
    instance="Ab3x",
    venue="sim",
    account="f00d",
    symbol="ETHUSDT",
    base="ETH",
    quote="USDT",
    tick_size=D("0.01"),
    lot_size=D("0.001"),
    anchor=D(3000),
    price_interval=D(10),
)

SETTINGS = TradingSettings(symbol="ETHUSDT", price_interval=D(10), order_quantity=D(300))


def book(bid: Number, ask: Number | None = None) -> TopOfBook:
    """Return a top of book; one tick wide unless told."""
    low = D(bid)
    return TopOfBook(
        symbol="ETHUSDT",
        bid=low,
        bid_quantity=D(5),
        ask=D(ask) if ask is not None else low + D("0.01"),
        ask_quantity=D(5),
        time_ms=T0,
    )


def around(price: Number) -> TopOfBook:
    """Return a book of two ticks whose mid is exactly `price`."""
    return book(D(price) - D("0.01"), D(price) + D("0.01"))


def view(price: Number | TopOfBook | None, **changes: Any) -> View:
    """Return what a decision sees when the mid is `price`."""
    seen = price if isinstance(price, TopOfBook) or price is None else around(price)
    return View(**({"now_ms": T0 + 1_000_000, "book": seen} | changes))


def settings(**changes: Any) -> TradingSettings:
    """Return the usual settings with changes."""
    return attrs.evolve(SETTINGS, **changes)


def instrument(**changes: Any) -> Instrument:
    """Return the usual instrument with changes."""
    return attrs.evolve(INSTRUMENT, **changes)


def cid(level: int, side: Side, sequence: int) -> str:
    """Return the client order id of one of our orders."""
    return client_ids.encode(client_ids.ClientId(CREATED.instance, level, side, sequence))


class Story:
    """A journal written line by line; each method appends events and returns what the next lines need."""

    def __init__(self) -> None:
        self.events: list[ev.Event] = [CREATED]
        self.ms = T0
        self.sequence = 0
        self.trades = 0

    @property
    def state(self) -> State:
        """The fold of everything so far."""
        return fold_all(State(), self.events)

    def add(self, event: ev.Event) -> None:
        """Append any event."""
        self.events.append(event)

    def tick(self) -> int:
        """Let a little time pass."""
        self.ms += 10
        return self.ms

    def intend(self, level: int, side: Side, quantity: Number = "0.1", price: Number | None = None, **more: Any) -> str:
        """Intend an order, by default at its level's own price."""
        name = cid(level, side, self.sequence)
        own = CREATED.anchor + (level + (side is SELL)) * CREATED.price_interval
        self.add(
            ev.OrderIntended(
                **{
                    "ms": self.tick(),
                    "client_order_id": name,
                    "sequence": self.sequence,
                    "level": level,
                    "side": side,
                    "price": own if price is None else D(price),
                    "quantity": D(quantity),
                    "reduce_only": side is SELL,
                    "post_only": True,
                    "bid": own - 1,
                    "ask": own + 1,
                    **more,
                }
            )
        )
        self.sequence += 1
        return name

    def ack(self, name: str) -> str:
        """Have the venue accept it."""
        self.add(ev.OrderAcknowledged(ms=self.tick(), client_order_id=name, order_id=f"v-{name}"))
        return name

    def refuse(self, name: str, error: str = "Rejected") -> None:
        """Have the venue refuse it."""
        self.add(ev.OrderRefused(ms=self.tick(), client_order_id=name, error=error, message="no", code="-1"))

    def update(self, name: str, status: str, filled: Number = "0", source: str = "stream", **more: Any) -> None:
        """Have the venue tell of its state."""
        self.add(
            ev.OrderUpdated(
                ms=self.tick(),
                client_order_id=name,
                order_id=f"v-{name}",
                status=OrderStatus(status),
                filled=D(filled),
                source=source,
                **more,
            )
        )

    def fill(self, name: str, quantity: Number, price: Number, fee: Number = "0", **more: Any) -> str:
        """Have it trade."""
        self.trades += 1
        said = client_ids.decode(name)
        assert said is not None
        trade = f"t{self.trades}"
        self.add(
            ev.FillBooked(
                **{
                    "ms": self.tick(),
                    "client_order_id": name,
                    "order_id": f"v-{name}",
                    "trade_id": trade,
                    "side": said.side,
                    "price": D(price),
                    "quantity": D(quantity),
                    "fee": D(fee),
                    "fee_asset": "USDT",
                    "fee_quote": D(fee),
                    "converted": False,
                    "maker": True,
                    "venue_ms": self.ms,
                    "source": "stream",
                    **more,
                }
            )
        )
        return trade

    def doubt(self, name: str) -> None:
        """Lose track of it."""
        self.add(ev.OrderDoubted(ms=self.tick(), client_order_id=name, reason="time-out"))

    def cancel(self, name: str, reason: str = "outside_window") -> None:
        """Intend its cancel."""
        self.add(ev.CancelIntended(ms=self.tick(), client_order_id=name, reason=reason))

    def open(self, level: int, side: Side, quantity: Number = "0.1", **more: Any) -> str:
        """Place an order and have it accepted."""
        return self.ack(self.intend(level, side, quantity, **more))

    def hold(self, level: int, quantity: Number = "0.1", fee: Number = "0") -> str:
        """Buy at a level's own price and hold."""
        name = self.open(level, BUY, quantity)
        self.fill(name, quantity, CREATED.anchor + level * CREATED.price_interval, fee)
        return name


def story(*, held: dict[int, str] | None = None, buys: dict[int, str] | None = None) -> Story:
    """Return a story in which some levels hold something and others have a buy in the book."""
    told = Story()
    for level, quantity in (held or {}).items():
        told.hold(level, quantity)
    for level, quantity in (buys or {}).items():
        told.open(level, BUY, quantity)
    return told


__all__ = [
    "BUY",
    "CREATED",
    "INSTRUMENT",
    "SELL",
    "SETTINGS",
    "T0",
    "D",
    "Reason",
    "Story",
    "around",
    "book",
    "cid",
    "instrument",
    "settings",
    "story",
    "view",
]
